"""The daemon: runs intake and every destination, each in a loop of its own, until it is asked to stop.

async with running(settings, database_url) as daemon:
    await daemon.run()      # until `daemon.stop()`, or:
    await daemon.drain()    # what is due now
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic

import structlog

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.database.connections import DATABASE_UNAVAILABLE, STATEMENT_TIMEOUT, Database
from dispatcher.delivery.lease_watch import LeaseWatch
from dispatcher.delivery.queue import PostgresQueue
from dispatcher.delivery.sender import Sender
from dispatcher.destinations import registry
from dispatcher.identity.resolver import PersonResolver
from dispatcher.in_flight import InFlight
from dispatcher.intake.worker import Intake
from dispatcher.reports import SenderReport, WorkerReport
from dispatcher.resend.planner import Resender
from dispatcher.routing import RoutingTable
from dispatcher.scheduler.leader import LeaderElection
from dispatcher.telemetry.aggregation import Sample
from dispatcher.telemetry.counters import FLUSH_SECONDS, Counters
from dispatcher.wakeups import listen

log = structlog.get_logger()

POLL_SECONDS = 0.25
"""Time between two checks of the queues when nothing was found; one statement checks all of them."""
CLAIM_SECONDS = 15.0
"""Time between two claims from a queue that seems empty; they find rows that appeared behind the watermark."""
MERGES_WAIT_SECONDS = 60.0
"""The longest that merges wait while there is a backlog. They only add to what was delivered."""
FAILED_SECONDS = 5.0
ROUND_SECONDS = 15.0
"""The longest pause of a loop, whatever the lease time, so that a hanging loop is recognised."""
HUNG_SECONDS = STATEMENT_TIMEOUT + 30.0
"""A loop that took no step for so long hangs."""
LEAVE_SECONDS = 2.0
STEP_SECONDS = 5.0
"""Time for the loops to end their step when the daemon stops: a claim that is cancelled may have taken a lease."""
GRACE_SECONDS = 13.0
"""Time for deliveries in flight; together with what follows, less than the supervisor waits."""


class Daemon:
    """One dispatcher process.

    `moved_at`: when each loop took its last step (monotonic seconds).
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        database_url: str,
        config: Config | None = None,
        *,
        holder: str | None = None,
        in_flight: InFlight | None = None,
    ) -> None:
        self.database = database
        self.senders: list[Sender] = []
        self.moved_at: dict[str, float] = {}
        self.settings = settings
        self.config = config or Config()
        self.database_url = database_url
        self._routing = RoutingTable(database)
        self._queues: list[PostgresQueue] = []
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._holder = holder or new_holder()
        self._in_flight = in_flight or InFlight.private()
        self._watch = LeaseWatch(database, self._in_flight, self._lease)
        self._waiting_leases = 0
        self._stop = asyncio.Event()
        self._wakes: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._merges_until = monotonic() + MERGES_WAIT_SECONDS
        self.counters = Counters(
            database, self._holder, heartbeat=min(self._lease / 4, timedelta(seconds=ROUND_SECONDS))
        )
        self.intake = Intake(
            database,
            self._routing,
            registry.limits_of,
            self.counters,
            holder=self._holder,
            lease=self._lease,
            region=settings.phone_region or None,
            in_flight=self._in_flight,
        )
        self.intake.on_settled = self._wake_senders
        self.schedule = LeaderElection(database, settings, self.config, holder=self._holder, term=self._lease)

    async def open(self) -> None:
        """Read the destinations and create their senders."""
        for destination_routes in (await self._routing.destinations()).values():
            destination = registry.create(destination_routes.kind, destination_routes.name, self.settings, self.config)
            queue = PostgresQueue(self.database, destination_routes.id, self._holder, self._lease)
            resolver = PersonResolver(self.database)
            self._queues.append(queue)
            self.senders.append(
                Sender(
                    destination,
                    queue,
                    resolver,
                    self._routing,
                    self.counters,
                    lease=self._lease,
                    in_flight=self._in_flight,
                )
            )
            if missing := destination.missing():
                log.warning(
                    "destination halted: a setting is missing", destination=destination_routes.name, setting=missing
                )

        self.resender = Resender(self.database, self._routing, [sender.destination for sender in self.senders])

    @property
    def fresh_seconds(self) -> float:
        """How long after its last heartbeat a dispatcher counts as running."""
        return self.schedule.term.total_seconds()

    def reports(self) -> list[WorkerReport]:
        """Return how this process stands."""
        return [WorkerReport(self._hung(), [self._sender_report(sender) for sender in self.senders])]

    def samples(self) -> list[list[Sample]]:
        """Return no metrics of other processes."""
        return []

    def _hung(self) -> list[str]:
        # While the database is away, loops wait for it: then it counts that somebody asks for it.
        moved = self.moved_at if self.database.reachable else {"database": self.database.tried_at}
        return sorted(name for name, at in moved.items() if monotonic() - at > HUNG_SECONDS)

    def _sender_report(self, sender: Sender) -> SenderReport:
        state = sender.state()
        return SenderReport(
            state.destination,
            sender.destination.name,
            str(state.state),
            state.reason,
            sender.destination.missing() is not None,
            None if sender.claimed_at is None else round(monotonic() - sender.claimed_at, 1),
        )

    def stop(self) -> None:
        """Ask the daemon to stop; `run` then returns when what is in flight is settled."""
        self._stop.set()
        for wake in self._wakes.values():
            wake.set()

    async def run(self) -> None:
        """Deliver until `stop`."""
        steps: dict[str, tuple[Callable[[], Awaitable[bool]], float]] = {
            "ready queues": (self._find_ready_queues, POLL_SECONDS),
            "intake": (self._take_in, CLAIM_SECONDS),
            "merges": (self._process_merges, CLAIM_SECONDS),
            "counts": (self._write_counts, FLUSH_SECONDS),
            "sweep": (self._sweep, min(self._lease.total_seconds() / 4, ROUND_SECONDS)),
            "schedule": (self.schedule.step, min(self._lease.total_seconds() / 3, ROUND_SECONDS)),
            **{sender.destination.name: (sender.step, CLAIM_SECONDS) for sender in self.senders},
        }
        loops = [asyncio.create_task(self._repeat(name, *step)) for name, step in steps.items()]
        listening = asyncio.create_task(listen(self.database_url, self._wakes["intake"].set))
        try:
            await self._stop.wait()
            # Loops end between two steps; one that waits for the database is cancelled.
            await asyncio.wait(loops, timeout=STEP_SECONDS if self.database.reachable else 0)
        finally:
            for task in (listening, *loops):
                task.cancel()
            await asyncio.gather(listening, *loops, return_exceptions=True)
            await self.schedule.close()
            await self.close()

    async def drain(self) -> int:
        """Deliver what is due; return how many deliveries and events of intake are then still pending."""
        moved = True
        keeping = asyncio.create_task(self._repeat("counts", self._write_counts, FLUSH_SECONDS))
        while moved and not self._stop.is_set():
            moved = await self._sweep()
            await self._find_ready_queues()
            while not self._stop.is_set() and await self.intake.step():
                moved = True
            await self.intake.finish()
            for sender in self.senders:
                while not self._stop.is_set() and await sender.step():
                    moved = True
            await asyncio.gather(*(sender.finish() for sender in self.senders))
            while not self._stop.is_set() and await self.resender.step():
                moved = True
            moved = moved or await self._await_reclaim()
        keeping.cancel()
        await asyncio.wait([keeping])
        await self.close()
        return sum(row.queued + row.leased for row in await self.database.run("count_pending"))

    async def _await_reclaim(self) -> bool:
        """Wait while leases of others have expired that nobody may take back yet; return whether any were taken back.

        Without that, nobody would where dispatchers only ever drain.
        """
        while self._waiting_leases and not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), self._lease.total_seconds() / 8)
            if await self._sweep():
                return True
        return False

    async def close(self) -> None:
        """Settle what is in flight and release the rest. Safe to repeat."""
        await asyncio.gather(self.intake.stop(GRACE_SECONDS), *(sender.stop(GRACE_SECONDS) for sender in self.senders))
        if self.database.reachable:
            with contextlib.suppress(*DATABASE_UNAVAILABLE, TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self.counters.leave()

    async def _take_in(self) -> bool:
        return await self.intake.step() > 0

    async def _process_merges(self) -> bool:
        """Process due merges while there is no backlog, and in any case after a minute; return whether any were found."""
        is_behind = self.intake.is_behind or any(sender.is_behind for sender in self.senders)
        if is_behind and monotonic() < self._merges_until:
            return False
        if await self.resender.step():
            return True
        self._merges_until = monotonic() + MERGES_WAIT_SECONDS
        return False

    async def _find_ready_queues(self) -> bool:
        """Wake the loops whose queues have due rows."""
        params = {
            "intake": self.intake.since,
            "destinations": [queue.destination for queue in self._queues],
            "sinces": [queue.since for queue in self._queues],
        }
        names = {0: "intake", -1: "merges"} | {
            queue.destination: sender.destination.name for queue, sender in zip(self._queues, self.senders, strict=True)
        }
        suspects: dict[int, int] = {}
        for ready in await self.database.run("ready_queues", params):
            suspects[ready.queue] = max(ready.losses, suspects.get(ready.queue, 0))
            self._wakes[names[ready.queue]].set()
        self.intake.suspect_losses = suspects.get(0, 0)
        for queue, sender in zip(self._queues, self.senders, strict=True):
            sender.suspect_losses = suspects.get(queue.destination, 0)
        return False

    async def _write_counts(self) -> bool:
        return await self.counters.write([sender.state() for sender in self.senders])

    def _wake_senders(self) -> None:
        for sender in self.senders:
            self._wakes[sender.destination.name].set()

    async def _sweep(self) -> bool:
        """Reclaim expired leases, and expire deliveries of destinations from which nothing is claimed."""
        swept = await self._watch.sweep()
        self._waiting_leases = swept.waiting
        if swept.reclaimed:
            log.warning("leases expired and were reclaimed", deliveries=swept.reclaimed)
        ended = [await sender.expire() for sender in self.senders]
        return swept.reclaimed > 0 or any(ended)

    async def _repeat(self, name: str, step: Callable[[], Awaitable[bool]], seconds: float) -> None:
        """Repeat `step` while it finds work; then wait for `seconds`, or to be woken."""
        wake = self._wakes[name]
        while not self._stop.is_set():
            self.moved_at[name] = monotonic()
            try:
                if await step():
                    continue
            except Exception as error:  # noqa: BLE001 - an unexpected error in one loop must not stop the others
                log.error("step failed, retrying", step=name, error=type(error).__name__)
                # Wait: an immediate retry would fail again.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), FAILED_SECONDS)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), seconds)
            wake.clear()


def new_holder() -> str:
    """Return a name that no other process has, nor this one after a restart; it is part of the fence of its leases."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


@asynccontextmanager
async def running(
    settings: Settings,
    database_url: str,
    config: Config | None = None,
    *,
    holder: str | None = None,
    in_flight: InFlight | None = None,
) -> AsyncIterator[Daemon]:
    """Yield a daemon that is connected and knows its destinations; `config` absent: the defaults."""
    async with Database.connect(database_url) as database:
        daemon = Daemon(database, settings, database_url, config, holder=holder, in_flight=in_flight)
        await daemon.open()
        try:
            yield daemon
        finally:
            await daemon.close()
