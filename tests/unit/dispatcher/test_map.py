"""The map of the package in `dispatcher/__init__.py`: complete, and every path in it exists."""

from __future__ import annotations

import re

import pytest

import dispatcher
from tests.support.paths import ROOT

MAP = dispatcher.__doc__ or ""
NAMED = sorted({name for name in re.findall(r"`([\w./]+)`", MAP) if "/" in name or name.endswith((".py", ".sql"))})
PARTS = sorted(
    path.stem if path.suffix else f"{path.name}/"
    for path in (ROOT / "dispatcher").iterdir()
    if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").exists()
)


@pytest.mark.parametrize("name", NAMED)
def test_a_path_on_the_map_exists(name):
    assert any((folder / name).exists() for folder in (ROOT, ROOT / "dispatcher")), name


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_package_is_on_the_map(part):
    assert f"`{part}`" in MAP
