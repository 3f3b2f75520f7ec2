"""A class name means one thing: no two classes of ours share one."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests.support.paths import ROOT


def test_no_two_classes_have_the_same_name():
    found = defaultdict(list)
    for path in sorted(path for package in ("dispatcher", "outbox") for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name.lstrip("_")].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert {name: places for name, places in found.items() if len(places) > 1} == {}
    assert len(found) > 200
