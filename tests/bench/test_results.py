"""Results are medians, spreads, ratios within one round, and goals met or missed."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from tests.bench import results
from tests.bench.measure import Goal, Measured, Measurement, at_least, at_most
from tests.bench.plan import QUICK
from tests.bench.table import table

RATIO = at_least(0.5, "ours", "theirs")
ROUNDS = [{"ours": 50, "theirs": 100}, {"ours": 30, "theirs": 20}, {"ours": 10, "theirs": 100}]
MEASUREMENT = Measurement("drain", "how fast", "events/s", lambda _: None, (RATIO,), "one core")


def test_a_summary_is_the_median_and_the_spread():
    assert results.summary([3, 1, 10, 2]) == {"median": 2.5, "min": 1, "max": 10}


def test_a_ratio_is_taken_within_each_round_and_its_median_counts():
    verdict = results.goal_result(RATIO, ROUNDS)

    assert verdict["rounds"] == [0.5, 1.5, 0.1]
    assert (verdict["median"], verdict["min"], verdict["max"]) == (0.5, 0.1, 1.5)
    assert verdict["met"] is True
    assert verdict["least"] == 0.5


@pytest.mark.parametrize(
    ("goal", "values", "met"),
    [
        (at_least(2, "ours", "theirs"), {"ours": 200, "theirs": 100}, True),
        (at_least(2, "ours", "theirs"), {"ours": 199, "theirs": 100}, False),
        (at_most(150, "MB", "MB"), {"MB": 150}, True),
        (at_most(150, "MB", "MB"), {"MB": 150.1}, False),
        (Goal("neither too little nor too much", lambda values: values["n"], least=1, most=2), {"n": 3}, False),
    ],
)
def test_a_goal_holds_up_to_its_limit(goal, values, met):
    assert results.goal_result(goal, [values])["met"] is met


def test_what_was_not_measured_is_neither_met_nor_missed():
    assert results.goal_result(RATIO, [])["met"] is None


def test_a_result_has_each_side_and_the_error():
    result = results.result(Measured(MEASUREMENT, ROUNDS, 12.34, "OperationalError: gone"))

    assert result["sides"]["theirs"] == {"median": 100, "min": 20, "max": 100}
    assert [goal["goal"] for goal in result["goals"]] == ["ours ≥ 50% of theirs"]
    assert (result["failed"], result["seconds"]) == ("OperationalError: gone", 12.3)


@pytest.mark.parametrize(
    ("rounds", "failed", "passed"),
    [
        (ROUNDS, None, True),
        ([{"ours": 1, "theirs": 100}], None, False),
        (ROUNDS, "OperationalError: gone", False),
        ([], "OperationalError: gone", False),
    ],
)
def test_a_run_passes_only_if_every_measurement_finished(rounds, failed, passed):
    found = results.results(QUICK, [Measured(MEASUREMENT, rounds, 1.0, failed)], "17")

    assert results.passed(found) is passed


def test_results_are_kept_as_json_and_shown_as_a_table(tmp_path):
    missed = Measured(MEASUREMENT, [{"ours": 1, "theirs": 100}])
    found = {
        "commit": "0123456789",
        "plan": {"rounds": 1},
        "machine": {"cores": 2, "memory_gb": 8},
        "versions": {"python": "3"},
        "measurements": [results.result(missed), results.result(Measured(MEASUREMENT, failed="ValueError: no"))],
    }
    results.keep(found, tmp_path / "kept" / "results.json")
    output = io.StringIO()
    Console(file=output, width=160).print(table(found))

    assert json.loads((tmp_path / "kept" / "results.json").read_text()) == found
    shown = output.getvalue()
    for text in ("0.01 x", "missed", "drain: one core", "not measured", "drain failed: ValueError: no", "2 cores"):
        assert text in shown


def test_a_commit_is_named_and_marked_as_changed():
    assert results.commit().removesuffix("-changed").isalnum()
