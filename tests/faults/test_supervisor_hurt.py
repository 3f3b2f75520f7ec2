"""What goes wrong around `outbox dispatch` ends neither it nor its watch: half a report, a worker that cannot start, no log."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

from dispatcher import supervisor
from dispatcher.config import Config
from dispatcher.in_flight import InFlight
from tests.support.processes import OUTBOX, children
from tests.support.waiting import until

BABBLE = """
import sys
print("no report")
print('{"hung": [], "sen', end="", flush=True)
sys.exit(7)
"""


def variables(spine):
    return {
        "META_CAPI_TOKEN": "test-token", "META_CAPI_BASE_URL": spine.settings.of("meta").base_url,
        "GA4_API_SECRET": "test-secret", "GA4_MP_BASE_URL": spine.settings.of("ga4").base_url,
    }  # fmt: skip


def supervised(spine, monkeypatch):
    for name, value in variables(spine).items():
        monkeypatch.setenv(name, value)
    return supervisor.running(spine.settings, spine.database_url, Config(), count=1, arguments=[], is_drain=False)


async def delivers(running, spine):
    task = asyncio.create_task(running.run())
    spine.record(name="lead_submitted", event_id="e1", lead_id="1")
    with suppress(TimeoutError):
        await until(lambda: task.done() or spine.count("receipt") == 2, seconds=30)
    running.stop()
    assert await task == 0
    assert spine.count("receipt") == 2


async def test_a_worker_whose_last_report_is_cut_off_is_replaced(spine, monkeypatch):
    """A worker that is killed while it writes to a pipe which is full leaves half a line."""
    sound = asyncio.create_subprocess_exec
    first = ["-c", BABBLE]

    async def start(program, *arguments, **options):
        given, first[:] = first[:] or arguments, []
        return await sound(program, *given, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    async with supervised(spine, monkeypatch) as running:
        await delivers(running, spine)


async def test_a_worker_that_cannot_be_started_is_tried_again(spine, monkeypatch):
    """As where the system has no memory, process or descriptor left for a moment."""
    failures = [OSError(24, "Too many open files"), MemoryError()]
    create = InFlight.create

    def fail_or_create():
        if failures:
            raise failures.pop()
        return create()

    monkeypatch.setattr(InFlight, "create", fail_or_create)
    async with supervised(spine, monkeypatch) as running:
        await delivers(running, spine)
    assert failures == []


async def test_without_a_reader_of_its_log_it_replaces_workers_and_stops_at_a_signal(spine):
    reader, writer = os.pipe()
    environment = {"PATH": os.environ["PATH"], "OUTBOX_DATABASE_URL": spine.database_url, **variables(spine)}
    process = await asyncio.create_subprocess_exec(
        OUTBOX, "dispatch", env=environment, stderr=writer, start_new_session=True
    )
    os.close(writer)
    os.close(reader)
    try:
        await until(lambda: children(process.pid) and spine.count("dispatcher") == 1, seconds=30)
        (worker,) = children(process.pid)
        os.kill(worker, signal.SIGKILL)
        await until(lambda: set(children(process.pid)) - {worker}, seconds=15)
        spine.record(name="lead_submitted", event_id="e1", lead_id="1")
        await until(lambda: spine.count("receipt") == 2, seconds=30)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 25) == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


async def test_a_worker_that_ends_unasked_is_replaced(spine, dispatch):
    """As by a signal that was meant for another process."""
    dispatcher = dispatch(spine.database_url, "--workers", "2")
    await until(lambda: spine.count("dispatcher") == 2, seconds=40)
    stopped, other = children(dispatcher.process.pid)
    os.kill(stopped, signal.SIGTERM)
    await until(lambda: stopped not in children(dispatcher.process.pid))
    await until(lambda: len(children(dispatcher.process.pid)) == 2, seconds=10)
    assert other in children(dispatcher.process.pid)
    dispatcher.signal(signal.SIGTERM)
    assert await asyncio.to_thread(dispatcher.wait, 25) == 0
