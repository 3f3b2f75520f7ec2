"""Real processes under repeated disruptions: every promise holds."""

from __future__ import annotations

import pytest

from tests.faults.chaos.plan import Plan, disruptions
from tests.faults.chaos.promises import check
from tests.faults.chaos.run import chaos

PLAN = Plan(events=1500, dispatchers=3, seed=1, seconds=20)


@pytest.mark.timeout(400)
async def test_every_promise_holds_under_every_disruption():
    seen = await chaos(PLAN)
    assert [promise for promise in check(seen) if promise.broken] == []
    assert {incident.kind for incident in seen.incidents} >= {"kill", "worker", "cut", "restart", "crash"}
    assert min(sum(faults.values()) for faults in seen.faults.values()) > 0
    assert len(seen.kept) == PLAN.events


def test_the_same_seed_draws_the_same_disruptions():
    assert disruptions(PLAN) == disruptions(PLAN)
    assert {disruption.kind for disruption in disruptions(Plan(seconds=1))} == {
        disruption.kind for disruption in disruptions(PLAN)
    }
