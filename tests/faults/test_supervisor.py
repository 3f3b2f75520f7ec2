"""`outbox dispatch` is a supervisor and its workers: one that dies or hangs is replaced, and takes nobody along."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from dispatcher import supervisor
from dispatcher.config import Config
from tests.support.processes import children
from tests.support.waiting import until

EVENTS = 400


def record(spine, count=EVENTS, first=1):
    spine.connection.execute(
        "INSERT INTO outbox.event (name, event_id, lead_id) "
        "SELECT 'lead_submitted', 'e' || n, n FROM generate_series(%s::int, %s) AS n",
        (first, first + count - 1),
    )


def workers(dispatcher):
    """The process ids of the workers that live."""
    return set(children(dispatcher.process.pid))


def lives(pid):
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    return False


async def at_work(spine, dispatch, *arguments, count=1):
    """A dispatcher all of whose workers have told the database that they run."""
    dispatcher = dispatch(spine.database_url, "--workers", str(count), *arguments)
    await until(lambda: spine.count("dispatcher") == count and len(workers(dispatcher)) == count, seconds=40)
    return dispatcher


async def ended(dispatcher, seconds=25):
    return await asyncio.to_thread(dispatcher.wait, seconds)


def page(address):
    with urllib.request.urlopen(address, timeout=10) as answer:
        return answer.read().decode()


def metrics(address):
    lines = page(address + "/metrics").splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def total(found, name):
    return sum(value for key, value in found.items() if key.partition("{")[0] == name)


async def test_a_worker_that_dies_is_replaced_at_once_and_only_what_it_had_begun_is_uncertain(spine, dispatch):
    spine.faults("ga4", rates={"slow": 1.0}, slow_ms=300)
    record(spine)
    dispatcher = await at_work(spine, dispatch)
    await until(lambda: len(spine.arrivals("ga4")) > 20)
    (worker,) = workers(dispatcher)
    os.kill(worker, signal.SIGKILL)
    died_at = time.monotonic()
    await until(lambda: workers(dispatcher) - {worker})
    assert time.monotonic() - died_at < 3
    await until(lambda: dispatcher.logged("released the leases"), seconds=5)
    spine.faults("ga4")
    await until(lambda: spine.count("receipt") == 2 * EVENTS, seconds=40)
    dispatcher.signal(signal.SIGTERM)
    assert await ended(dispatcher) == 0
    assert {outcome for outcome, _ in spine.receipts().values()} == {"delivered"}
    begun = sum(json.loads(line)["begun"] for line in dispatcher.lines if "released the leases" in line)
    attempts = spine.attempts("ga4") + spine.attempts("meta")
    assert set(attempts) <= {("uncertain", "worker lost")}
    assert len(attempts) <= begun  # some of what was begun was settled when the worker died
    assert 0 < len(spine.attempts("ga4")) < EVENTS / 2
    doubtful = {
        event
        for (event,) in spine.connection.execute(
            "SELECT event.event_id FROM outbox.attempt JOIN outbox.event ON id = attempt.event_id"
        )
    }
    sent = [arrival.event_id for arrival in spine.sandbox.ledger.arrivals if arrival.event_id not in doubtful]
    assert len(sent) == 2 * (EVENTS - len(doubtful))
    assert spine.count("lease") == 0


async def test_a_worker_that_hangs_is_replaced_and_the_others_go_on_meanwhile(spine, dispatch):
    dispatcher = await at_work(spine, dispatch, count=2)
    hangs, other = workers(dispatcher)
    os.kill(hangs, signal.SIGSTOP)
    record(spine)
    await until(lambda: spine.count("receipt") == 2 * EVENTS, seconds=15)
    await until(lambda: dispatcher.logged("a worker hangs"), seconds=supervisor.HANG_SECONDS + 5)
    await until(lambda: len(workers(dispatcher)) == 2 and hangs not in workers(dispatcher))
    assert other in workers(dispatcher)
    dispatcher.signal(signal.SIGTERM)
    assert await ended(dispatcher) == 0


async def test_a_machine_that_stood_still_makes_nobody_be_replaced(spine, dispatch):
    dispatcher = await at_work(spine, dispatch, count=2)
    before = workers(dispatcher)
    dispatcher.signal(signal.SIGSTOP)
    await asyncio.sleep(supervisor.HANG_SECONDS + 5)
    dispatcher.signal(signal.SIGCONT)
    await asyncio.sleep(3 * supervisor.CHECK_SECONDS)
    record(spine, 10)
    await until(lambda: spine.count("receipt") == 20)
    assert workers(dispatcher) == before
    assert not dispatcher.logged("replacing it")
    dispatcher.signal(signal.SIGTERM)
    assert await ended(dispatcher) == 0


async def test_two_workers_share_one_port_with_one_set_of_metrics_and_one_console(spine, dispatch):
    record(spine, 3000)
    dispatcher = await at_work(spine, dispatch, "--port", "0", count=2)
    address = await asyncio.to_thread(dispatcher.address)
    await until(lambda: spine.count("receipt") == 6000, seconds=60)
    found = {}

    def all_are_counted():
        found.update(metrics(address))
        return total(found, "outbox_receipts_total") == 6000

    assert total(metrics(address), "outbox_receipts_total") <= 6000
    async with asyncio.timeout(10):
        while not await asyncio.to_thread(all_are_counted):
            await asyncio.sleep(0.2)
    assert found["outbox_intake_events_total"] == 3000
    assert total(found, "outbox_batch_events_sum") == 6000
    assert abs(time.time() - found["process_start_time_seconds"]) < 120  # the supervisor's, and no sum
    assert found["process_resident_memory_bytes"] > 3 * 30_000_000  # the supervisor and its workers
    ready, state = await asyncio.to_thread(dispatcher.health, "/readyz")
    assert (ready, state["ready"], set(state["destinations"])) == (200, True, {"meta", "ga4"})
    assert "Destinations" in await asyncio.to_thread(page, address + "/")
    # One of them dies: what it counted stays, and is not counted twice.
    os.kill(min(workers(dispatcher)), signal.SIGKILL)
    seen = []
    for _ in range(20):
        seen.append(total(await asyncio.to_thread(metrics, address), "outbox_receipts_total"))
        await asyncio.sleep(0.1)
    assert set(seen) == {6000}
    dispatcher.signal(signal.SIGTERM)
    assert await ended(dispatcher) == 0


async def test_a_signal_drains_all_workers(spine, dispatch):
    spine.faults("ga4", rates={"slow": 1.0}, slow_ms=200)
    record(spine, 4000)
    dispatcher = await at_work(spine, dispatch, count=2)
    await until(lambda: len(spine.arrivals("ga4")) > 50)
    dispatcher.signal(signal.SIGTERM)
    began = time.monotonic()
    assert await ended(dispatcher) == 0
    assert time.monotonic() - began < 25
    assert (spine.count("lease"), spine.count("dispatcher"), spine.attempts("ga4")) == (0, 0, [])
    assert len(spine.arrivals("ga4")) == sum(key[1] == "ga4" for key in spine.receipts()) < 4000
    assert not dispatcher.logged("did not stop in time")


async def test_a_claim_that_its_worker_never_heard_of_is_given_back_when_the_worker_stops(spine, dispatch):
    """The connection broke after the claim was committed: nothing of it was sent, and nothing is in doubt."""
    dispatcher = await at_work(spine, dispatch)
    record(spine, 3)
    await until(lambda: spine.count("receipt") == 6)
    spine.connection.execute(
        "INSERT INTO outbox.lease (destination, holder, expires_at, event_ids, revisions, tries, first_unknown_ats) "
        "SELECT 1, holder, outbox.clock() + interval '1 h', '{1,2}', '{1,1}', '{0,0}', '{NULL,NULL}' FROM outbox.dispatcher"
    )
    dispatcher.signal(signal.SIGTERM)
    assert await ended(dispatcher) == 0
    waiting = spine.connection.execute(
        "SELECT event_id, tries, losses, first_unknown_at FROM outbox.delivery"
    ).fetchall()
    assert (spine.count("lease"), sorted(waiting)) == (0, [(1, 0, 0, None), (2, 0, 0, None)])


async def test_workers_whose_supervisor_was_killed_stop_by_themselves_and_settle_what_is_in_flight(spine, dispatch):
    spine.faults("ga4", rates={"slow": 1.0}, slow_ms=200)
    record(spine, 4000)
    dispatcher = await at_work(spine, dispatch, count=2)
    await until(lambda: len(spine.arrivals("ga4")) > 50)
    orphans = workers(dispatcher)
    os.kill(dispatcher.process.pid, signal.SIGKILL)
    await until(lambda: not any(map(lives, orphans)), seconds=25)
    assert (spine.count("lease"), spine.attempts("ga4")) == (0, [])
    assert len(spine.arrivals("ga4")) == sum(key[1] == "ga4" for key in spine.receipts()) < 4000


async def test_a_signal_while_a_worker_is_being_started_reaches_it(spine, monkeypatch):
    monkeypatch.setenv("META_CAPI_TOKEN", "test-token")
    async with supervisor.running(
        spine.settings, spine.database_url, Config(), count=2, arguments=[], is_drain=False
    ) as running:
        ends = asyncio.create_task(running.run())
        while len(running.workers) < 2:
            await asyncio.sleep(0)
        assert not any(worker.is_running for worker in running.workers.values())
        running.stop()
        assert await asyncio.wait_for(ends, 15) == 0


async def test_a_worker_that_dies_again_and_again_is_started_again_and_again_but_not_at_once(spine, dispatch):
    dispatcher = await at_work(spine, dispatch)
    for _ in range(3):
        (worker,) = workers(dispatcher)
        os.kill(worker, signal.SIGKILL)
        await until(lambda gone=worker: workers(dispatcher) - {gone})
    record(spine, 5)
    await until(lambda: spine.count("receipt") == 10)
    assert sum(bool(re.search("a worker died", line)) for line in dispatcher.lines) == 3
    assert spine.count("lease") == 0
    dispatcher.signal(signal.SIGTERM)
    assert await ended(dispatcher) == 0
