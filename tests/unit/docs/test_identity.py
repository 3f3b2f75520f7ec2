"""docs/identity.md lists every decision, as the tests have it."""

from __future__ import annotations

from tests.properties.identity_decisions import DECISIONS
from tests.support.paths import ROOT


def test_every_decision_is_in_the_documentation():
    text = (ROOT / "docs" / "identity.md").read_text(encoding="utf-8")
    rows = [f"| {each.title} | {each.decision} | {each.why} |" for each in DECISIONS]
    assert [row for row in rows if row not in text] == []
    assert text.count("\n| ") - len(rows) < 12
