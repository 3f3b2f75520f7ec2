"""`docs/benchmarks.md` is what a kept run came to, and nothing else."""

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

    assert text == page({name: json.loads((results.KEPT / name).read_text(encoding="utf-8")) for name in names})


def test_a_missed_goal_says_by_how_much_and_what_holds_it():
    drain, bare = _lines([{"ours": 30, "theirs": 100}, {"ours": 10, "theirs": 100}, {"ours": 49, "theirs": 100}])

    assert drain == (
        "| `drain`: how fast (events/s) | ours 30, theirs 100 | ours ≥ 50% of theirs | 0.3 (0.1 to 0.49) | **missed** | one core |"
    )
    assert bare == "| `bare`: what the machine does (events/s) | ours 30, theirs 100 | - |  |  |  |"


def test_what_was_not_measured_is_told_as_such():
    drain, _ = _lines([], "OperationalError: gone")

    assert "**failed**: OperationalError: gone" in drain
    assert "| ours ≥ 50% of theirs | - | not measured |" in drain


@pytest.mark.parametrize(("ours", "verdict"), [(50, "met"), (49, "**missed**")])
def test_a_goal_is_met_from_its_limit_on(ours, verdict):
    assert f"| {verdict} |" in _lines([{"ours": ours, "theirs": 100}])[0]


def test_of_several_runs_each_measurement_is_of_the_last():
    first, last = (
        results.results(QUICK, [Measured(MEASUREMENT, [{"ours": ours, "theirs": 100}])], "18.0") for ours in (10, 90)
    )
    text = page({"first.json": first, "last.json": last})

    assert "ours 90" in text
    assert "ours 10" not in text
    assert "results/last.json), of `drain`" in text
