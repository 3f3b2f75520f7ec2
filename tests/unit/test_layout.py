"""The layout of the packages: who may import whom."""

from __future__ import annotations

import ast

import pytest

from tests.support.paths import ROOT

# Package: which of our packages it may import, beside itself.
MAY_IMPORT = {"outbox": set(), "dispatcher": {"outbox"}}

# The layers of `dispatcher`, lowest first: a module or package imports only what stands on a line above its own.
LAYERS = (
    {"byte_budget", "config", "consent", "findings", "http_server", "quarantine", "reasons", "request_headers"},
    {"database", "models"},
    {"in_flight", "routing", "wakeups", "watermark"},
    {"telemetry"},
    {"reports"},
    {"identity"},
    {"destinations"},
    {"delivery", "intake"},
    {"resend", "maintenance", "people"},
    {"preview", "monitoring"},
    {"scheduler", "sandbox"},
    {"daemon"},
    {"supervisor", "worker"},
    {"console", "doctor"},
    {"admin_http", "serve"},
    {"demo"},
    {"cli"},
)
DATA = ("schema", "migrations")
"""Folders of SQL and of Alembic's scripts: no import packages, since other people's are called that."""
GRAB_BAGS = {"utils", "util", "common", "helpers", "misc"}


def sources(*folders):
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imports(path):
    """Give the dotted names that a file imports, anywhere in it, as absolute ones."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else [])))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from (part.value for part in node.args[:1] if isinstance(part, ast.Constant))


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_stands_below_it(package):
    ours = {*MAY_IMPORT, "tests"}
    found = {
        (str(path.relative_to(ROOT)), name)
        for path in sources(package)
        for name in imports(path)
        if name.partition(".")[0] in ours - MAY_IMPORT[package] - {package}
    }
    assert sources(package)
    assert found == set()


def test_there_are_no_grab_bags():
    files = sources(*MAY_IMPORT, "tests", "scripts")
    names = {part for path in files for part in (*path.relative_to(ROOT).parts[:-1], path.stem)}
    assert names & GRAB_BAGS == set()
    imported = {name for path in files for name in imports(path)}
    assert {name for name in imported if name.partition(".")[0] in GRAB_BAGS} == set()


def test_every_package_of_the_repository_is_known_here():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == set(MAY_IMPORT)


def test_the_layers_of_the_dispatcher_go_one_way():
    level = {name: number for number, names in enumerate(LAYERS) for name in names}
    found = set()
    for path in sources("dispatcher"):
        importer = path.relative_to(ROOT / "dispatcher").parts[0].removesuffix(".py")
        for name in imports(path):
            top, _, rest = name.partition(".")
            imported = rest.partition(".")[0]
            if top != "dispatcher" or imported in {"", importer} or importer == "__init__":
                continue
            if level[imported] >= level[importer]:
                found.add((str(path.relative_to(ROOT)), name))
    assert found == set()


def test_every_module_of_the_dispatcher_has_a_layer():
    top = {path.name.removesuffix(".py") for path in (ROOT / "dispatcher").iterdir() if path.suffix in {"", ".py"}}
    assert top - {"__init__", "__pycache__"} == set().union(*LAYERS)


def test_schema_and_migrations_are_data():
    assert [str(path) for name in DATA for path in (ROOT / name).rglob("__init__.py")] == []
    assert sources("schema") == []


def test_the_walk_sees_every_kind_of_import(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / "outbox" / "inner" / "module.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import a.b, c\n"
        "from d.e import f\n"
        "from . import g\n"
        "from ..h import i\n"
        "def later():\n    import j\n    import importlib\n    importlib.import_module('k.l')\n"
    )
    assert set(imports(path)) == {
        *("a.b", "c", "d.e", "d.e.f", "outbox.inner", "outbox.inner.g", "outbox.h", "outbox.h.i", "j", "importlib"),
        "k.l",
    }
