"""`docs/benchmarks.md` is generated from stored results, and nothing else."""

from __future__ import annotations

import json
import re

import pytest

from tests.bench import results
from tests.bench.measure import Measured, Measurement, at_least
from tests.bench.page import page
from tests.bench.plan import QUICK
from tests.support.paths import ROOT

RATIO = at_least(0.5, "ours", "theirs")
MEASUREMENT = Measurement("drain", "how fast", "events/s", lambda _: None, (RATIO,), "one core")
BARE = Measurement("bare", "what the machine does", "events/s", lambda _: None, ())
PAGE = ROOT / "docs/benchmarks.md"


def _lines(rounds, failed=None):
    found = results.results(QUICK, [Measured(MEASUREMENT, rounds, 1.0, failed), Measured(BARE, rounds)], "18.0")
    return [line for line in page({"x.json": found}).splitlines() if line.startswith("| `")]


def test_the_page_is_that_of_the_runs_that_it_names():
    text = PAGE.read_text(encoding="utf-8")
    names = re.findall(r"\(\.\./tests/bench/results/([\w-]+\.json)\)", text)

    assert {path.name for path in results.KEPT.glob("*.json")} == set(names)
    assert text == page({name: json.loads((results.KEPT / name).read_text(encoding="utf-8")) for name in names})


def test_a_missed_goal_shows_by_how_much_and_the_limiting_factor():
    drain, bare = _lines([{"ours": 30, "theirs": 100}, {"ours": 10, "theirs": 100}, {"ours": 49, "theirs": 100}])

    assert drain == (
        "| `drain`: how fast (events/s) | ours 30, theirs 100 | ours ≥ 50% of theirs | 0.3 (0.1 to 0.49) | **missed** | one core |"
    )
    assert bare == "| `bare`: what the machine does (events/s) | ours 30, theirs 100 | - |  |  |  |"


def test_what_was_not_measured_is_shown_as_such():
    drain, _ = _lines([], "OperationalError: gone")

    assert "**failed**: OperationalError: gone" in drain
    assert "| ours ≥ 50% of theirs | - | not measured |" in drain


@pytest.mark.parametrize(("ours", "verdict"), [(50, "met"), (49, "**missed**")])
def test_a_goal_is_met_at_its_limit(ours, verdict):
    assert f"| {verdict} |" in _lines([{"ours": ours, "theirs": 100}])[0]


def test_of_several_runs_the_last_one_with_a_measurement_counts():
    first, last = (
        results.results(QUICK, [Measured(MEASUREMENT, [{"ours": ours, "theirs": 100}])], "18.0") for ours in (10, 90)
    )
    text = page({"first.json": first, "last.json": last})

    assert "ours 90" in text
    assert "ours 10" not in text
    assert "results/last.json), of `drain`" in text
