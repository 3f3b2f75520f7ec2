"""One worker of `outbox dispatch`: a daemon that reports to its supervisor on standard output, once a second."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable

import msgspec

from dispatcher import daemon
from dispatcher.config import Config, find
from dispatcher.config.settings import Settings
from dispatcher.in_flight import InFlight
from dispatcher.telemetry import logs
from dispatcher.telemetry.aggregation import samples_of
from dispatcher.telemetry.prometheus import REGISTRY

WORK_REMAINS = 3
"""Exit code of a drain that leaves something for a retry."""
REPORT_SECONDS = 1.0
REPORTS_A_SAMPLE = 3
"""One of so many reports carries the metrics, and so does the last."""
LARGEST_BACKLOG = 1_000_000
"""Bytes of reports that a supervisor may leave unread; further ones are left out meanwhile."""
COLLECTED_EVERY = (100_000, 10, 10)
"""The thresholds of the garbage collector."""


def main() -> int:
    """Run until the supervisor says to stop, or until a drain is done; return the exit code."""
    parser = argparse.ArgumentParser(prog="outbox dispatch (worker)")
    parser.add_argument("--holder", required=True)
    parser.add_argument("--in-flight", type=int, required=True)
    parser.add_argument("--drain", action="store_true")
    arguments = parser.parse_args()
    logs.configure()
    settings = Settings.from_environment(os.environ)
    config = find(settings.config, os.environ)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the supervisor says when to stop
    tune_garbage_collector()
    in_flight = InFlight.attach(arguments.in_flight)
    return asyncio.run(_run(settings, config, arguments.holder, in_flight, is_drain=arguments.drain))


async def _run(settings: Settings, config: Config, holder: str, in_flight: InFlight, *, is_drain: bool) -> int:
    assert settings.database_url
    url = settings.database_url.reveal()
    async with daemon.running(settings, url, config, holder=holder, in_flight=in_flight) as running:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.stop)
        supervisor = await _SupervisorPipe.connect(on_lost=running.stop)
        reporting = asyncio.create_task(_report(running, supervisor))
        try:
            if not is_drain:
                await running.run()
                return 0
            left = await running.drain()
            supervisor.send(running, left=left)
            return WORK_REMAINS if left else 0
        finally:
            reporting.cancel()
            supervisor.send(running)
            await supervisor.close()


async def _report(running: daemon.Daemon, supervisor: _SupervisorPipe) -> None:
    number = 0
    while True:
        supervisor.send(running, with_samples=number % REPORTS_A_SAMPLE == 0)
        number += 1
        await asyncio.sleep(REPORT_SECONDS)


class _SupervisorPipe(asyncio.Protocol):
    """The pipe to the supervisor."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self._on_lost = on_lost
        self._left: int | None = None
        self._lost = asyncio.Event()
        self._pipe: asyncio.WriteTransport | None = None

    @classmethod
    async def connect(cls, on_lost: Callable[[], None]) -> _SupervisorPipe:
        """Return the pipe that standard output is; `on_lost` is called if the supervisor is gone."""
        self = cls(on_lost)
        loop = asyncio.get_running_loop()
        self._pipe, _ = await loop.connect_write_pipe(lambda: self, os.fdopen(os.dup(sys.stdout.fileno()), "wb"))
        return self

    def send(self, running: daemon.Daemon, *, with_samples: bool = True, left: int | None = None) -> None:
        """Send a report of this worker."""
        self._left = self._left if left is None else left
        if self._pipe is None or self._lost.is_set() or self._pipe.get_write_buffer_size() > LARGEST_BACKLOG:
            return
        (report,) = running.reports()
        samples = samples_of(REGISTRY) if with_samples else None
        report = msgspec.structs.replace(report, samples=samples, left=self._left)
        self._pipe.write(msgspec.json.encode(report) + b"\n")

    def connection_lost(self, _: Exception | None) -> None:
        """Stop: without a supervisor, nothing would release the leases or replace this worker."""
        self._lost.set()
        self._on_lost()

    async def close(self) -> None:
        """Wait until everything is written."""
        if self._pipe:
            self._pipe.close()
            await self._lost.wait()


def tune_garbage_collector() -> None:
    """Let the garbage collector run rarely, and never examine what was imported.

    A batch is tens of thousands of small values that are freed together and have no cycles (tests check that). Searching
    them for cycles took a fifth of a drain's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED_EVERY)
