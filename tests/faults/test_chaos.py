"""Real processes, struck over and over: whatever is killed, cut or confused, every promise holds."""

from __future__ import annotations

import pytest

from tests.faults.chaos.plan import Plan, blows
from tests.faults.chaos.run import chaos
from tests.faults.chaos.verdict import verdict

PLAN = Plan(events=1500, dispatchers=3, seed=1, seconds=20)


@pytest.mark.timeout(400)
async def test_every_promise_holds_whatever_is_struck():
    seen = await chaos(PLAN)
    assert [promise for promise in verdict(seen) if promise.broken] == []
    assert {struck.kind for struck in seen.struck} >= {"kill", "worker", "cut", "restart", "crash"}
    assert min(sum(faults.values()) for faults in seen.faults.values()) > 0
    assert len(seen.kept) == PLAN.events


def test_the_same_seed_draws_the_same_blows():
    assert blows(PLAN) == blows(PLAN)
    assert {blow.kind for blow in blows(Plan(seconds=1))} == {blow.kind for blow in blows(PLAN)}
