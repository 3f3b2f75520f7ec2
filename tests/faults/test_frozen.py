"""A machine that stands still for longer than a lease (a live migration, a debugger) counts nothing twice."""

from __future__ import annotations

import asyncio
import signal

from tests.support.waiting import until

EVENTS = 50


async def test_workers_that_stood_still_send_nothing_twice(spine, dispatch):
    spine.faults("ga4", rates={"slow": 1.0}, slow_ms=2500)
    spine.connection.execute("UPDATE outbox.destination SET enabled = (name = 'ga4')")
    spine.connection.execute(
        "INSERT INTO outbox.event (name, event_id, lead_id) SELECT 'lead_submitted', 'e' || n, n FROM generate_series(1, %s) AS n",
        (EVENTS,),
    )
    dispatcher = dispatch(spine.database_url, "--workers", "2", OUTBOX_LEASE_SECONDS="5")
    await until(lambda: len(spine.arrivals("ga4")) == EVENTS)
    dispatcher.signal(signal.SIGSTOP)
    await asyncio.sleep(8)
    dispatcher.signal(signal.SIGCONT)
    await until(lambda: spine.count("receipt WHERE destination = 2") == EVENTS)
    assert spine.attempts("ga4") == []
    assert len(spine.arrivals("ga4")) == EVENTS
