"""A destination that fails harms neither its pending deliveries nor the other destination."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from dispatcher import daemon
from dispatcher.config.settings import Secret
from dispatcher.delivery import circuit_breaker, concurrency_limiter
from dispatcher.delivery.circuit_breaker import CircuitState
from dispatcher.delivery.concurrency_limiter import FEWEST
from dispatcher.delivery.sender import LEASES
from tests.support.waiting import until


@pytest.fixture
def quick_probes(monkeypatch):
    monkeypatch.setattr(circuit_breaker, "FIRST_PROBE", {"halted": 0.05, "failing": 0.05})
    monkeypatch.setattr(circuit_breaker, "LONGEST_PROBE", {"halted": 0.2, "failing": 0.2})


@pytest.fixture
async def dispatcher(spine, quick_probes):  # noqa: ARG001 - it works by being there
    async with daemon.running(spine.settings, spine.database_url) as running:
        task = asyncio.create_task(running.run())
        yield running
        running.stop()
        await task


def sender(dispatcher, name):
    return next(sender for sender in dispatcher.senders if sender.destination.name == name)


def record(spine, count=20):
    for number in range(count):
        spine.record(name="lead_submitted", event_id=f"e{number}", lead_id=str(number))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("token_invalid", "access token invalid or expired"),
        ("permission_denied", "permission missing"),
        ("pixel_missing", "pixel unknown, or the token may not use it"),
        ("version_dead", "API version expired; set META_API_VERSION"),
    ],
)
async def test_halted_stops_uses_up_no_try_and_resumes_automatically(spine, dispatcher, fault, reason):
    spine.faults("meta", rates={fault: 1.0})
    record(spine)
    meta = sender(dispatcher, "meta")
    await until(lambda: meta.state().state == CircuitState.HALTED)
    assert meta.state().reason == reason
    await until(lambda: len(spine.arrivals("ga4")) == 20)
    requests = len(spine.sandbox.ledger.requests)
    await until(lambda: len(spine.sandbox.ledger.requests) > requests + 3)  # it probes
    assert spine.attempts("meta") == []
    assert not [key for key in spine.receipts() if key[1] == "meta"]
    spine.faults("meta")
    await until(lambda: spine.count("receipt") == 40)
    assert meta.state().state == CircuitState.RUNNING
    assert {outcome for outcome, _ in spine.receipts().values()} == {"delivered"}


async def test_a_destination_that_refuses_everything_is_halted_and_its_queue_stays(spine, dispatcher):
    spine.faults("meta", reject_modulo=1)
    spine.connection.execute("UPDATE outbox.destination SET enabled = (name = 'meta')")
    spine.connection.execute(
        "INSERT INTO outbox.event (name, lead_id) SELECT 'lead_submitted', n FROM generate_series(1, 300) AS n"
    )
    meta = sender(dispatcher, "meta")
    await until(lambda: meta.state().state == CircuitState.HALTED)
    assert meta.state().reason.startswith("refuses everything: ")
    requests = len(spine.sandbox.ledger.requests)
    await until(lambda: len(spine.sandbox.ledger.requests) > requests + 3)  # it probes
    spine.faults("meta")
    spine.clock.move(minutes=6)  # what was probed is due again
    await until(lambda: spine.count("receipt WHERE destination = 1") == 300)
    assert 0 < spine.count("receipt WHERE outcome = 'failed'") <= circuit_breaker.REFUSALS


async def test_an_outage_uses_up_tries_of_the_probes_only(spine, dispatcher):
    spine.faults("meta", rates={"http_503": 1.0})
    record(spine, 5)
    meta = sender(dispatcher, "meta")
    for number in range(5, 60):  # one by one, so that several requests fail
        spine.record(name="lead_submitted", event_id=f"e{number}", lead_id="1")
        if meta.state().state == CircuitState.FAILING:
            break
        await until(lambda: spine.count("intake") == 0)
    await until(lambda: meta.state().state == CircuitState.FAILING)
    await until(lambda: meta.circuit.is_probing)
    record_from = spine.count("event")
    spine.connection.execute(
        "INSERT INTO outbox.event (name, lead_id) SELECT 'lead_submitted', n FROM generate_series(1, 500) AS n"
    )
    await until(lambda: len(spine.arrivals("ga4")) == record_from + 500)
    assert len(spine.attempts("meta")) < record_from + 50
    spine.faults("meta")
    spine.clock.move(hours=1)
    await until(lambda: spine.count("receipt") == 2 * (record_from + 500))


async def test_throttled_waits_as_long_as_asked_and_uses_up_no_try(spine, dispatcher):
    spine.faults("ga4", script=["throttled"])
    record(spine, 1)
    ga4 = sender(dispatcher, "ga4")
    await until(lambda: ga4.state().state == CircuitState.THROTTLED)
    assert 0 < ga4.circuit.pause() <= 1
    await until(lambda: spine.count("receipt") == 2)
    assert ga4.state().state == CircuitState.RUNNING
    assert spine.attempts("ga4") == []


@pytest.mark.usefixtures("dispatcher")
async def test_a_destination_that_hangs_does_not_slow_the_other(spine, monkeypatch):
    monkeypatch.setattr(daemon, "GRACE_SECONDS", 0.1)
    spine.faults("meta", rates={"hang_after_accept": 1.0}, hang_seconds=60)
    record(spine, 200)
    await until(lambda: len(spine.arrivals("ga4")) == 200)
    assert not [key for key in spine.receipts() if key[1] == "meta"]


async def test_what_is_in_flight_when_the_grace_time_ends_is_uncertain_and_pending_again(spine, monkeypatch):
    monkeypatch.setattr(daemon, "GRACE_SECONDS", 0.1)
    spine.faults("meta", rates={"hang_after_accept": 1.0}, hang_seconds=60)
    record(spine, 2)
    async with daemon.running(spine.settings, spine.database_url) as running:
        task = asyncio.create_task(running.run())
        await until(lambda: len(spine.arrivals("meta")) == 2)
        running.stop()
        await task
    assert spine.attempts("meta") == [("uncertain", "stopped while it was sent")] * 2
    assert (spine.count("delivery"), spine.count("lease")) == (2, 0)


async def test_what_had_no_turn_when_the_grace_time_ends_goes_back_unsent(spine, monkeypatch):
    monkeypatch.setattr(daemon, "GRACE_SECONDS", 0.1)
    spine.faults("ga4", rates={"hang_after_accept": 1.0}, hang_seconds=60)
    record(spine, FEWEST + 10)
    async with daemon.running(spine.settings, spine.database_url) as running:
        task = asyncio.create_task(running.run())
        await until(lambda: len(spine.arrivals("ga4")) == FEWEST)
        running.stop()
        await task
    assert spine.attempts("ga4") == [("uncertain", "stopped while it was sent")] * FEWEST
    assert (spine.count("delivery WHERE tries = 0"), spine.count("lease")) == (10, 0)


async def test_what_waits_for_responses_takes_no_place_of_other_leases(spine, monkeypatch):
    monkeypatch.setattr(daemon, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(concurrency_limiter, "SLOW_SECONDS", 3600)
    spine.faults("ga4", rates={"hang_after_accept": 1.0}, hang_seconds=60)
    record(spine, FEWEST + 20)
    async with daemon.running(spine.settings, spine.database_url) as running:
        while await running.intake.step():
            await running.intake.finish()
        ga4 = sender(running, "ga4")
        ga4.destination.limits = msgspec.structs.replace(ga4.destination.limits, batch=1)
        for number in range(FEWEST + LEASES):
            assert await ga4.step()
            await until(lambda number=number: len(spine.arrivals("ga4")) >= min(number + 1, FEWEST))
        assert await ga4.step(), "full is not idle"
        assert spine.count("lease WHERE destination = 2") == FEWEST + LEASES


async def test_a_few_requests_that_hang_do_not_stop_the_rest(spine, dispatcher, monkeypatch):
    monkeypatch.setattr(daemon, "GRACE_SECONDS", 0.1)
    spine.faults("ga4", rates={"hang_after_accept": 0.03}, hang_seconds=60)
    spine.connection.execute("UPDATE outbox.destination SET enabled = (name = 'ga4')")
    spine.connection.execute(
        "INSERT INTO outbox.event (name, lead_id) SELECT 'lead_submitted', n FROM generate_series(1, 5000) AS n"
    )
    await until(lambda: len(spine.arrivals("ga4")) == 5000, seconds=20)
    assert sender(dispatcher, "ga4").state().state == CircuitState.RUNNING


async def test_the_half_that_had_no_turn_when_the_grace_time_ends_goes_back_unsent(spine, monkeypatch):
    monkeypatch.setattr(daemon, "GRACE_SECONDS", 0.1)
    spine.faults("meta", rates={"hang_after_accept": 1.0}, hang_seconds=60, reject_event_ids=["e0"])
    record(spine, 4)

    def taken():
        return sum(arrival.verdict == "counted" for arrival in spine.arrivals("meta"))

    async with daemon.running(spine.settings, spine.database_url) as running:
        task = asyncio.create_task(running.run())
        await until(taken)
        running.stop()
        await task
    hung = taken()
    assert spine.attempts("meta") == [("uncertain", "stopped while it was sent")] * hung
    dead = spine.count("receipt WHERE destination = 1")
    assert (spine.count("delivery WHERE destination = 1 AND tries = 0"), spine.count("lease")) == (4 - hung - dead, 0)


async def test_without_credentials_a_destination_is_halted_and_its_deliveries_wait(spine):
    spine.settings = spine.settings.changed("meta", token=Secret())
    record(spine, 3)
    assert await spine.drain() == 3
    async with daemon.running(spine.settings, spine.database_url) as running:
        state = sender(running, "meta").state()
    assert (state.state, state.reason) == (CircuitState.HALTED, "META_CAPI_TOKEN is not set")
    assert len(spine.arrivals("ga4")) == 3
