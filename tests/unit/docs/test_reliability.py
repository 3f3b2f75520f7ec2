"""The page about reliability: every promise names tests that prove it, and these exist."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "reliability.md"
TEXT = PAGE.read_text(encoding="utf-8")
PROOFS = [
    (path, name)
    for path, names in re.findall(r"^Proof, \[\w+\]\(([^)]+)\)(.*?)(?=^Proof|\n\n)", TEXT, re.MULTILINE | re.DOTALL)
    for name in re.findall(r"`(test_\w+)`", names)
]


@pytest.mark.parametrize(("path", "name"), PROOFS)
def test_a_proof_is_a_test(path, name):
    assert re.search(rf"\b{name}\b", (PAGE.parent / path).read_text(encoding="utf-8"))


def test_every_promise_has_a_proof_and_no_test_is_overlooked():
    promises = [part for part in TEXT.split("\n## ")[1:] if "**Promise.**" in part]
    assert len(promises) > 10
    assert [part.splitlines()[0] for part in promises if "\nProof, [" not in part] == []
    assert {name for _, name in PROOFS} == set(re.findall(r"`(test_\w+)`", TEXT))
