"""The modules of both packages, found in their folders."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

from tests.support.paths import ROOT

STARTS = {"dispatcher.sandbox.__main__"}
"""What runs when it is imported."""


@cache
def modules() -> list[str]:
    """Give the dotted names of all modules of `outbox` and `dispatcher`."""
    names = []
    for package in ("outbox", "dispatcher"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if name not in STARTS and "build" not in parts and "-" not in name and "entry" not in parts:
                names.append(name)
    return names


def source_of(name: str) -> str:
    """Give the text of a module."""
    found = importlib.util.find_spec(name)
    assert found
    assert found.origin
    return Path(found.origin).read_text(encoding="utf-8")
