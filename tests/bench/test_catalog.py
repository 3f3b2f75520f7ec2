"""Every promised line has its measurement, with the promised goals."""

from __future__ import annotations

import pytest

from tests.bench.catalog import MEASUREMENTS
from tests.bench.plan import FULL, QUICK

PROMISED = {
    "g2": [],
    "intake": ["intake ≥ 25% of g2"],
    "drain_meta": [
        "dispatcher ≥ 25% of g2",
        "dispatcher ≥ 5 x pgqueuer",
        "dispatcher ≥ 5 x procrastinate",
    ],
    "together": ["dispatcher ≥ 3 x pgqueuer"],
    "latency_meta": ["far ≥ 80% of near"],
    "drain_ga4": ["dispatcher ≥ 60% of client", "dispatcher ≥ 1.5 x pgqueuer"],
    "latency_ga4": ["far ≥ 80% of near"],
    "build": ["build ≥ 10 x sdk"],
    "seal": ["seal ≥ 2 x sdk"],
    "settled": ["settled ≥ 95% of empty"],
    "pending": ["pending ≥ 95% of empty", "memory ≤ 150 MB", "memory is flat: last third ≤ 1.1 x the one before"],
    "snapshot": ["snapshot ≥ 90% of alone"],
    "record": [
        *(f"{way} ≤ 1.5 x insert, {number} connections" for way in ("sql", "record") for number in (1, 4, 16)),
    ],
    "record_beside": ["record ≤ a third of pgqueuer"],
    "record_many": ["sql ≥ 50% of copy", "record ≥ 50% of copy"],
    "delay": [
        "poll.meta p50 ≤ 250 ms",
        "poll.meta p99 ≤ 500 ms",
        "poll.ga4 p50 ≤ 250 ms",
        "poll.ga4 p99 ≤ 500 ms",
        "notify.meta p50 ≤ 20 ms",
        "notify.meta p99 ≤ 100 ms",
        "notify.ga4 p50 ≤ 20 ms",
        "notify.ga4 p99 ≤ 100 ms",
    ],
    "two_dispatchers": ["two ≥ 1.8 x one"],
    "idle": ["idle.daemon ≤ 1 % of a core", "idle.statements ≤ 5 /s"],
    "resolve": ["microseconds of processor time for an event", "an event is no dearer than with ten, but for noise"],
    "fold": ["the cost of an event stays within 2 x"],
}


def test_every_promise_is_measured():
    assert {one.name: [goal.says for goal in one.goals] for one in MEASUREMENTS} == PROMISED


@pytest.mark.parametrize("one", MEASUREMENTS, ids=lambda one: one.name)
def test_a_measurement_with_goals_names_its_limiting_factor(one):
    assert one.note or not one.goals


def test_each_side_runs_at_least_five_times_and_at_full_size():
    assert (FULL.rounds, FULL.events, FULL.settled, FULL.pending, FULL.person) == (
        5,
        100_000,
        5_000_000,
        1_000_000,
        100_000,
    )


def test_a_scaled_run_does_less_of_everything_that_is_counted():
    scaled = FULL.scaled(0.1)

    assert (scaled.events, scaled.pending, scaled.records) == (10_000, 100_000, 4)
    assert (scaled.rounds, scaled.longest) == (FULL.rounds, FULL.longest)
    assert QUICK.scaled(1e-9).events == 1
