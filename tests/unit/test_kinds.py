"""Nothing but its own package names a kind of destination."""

from __future__ import annotations

import ast
import re

from dispatcher.config.kinds import kinds
from dispatcher.config.settings import variables
from tests.support.paths import ROOT

NAMES = tuple(kinds())
OWN = tuple(ROOT / "dispatcher" / part / name for part in ("destinations", "sandbox") for name in NAMES)
SEALED = {
    "dispatcher/identity/enrichment.py",
    "dispatcher/identity/fragments.py",
    "dispatcher/identity/keys.py",
    "dispatcher/identity/profile.py",
    "dispatcher/people/lookup.py",
    "dispatcher/people/profile.py",
    "dispatcher/preview/provenance.py",
}
"""Files that read the sealed forms of a person, one of which the writer calls like a kind."""
OF_SEALED = {"meta", "for_meta", "META_TRAITS"}
DOCUMENTATION = {"dispatcher/config/settings.py", "dispatcher/config/variables.py"}
"""Files whose docstrings have an example with a real kind."""


def files(*suffixes):
    paths = [*(ROOT / "dispatcher").rglob("*"), ROOT / "outbox" / "taxonomy.py"]
    for path in paths:
        if path.suffix in suffixes and not any(path.is_relative_to(folder) for folder in OWN):
            yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")


def names_in(source):
    """Give the literals, identifiers and imports that name a kind."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=str(text)) if text in NAMES:
                yield text
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                if re.search(rf"(^|_)({'|'.join(NAMES)})(_|$)", name, re.IGNORECASE):
                    yield name
            case ast.ImportFrom(module=str(module)) if set(module.split(".")) & set(NAMES):
                yield module


def test_no_code_names_a_kind():
    found = [
        (path, name)
        for path, source in files(".py")
        for name in names_in(source)
        if not (path in SEALED and name in OF_SEALED)
    ]
    assert found == []


def test_no_template_asks_for_a_kind():
    found = {
        (path, match[0])
        for path, text in files(".html", ".js")
        for match in re.finditer(rf"""["']({"|".join(NAMES)})["']""", text)
    }
    assert found == set()


def test_no_style_sheet_has_a_rule_for_a_kind():
    found = {
        (path, match[0]) for path, text in files(".css") for match in re.finditer(rf"[.#-]({'|'.join(NAMES)})\b", text)
    }
    assert found == set()


def test_no_text_names_a_variable_of_a_kind():
    own = {name for name in variables() if not name.startswith(("OUTBOX_", "STRIPE_"))}
    assert own
    found = {
        (path, name)
        for path, text in files(".py", ".html", ".js")
        for name in re.findall(r"\b[A-Z][A-Z0-9_]{5,}\b", text)
        if (name in own or name.startswith(tuple(f"{kind.upper()}_" for kind in NAMES)))
        and path not in DOCUMENTATION
        and not (path in SEALED and name in OF_SEALED)
    }
    assert found == set()


def test_the_walk_sees_every_way_to_name_a_kind():
    source = (
        "from dispatcher.destinations.meta import kind\nx = 'ga4'\nx.meta_token\ndef f(ga4_id): g(meta_id=1)\nMETA_X"
    )
    assert sorted(names_in(source)) == [
        "META_X", "dispatcher.destinations.meta", "ga4", "ga4_id", "meta_id", "meta_token",
    ]  # fmt: skip


def test_each_kind_is_complete():
    """What a kind must say, whatever it is."""
    for name, kind in kinds().items():
        assert kind.label
        assert kind.account_label
        assert {kind.id, kind.secret, kind.base_url} <= set(kind.settings.__dataclass_fields__)
        assert kind.limits.batch > 0
        assert kind.sandbox == f"dispatcher.sandbox.{name}.stand_in"
        assert all(kind.event_name_problem(route) is None for route in kind.routes.values())
