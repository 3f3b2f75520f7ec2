"""The layout of the packages: who may import whom."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Package: which of our packages it may import, beside itself.
MAY_IMPORT = {
    "outbox": set(),
    "schema": {"outbox"},
    "migrations": {"outbox", "schema"},
    "dispatcher": {"outbox", "schema", "migrations"},
}
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
