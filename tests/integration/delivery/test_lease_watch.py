"""An expired lease comes back, but not while its holder lives and had no time to settle."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from dispatcher import daemon
from dispatcher.delivery.lease_watch import LeaseWatch, Sweep
from dispatcher.in_flight import InFlight
from tests.support.waiting import until

LEASE = timedelta(seconds=60)


def watch(database):
    return LeaseWatch(database, InFlight.private(), LEASE)


def abandon_a_lease(connection):
    connection.execute(
        """
        INSERT INTO outbox.lease (destination, holder, expires_at, event_ids, revisions, tries, first_unknown_ats)
        VALUES (1, 'dead', outbox.clock() - interval '1 s', '{1}', '{0}', '{0}', '{NULL}')
        """
    )


async def test_a_process_does_not_take_its_own_work_for_lost(spine):
    spine.faults("ga4", rates={"slow": 1.0}, slow_ms=1500)
    for number in range(20):
        spine.record(name="lead_submitted", event_id=f"e{number}", lead_id=str(number))
    spine.connection.execute("UPDATE outbox.destination SET enabled = (name = 'ga4')")
    spine.clock.move()
    async with daemon.running(spine.settings, spine.database_url) as running:
        running_task = asyncio.create_task(running.run())
        await until(lambda: len(spine.arrivals("ga4")) == 20)
        spine.connection.execute("UPDATE outbox.lease SET expires_at = outbox.clock() - interval '1 s'")
        await running._sweep()
        await until(lambda: spine.count("receipt WHERE destination = 2") == 20)
        running.stop()
        await running_task
    assert len(spine.arrivals("ga4")) == 20
    assert spine.attempts("ga4") == []


async def test_a_dead_holder_s_lease_comes_back_as_soon_as_it_expires(clock, connection, database):
    clock.move()
    abandon_a_lease(connection)
    assert await watch(database).sweep() == Sweep(1, 0)


async def test_whoever_comes_first_after_a_pause_waits(connection, database):
    abandon_a_lease(connection)
    assert await watch(database).sweep() == Sweep(0, 1)
    assert await watch(database).sweep() == Sweep(0, 1)


async def test_after_the_clock_jumped_nobody_takes_anything_back(clock, connection, database):
    """Not even a process that starts later and cannot have noticed."""
    clock.move()
    one, other = watch(database), watch(database)
    await one.sweep()
    clock.jump(minutes=2)
    abandon_a_lease(connection)
    for each in (one, other, watch(database)):
        assert await each.sweep() == Sweep(0, 1)


async def test_a_drain_waits_for_the_leases_of_the_dead(spine):
    spine.record(name="lead_submitted", event_id="e", lead_id="1")
    spine.connection.execute("UPDATE outbox.destination SET paused = true")
    await spine.drain()
    spine.connection.execute("UPDATE outbox.destination SET paused = false")
    spine.connection.execute(
        """
        WITH taken AS (DELETE FROM outbox.delivery WHERE destination = 1 RETURNING *)
        INSERT INTO outbox.lease (destination, holder, expires_at, event_ids, revisions, tries, first_unknown_ats)
        SELECT 1, 'dead', outbox.clock() - interval '1 s', array_agg(event_id), '{0}', '{0}', '{NULL}' FROM taken
        """
    )
    spine.connection.execute("DELETE FROM outbox.lease_watch")
    draining = asyncio.create_task(spine.drain())
    await until(lambda: len(spine.arrivals("ga4")) == 1)
    assert not draining.done()
    spine.connection.execute("UPDATE outbox.lease_watch SET since = '2000-01-01Z'")
    assert await draining == 0
    assert len(spine.arrivals("meta")) == 1
