"""The page of differences from the specification: each names its section, and the public source of the rule."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "spec-differences.md").read_text(encoding="utf-8")
PARTS = dict(part.split("\n", 1) for part in PAGE.split("\n## ")[1:])
ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]]
    for destination in ("Meta", "GA4")
    for line in PARTS[destination].splitlines()
    if re.match(r"\| \d", line)
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_difference_has_its_section_its_source_and_what_we_do(row):
    section, rule, what_we_do = row
    assert re.match(r"\d(\.\d)?(, \d\.\d)*: \S", section)
    assert re.search(r"\]\(https://[^)\s]+\)", rule) or "the same page" in rule
    assert what_we_do


def test_the_rows_are_found():
    assert len(ROWS) > 25
