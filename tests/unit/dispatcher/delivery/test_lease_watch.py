"""When one process takes expired leases back; both clocks are the test's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from dispatcher.delivery.lease_watch import LeaseWatch, Sweep
from dispatcher.in_flight import InFlight

BEGIN = datetime(2026, 11, 30, 12, tzinfo=UTC)
LEASE = timedelta(seconds=60)


class Watched(NamedTuple):
    """A row of `watch_leases`."""

    now: datetime
    since: datetime
    expired: int


class World:
    """A database with one expired lease, that others have watched for hours."""

    def __init__(self):
        self.own = 1000.0
        self.ahead = timedelta()
        self.since = BEGIN - timedelta(hours=5)
        self.slow = 0.0
        self.reclaims = []

    @property
    def now(self):
        return BEGIN + timedelta(seconds=self.own - 1000) + self.ahead

    def clock(self):
        return self.own

    async def run(self, query, parameters=None):
        self.own += self.slow
        if query == "watch_leases":
            return [Watched(self.now, self.since, 1)]
        self.reclaims.append(parameters)
        return [(7,)]


@pytest.fixture
def world():
    return World()


@pytest.fixture
def in_flight():
    return InFlight.private()


@pytest.fixture
def watch(world, in_flight):
    return LeaseWatch(world, in_flight, LEASE, clock=world.clock)


async def sweeps(watch, world, count, every=15.0):
    done = []
    for _ in range(count):
        world.own += every
        done.append((await watch.sweep()).reclaimed)
    return done


async def test_what_expired_is_taken_back_at_once(watch):
    assert await watch.sweep() == Sweep(7, 0)


async def test_only_what_nobody_could_settle_for_a_lease_time(watch, world):
    world.since = BEGIN - timedelta(seconds=50)
    assert await watch.sweep() == Sweep(0, 1)
    assert await sweeps(watch, world, 2) == [7, 7]


async def test_after_it_stood_still_a_process_waits_for_a_lease_time(watch, world):
    await watch.sweep()
    world.own += 31
    assert await watch.sweep() == Sweep(0, 1)
    assert await sweeps(watch, world, 5) == [0, 0, 0, 7, 7]


@pytest.mark.parametrize("jump", [timedelta(seconds=16), timedelta(minutes=2), timedelta(seconds=-16)])
async def test_after_the_database_s_clock_jumped_a_process_waits_for_a_lease_time(watch, world, jump):
    await watch.sweep()
    world.ahead += jump
    assert await sweeps(watch, world, 6) == [0, 0, 0, 0, 7, 7]


async def test_after_the_database_was_away_a_process_waits_for_a_lease_time(watch, world):
    await watch.sweep()
    world.slow = 16
    world.own += 1
    assert await watch.sweep() == Sweep(0, 1)
    world.slow = 0
    assert await sweeps(watch, world, 5) == [0, 0, 0, 7, 7]


async def test_a_decision_is_void_for_a_process_that_stands_still_before_it_acts(watch, world):
    await watch.sweep()
    assert world.reclaims[0]["until"] == BEGIN + LEASE / 4


async def test_nobody_takes_back_what_its_own_tasks_hold(watch, world, in_flight):
    entry = in_flight.enter(41)
    await watch.sweep()
    assert world.reclaims[-1]["held"] == [41]
    entry.leave()
    await watch.sweep()
    assert world.reclaims[-1]["held"] == []
