"""SIGTERM settles what is in flight and gives the rest back; neither a second signal nor SIGKILL loses anything."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.support.waiting import until


def record(spine, count):
    spine.connection.execute(
        "INSERT INTO outbox.event (name, event_id, lead_id) SELECT 'lead_submitted', 'e' || n, n FROM generate_series(1, %s) AS n",
        (count,),
    )


async def ended(dispatcher, seconds=25):
    return await asyncio.to_thread(dispatcher.wait, seconds)


async def test_drain_delivers_what_is_due_and_exits_with_0(spine, dispatch):
    record(spine, 30)
    assert await ended(dispatch(spine.database_url, "--drain")) == 0
    assert spine.count("receipt") == 60


async def test_drain_exits_with_3_if_something_waits_for_a_later_try(spine, dispatch):
    record(spine, 2)
    spine.faults("meta", rates={"http_500": 1.0})
    assert await ended(dispatch(spine.database_url, "--drain")) == 3
    assert spine.count("receipt") == 2


async def test_a_database_that_is_not_migrated_is_refused_with_what_to_do(empty_database, dispatch):
    dispatcher = dispatch(empty_database, "--drain")
    assert await ended(dispatcher) == 2
    assert dispatcher.logged("run `outbox migrate`")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_settles_what_is_in_flight_and_gives_the_rest_back(spine, dispatch, number):
    spine.faults("ga4", rates={"slow": 1.0}, slow_ms=200)
    record(spine, 4000)
    dispatcher = dispatch(spine.database_url)
    await until(lambda: len(spine.arrivals("ga4")) > 100)
    dispatcher.signal(number)
    assert await ended(dispatcher) == 0
    arrived = len(spine.arrivals("ga4"))
    delivered = [key for key in spine.receipts() if key[1] == "ga4"]
    assert arrived == len(delivered) < 4000
    assert spine.count("lease") == 0
    assert spine.attempts("ga4") == []
    spine.faults("ga4")
    assert await spine.drain() == 0
    assert len(spine.arrivals("ga4")) == 4000


async def test_a_second_signal_ends_at_once_and_loses_nothing(spine, dispatch):
    spine.faults("meta", rates={"hang_after_accept": 1.0}, hang_seconds=60)
    record(spine, 5)
    dispatcher = dispatch(spine.database_url)
    await until(lambda: len(spine.arrivals("meta")) == 5)
    dispatcher.signal(signal.SIGTERM)
    await until(lambda: dispatcher.logged("stopping"))
    dispatcher.signal(signal.SIGTERM)
    assert await ended(dispatcher, 5) != 0
    await deliver_the_rest(spine)


async def test_sigkill_loses_nothing_and_meta_counts_nothing_twice(spine, dispatch):
    spine.faults("meta", rates={"hang_after_accept": 1.0}, hang_seconds=60)
    record(spine, 5)
    dispatcher = dispatch(spine.database_url)
    await until(lambda: len(spine.arrivals("meta")) == 5)
    dispatcher.signal(signal.SIGKILL)
    assert await ended(dispatcher) == -signal.SIGKILL
    assert spine.count("lease WHERE destination = 1") == 1
    await deliver_the_rest(spine)
    assert spine.attempts("meta") == [("uncertain", "lease expired")] * 5


async def deliver_the_rest(spine):
    spine.faults("meta")
    spine.clock.move(seconds=10)  # past the lease
    assert await spine.drain() == 0
    assert {outcome for outcome, _ in spine.receipts().values()} == {"delivered"}
    assert len(spine.receipts()) == 10
    assert sorted(arrival.verdict for arrival in spine.arrivals("meta")) == ["counted"] * 5 + ["duplicate"] * 5


async def test_a_send_longer_than_the_lease_keeps_it_by_a_heartbeat(spine, dispatch):
    spine.faults("meta", rates={"slow": 1.0}, slow_ms=8000)
    record(spine, 3)
    dispatcher = dispatch(spine.database_url)
    await until(lambda: spine.count("receipt") == 6)
    assert spine.attempts("meta") == []
    assert [arrival.verdict for arrival in spine.arrivals("meta")] == ["counted"] * 3
    dispatcher.signal(signal.SIGTERM)
    assert await ended(dispatcher) == 0


async def test_three_at_once_deliver_everything_once(spine, dispatch):
    record(spine, 3000)
    dispatchers = [dispatch(spine.database_url) for _ in range(3)]
    await until(lambda: spine.count("receipt") == 6000)
    for dispatcher in dispatchers:
        dispatcher.signal(signal.SIGTERM)
    assert [await ended(dispatcher) for dispatcher in dispatchers] == [0, 0, 0]
    assert len(spine.arrivals("meta")) == len(spine.arrivals("ga4")) == 3000
