"""`outbox dispatch`: one supervisor and its workers.

    supervisor   starts workers, replaces one that dies or hangs, gives its leases back; serves the port for all of them
    worker       a `dispatcher.daemon`, in a process of its own (`dispatcher.worker`)

A worker writes a report to its standard output once a second (`WorkerReport`), which is also its heartbeat. One that is silent
for `HANG_SECONDS` is killed. What a dead worker held is read from `dispatcher.in_flight`: what it had not begun to send is
released as it was, and the batch that its code was working on is retried in smaller parts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
import structlog
from psycopg.types.json import Jsonb

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.daemon import new_holder
from dispatcher.database.connections import DATABASE_UNAVAILABLE, Database, only_value
from dispatcher.in_flight import HeldLease, InFlight
from dispatcher.reports import WorkerReport
from dispatcher.telemetry.aggregation import Sample, lasting

log = structlog.get_logger()

HANG_SECONDS = 10.0
"""How long a worker's loop may be silent before the worker is replaced."""
START_SECONDS = 60.0
"""The same until its first report: it imports, connects, and waits for a database that does not answer."""
CHECK_SECONDS = 0.5
RESTART_SECONDS = 2.0
"""The longest pause before a worker is started again; the first replacement comes at once."""
SETTLED_SECONDS = 30.0
"""A worker that ran for this long is replaced without a pause, however often workers died before it."""
STOP_SECONDS = 23.0
"""How long workers may take to stop; less than the 25 s promised."""
RELEASES = (0.0, 1.0, 5.0)
"""Seconds to wait before each release of a dead worker's leases: its last claim may be committed after its death."""
LEAVE_SECONDS = 1.0
"""How long the release of what is left of a worker that ended by itself may take."""

NOT_STARTED = 1
"""What counts as the exit code of a worker that could not be started."""
EXIT_CODES = frozenset({0, 3})
"""The exit codes of a worker that has drained: nothing is pending, or something waits for a retry."""

_BOOT = """
import sys
sys.path.append({root!r})
from dispatcher.worker import main
sys.exit(main())
"""

_report = msgspec.json.Decoder(WorkerReport).decode


class Worker:
    """One worker process, from its start to its end."""

    def __init__(self, database_url: str, arguments: Sequence[str]) -> None:
        self._database_url = database_url
        self._arguments = arguments
        self.holder = new_holder()
        self.report: WorkerReport | None = None
        self.samples: list[Sample] = []
        self.started_at = monotonic()
        self._quiet = 0.0
        self._signalled: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._in_flight: InFlight | None = None

    async def run(self) -> int:
        """Run the process to its end; return its exit code."""
        self._in_flight, memory = InFlight.create()
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment["OUTBOX_DATABASE_URL"] = self._database_url
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-c", _BOOT.format(root=str(Path(__file__).parents[1]))),
                *("--holder", self.holder, "--in-flight", str(memory), *self._arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                limit=16 * 1024 * 1024,
                pass_fds=(memory,),
                env=environment,
            )
        finally:
            os.close(memory)
        if self._signalled is not None:
            self.signal(self._signalled)
        assert self._process.stdout
        async for line in self._process.stdout:
            try:
                self.report = _report(line)
            except msgspec.DecodeError:  # half a line: it was killed while it wrote to a pipe that was full
                continue
            self.samples = self.report.samples or self.samples
            self._quiet = 0.0
        return await self._process.wait()

    @property
    def is_running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    def signal(self, number: int) -> None:
        """Send the process a signal if it is running; if it is still starting, send it as soon as it has started."""
        self._signalled = number
        if self.is_running and self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def check(self, seconds: float) -> None:
        """Add `seconds` of silence; kill a process that hangs. The time while the supervisor itself was frozen does not count."""
        self._quiet += seconds
        if self.is_running and self._quiet > (HANG_SECONDS if self.report else START_SECONDS):
            log.error("a worker hangs, replacing it", worker=self.holder, seconds=round(self._quiet))
            self.signal(signal.SIGKILL)

    async def release(self, database: Database) -> None:
        """Release what the dead process held; return once it can hold nothing more."""
        if self._in_flight is None:  # it was never started
            return
        held = self._in_flight.read()
        self._in_flight.close()
        for seconds in RELEASES:
            await asyncio.sleep(seconds)
            self._log_released(await database.run("release_leases", self._released(held)), held)
        with contextlib.suppress(*DATABASE_UNAVAILABLE):
            await database.run_once("remove_dispatcher", {"holder": self.holder})

    async def leave(self, database: Database) -> None:
        """Release what is left of a process that ended by itself: a claim that was committed although its reply was lost."""
        if self._in_flight is None:
            return
        held = self._in_flight.read()
        with contextlib.suppress(*DATABASE_UNAVAILABLE, TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                self._log_released(await database.run_once("release_leases", self._released(held)), held)

    def _released(self, held: Sequence[HeldLease]) -> dict[str, Any]:
        return {"holder": self.holder, "lease": None, "leases": Jsonb(held)}

    def _log_released(self, rows: list[Any], held: Sequence[HeldLease]) -> None:
        if count := only_value(rows):
            begun = sum(len(lease.begun) for lease in held)
            log.warning("released the leases of an ended worker", worker=self.holder, rows=count, begun=begun)


class Supervisor:
    """Runs `count` workers until `stop`; `arguments` are theirs. `is_drain`: each ends by itself when nothing is due."""

    def __init__(
        self,
        database: Database,
        database_url: str,
        settings: Settings,
        config: Config,
        *,
        count: int,
        arguments: Sequence[str],
        is_drain: bool,
    ) -> None:
        self.database = database
        self.database_url = database_url
        self.settings = settings
        self.config = config
        self.fresh_seconds = float(settings.lease_seconds)
        self._count = count
        self._arguments = arguments
        self._is_drain = is_drain
        self._stopping = asyncio.Event()
        self._releases: set[asyncio.Task[None]] = set()
        self.workers: dict[int, Worker] = {}
        self._ended_samples: list[Sample] = []  # so that no counter goes back

    def reports(self) -> list[WorkerReport]:
        """Return the last report of each worker."""
        return [worker.report for worker in self.workers.values() if worker.report]

    def samples(self) -> list[list[Sample]]:
        """Return the metrics of all workers, including those that have ended."""
        return [self._ended_samples, *(worker.samples for worker in self.workers.values())]

    def stop(self) -> None:
        """Ask the workers to stop; `run` then returns when they have."""
        self._stopping.set()
        for worker in self.workers.values():
            worker.signal(signal.SIGTERM)

    @property
    def left(self) -> int:
        """How many deliveries and events the drain left for a later try."""
        return max((worker.report.left or 0 for worker in self.workers.values() if worker.report), default=0)

    async def run(self) -> int:
        """Run the workers; return the largest exit code of those that ended by themselves (0 unless they drain)."""
        watching = asyncio.create_task(self._watch())
        slots = [asyncio.create_task(self._run_slot(number)) for number in range(self._count)]
        ended: asyncio.Future[list[int]] = asyncio.gather(*slots)
        stopping: asyncio.Future[bool] = asyncio.create_task(self._stopping.wait())
        try:
            first: list[asyncio.Future[Any]] = [ended, stopping]
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await asyncio.wait([ended], timeout=STOP_SECONDS)
            if not ended.done():
                for worker in self.workers.values():
                    log.error("a worker did not stop in time, killing it", worker=worker.holder)
                    worker.signal(signal.SIGKILL)
            return max(await ended)
        finally:
            stopping.cancel()
            watching.cancel()
            for worker in self.workers.values():
                worker.signal(signal.SIGKILL)
            if self._releases and self.database.reachable:
                await asyncio.wait(self._releases, timeout=sum(RELEASES) if self._is_drain else 1.0)

    async def _run_slot(self, number: int) -> int:
        """Keep one worker running; return the exit code of the one that ends normally."""
        deaths = 0
        while True:
            worker = self.workers[number] = Worker(self.database_url, self._arguments)
            if self._stopping.is_set():
                return 0
            try:
                code = await worker.run()
            except (OSError, MemoryError) as error:
                # No process, descriptor or memory is left for another process right now.
                log.error("a worker cannot be started", worker=worker.holder, error=type(error).__name__)
                code = NOT_STARTED
            self._ended_samples, worker.samples = lasting([self._ended_samples, worker.samples]), []
            if code >= 0 and (self._stopping.is_set() or (self._is_drain and code in EXIT_CODES)):
                await worker.leave(self.database)
                return code
            if self._stopping.is_set():
                self._release(worker)
                return 0
            log.error("a worker died, replacing it", worker=worker.holder, exit_code=code)
            release = self._release(worker)
            deaths = 0 if monotonic() - worker.started_at > SETTLED_SECONDS else deaths + 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), min(RESTART_SECONDS, 0.25 * (deaths - 1)))
            if self._is_drain:
                await asyncio.wait([release])

    def _release(self, worker: Worker) -> asyncio.Task[None]:
        task = asyncio.create_task(worker.release(self.database))
        self._releases.add(task)
        task.add_done_callback(self._releases.discard)
        return task

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            for worker in self.workers.values():
                worker.check(CHECK_SECONDS)


@asynccontextmanager
async def running(
    settings: Settings, database_url: str, config: Config, *, count: int, arguments: Sequence[str], is_drain: bool
) -> AsyncIterator[Supervisor]:
    """Yield a supervisor with connections of its own."""
    async with Database.connect(database_url, connections=4) as database:
        yield Supervisor(database, database_url, settings, config, count=count, arguments=arguments, is_drain=is_drain)
