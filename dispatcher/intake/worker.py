"""Intake: seals raw persons of SQL writers, folds events into identity, and fans them out into deliveries."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic

import msgspec
import structlog
from psycopg.types.json import Jsonb

from dispatcher.byte_budget import ByteBudget
from dispatcher.database.connections import Database, only_value
from dispatcher.destinations.base import Limits
from dispatcher.in_flight import HeldLease, InFlight
from dispatcher.intake.fan_out import fan_out
from dispatcher.intake.folding import IntakeEvent, decode_events, facts_of, folded, seal_all
from dispatcher.quarantine import GIVEN_UP, Judge, is_events_doing, part
from dispatcher.reasons import CANNOT_PROCESS, Refusal
from dispatcher.routing import RoutingTable
from dispatcher.telemetry.counters import Counters
from dispatcher.telemetry.tracing import span
from dispatcher.watermark import Watermark

log = structlog.get_logger()

BATCH = 1000
BATCHES = 3
"""Batches in progress at once."""
SLACK = 100_000
"""How many ids behind the last claim a row may appear: an id is assigned before its transaction commits."""
HELD_SECONDS = 1.0
"""How long a process keeps an event that it may not give up yet, before it releases it to be claimed again."""


class IntakeLease(msgspec.Struct, frozen=True):
    """A batch of events that this process holds. `claimed_at`: the database's clock. `content`: JSON arrays, as claimed."""

    id: int
    claimed_at: datetime
    content: list[str]
    losses: int
    is_full: bool


class Intake:
    """Takes events from the queue `outbox.intake`, a batch at a time; while one is settled, the next is claimed.

    `on_settled` is called after each settlement, when there may be new deliveries.
    """

    def __init__(
        self,
        database: Database,
        routing: RoutingTable,
        limits: Callable[[str], Limits],
        counters: Counters,
        *,
        holder: str,
        lease: timedelta,
        region: str | None,
        in_flight: InFlight | None = None,
    ) -> None:
        self._database = database
        self._routing = routing
        self._limits = limits
        self._counters = counters
        self._holder = holder
        self._lease = lease
        self._region = region
        self._watermark = Watermark(0, lambda event_id: event_id - SLACK)
        self._batches = asyncio.Semaphore(BATCHES)
        self._tasks: set[asyncio.Task[None]] = set()
        self._suspects: asyncio.Task[None] | None = None
        self._judge = Judge()
        self._budget = ByteBudget()
        self._in_flight = in_flight or InFlight.private()
        self.suspect_losses = 0
        """The losses of the events to process in small parts next (`dispatcher.quarantine`); 0: there are none."""
        self._error: BaseException | None = None
        self.is_behind = False
        """Whether the last claim was full, so that more waits."""
        self.on_settled: Callable[[], object] = lambda: None

    async def step(self) -> int:
        """Claim one batch and start to process it; return the most events that it can hold (0: nothing waits).

        Raise the error of an earlier batch, unless an event in that batch caused it.
        """
        await self._batches.acquire()
        task = None
        try:
            if error := self._error:
                self._error = None
                raise error
            task = await self._start_suspects() or await self._start()
        finally:
            if task is None:
                self._batches.release()
        if task is None:
            self.is_behind = False
            return 0
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return BATCH

    async def _start(self) -> asyncio.Task[None] | None:
        batch = await self._watermark.claim(self._claim_from)
        if batch is None:
            return None
        self.is_behind = batch.is_full
        return asyncio.create_task(self._take_in(batch))

    async def _start_suspects(self) -> asyncio.Task[None] | None:
        """Start to process one part of a batch that failed with its worker, unless another part is in progress."""
        if not self.suspect_losses or self._suspects:
            return None
        batch = await self._claim_from(0, self.suspect_losses)
        if batch is None:
            self.suspect_losses = 0
            return None
        self._suspects = asyncio.create_task(self._take_in(batch))
        return self._suspects

    async def _claim_from(self, since: int, losses: int = 0) -> IntakeLease | None:
        most = self._budget.limit(part(losses, BATCH))
        rows = await self._database.run(
            "claim_events",
            {
                "holder": self._holder,
                "lease": self._lease,
                "limit": most,
                "losses": losses,
                "since": since,
            },
        )
        if not rows:
            return None
        lease = rows[0]
        if not losses:
            self._watermark.advance(max(row.latest for row in rows))
        content = [row.events for row in rows]
        self._budget.claimed(lease.count, content)
        return IntakeLease(lease.id, lease.claimed_at, content, losses, is_full=lease.count == most)

    @property
    def since(self) -> int:
        """The event id from which on rows are expected."""
        return self._watermark.position

    async def finish(self) -> None:
        """Wait until everything in progress is settled."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self, grace: float) -> None:
        """Settle what is in flight within `grace` seconds; the rest comes back when its lease expires."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in self._tasks:
            task.cancel()
        if error := self._error:
            self._error = None
            log.error("batch failed", error=type(error).__name__)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task is self._suspects:
            self._suspects = None
        self._batches.release()
        if not task.cancelled():
            self._error = task.exception() or self._error

    async def _take_in(self, batch: IntakeLease) -> None:
        """Process a batch; an event that breaks the processing harms only itself."""
        if batch.losses >= GIVEN_UP:
            if self._judge.may_give_up():
                log.error("an event cannot be processed, setting it aside as failed")
                await self._database.run("give_up_lease", {"lease": batch.id, "holder": self._holder})
            else:
                await self._release(batch, is_suspect=False)
                await asyncio.sleep(HELD_SECONDS)
            return
        entry = self._in_flight.enter(batch.id)
        try:
            await entry.working(self._take_in_entered(batch))
        finally:
            entry.leave()

    async def _take_in_entered(self, batch: IntakeLease) -> None:
        began = monotonic()
        try:
            events, unreadable = decode_events(batch.content)
            with span("intake", events=len(events)):
                await self._settle(batch.id, batch.claimed_at, events, unreadable)
        except Exception as error:
            is_suspect = is_events_doing(error)
            with contextlib.suppress(Exception):
                await self._release(batch, is_suspect=is_suspect)
            if not is_suspect:
                raise
            log.error("a batch could not be processed, retrying it in smaller parts", error=type(error).__name__)
            return
        self._judge.succeeded()
        self._counters.took_in(len(events), monotonic() - began)
        self.on_settled()

    async def _release(self, batch: IntakeLease, *, is_suspect: bool) -> None:
        held = HeldLease(batch.id, [], is_suspect)
        params = {"holder": self._holder, "lease": batch.id, "leases": Jsonb([held])}
        await self._database.run("release_leases", params)

    async def _settle(self, lease_id: int, now: datetime, events: list[IntakeEvent], unreadable: list[int]) -> None:
        """Seal, fold and fan out; an event for which one of these raises an error fails alone."""
        failed = list(unreadable)
        sealed = seal_all(events, self._region, failed)
        facts = facts_of(events, sealed, failed)
        events = [event for event in events if event.id not in failed] if failed else events
        destinations = list((await self._routing.destinations()).values())
        pending, skipped = fan_out(events, destinations, self._limits, now)
        settled = await self._database.run(
            "settle_events",
            {
                "lease": lease_id,
                "holder": self._holder,
                "sealed": Jsonb(sealed),
                "pending": Jsonb(pending),
                "skipped": Jsonb(skipped),
                "failed": failed,
                **folded(facts),
            },
        )
        if not only_value(settled):
            log.warning("lease expired before its batch was settled, another process has the batch", events=len(events))
            return
        by_id = {destination.id: destination for destination in destinations}
        for row in skipped:
            self._counters.ended(by_id[row["destination"]], Refusal("skipped", row["reason"]), len(row["event_ids"]))
        for destination in destinations if failed else ():
            self._counters.ended(destination, CANNOT_PROCESS, len(failed))
