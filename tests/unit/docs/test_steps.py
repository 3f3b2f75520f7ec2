"""The page of the steps is the default funnel."""

from __future__ import annotations

import re

import outbox
from dispatcher.config import Config
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "steps.md").read_text(encoding="utf-8")
NOWHERE = "\N{EN DASH}"
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("| `")]


def as_written(target):
    """Return a cell: the event name, and its fixed parameters in code."""
    if target is None:
        return NOWHERE
    return ", ".join([target.event_name, *(f"{name} `{value}`" for name, value in target.parameters.items())])


def test_each_step_has_its_row_with_its_name_at_each_destination():
    rows = {row[0].strip("`"): row for row in ROWS}
    assert list(rows) == [step.name for step in Config().steps]
    for step in Config().steps:
        _, _, meta, ga4, when = rows[step.name]
        assert meta.removesuffix(" (custom)") == as_written(step.targets.get("meta"))
        assert ga4 == as_written(step.targets.get("ga4")).partition(",")[0]  # the same parameters
        assert when


def test_each_step_has_its_class():
    for step, name in ((row[0].strip("`"), row[1].strip("`")) for row in ROWS):
        made = getattr(outbox, name)
        assert re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() == step
        assert made.__dataclass_fields__["name"].default == step
