"""Intake: seals raw persons of SQL writers, folds events into identity, and fans them out into deliveries."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from time import monotonic

import structlog
from psycopg.types.json import Jsonb

from dispatcher.database.connections import Database
from dispatcher.destinations.base import Limits
from dispatcher.intake.fan_out import fan_out
from dispatcher.intake.folding import GIVE_UP, Arrival, decode_arrivals, facts_of, folded, seal_all
from dispatcher.routing import RoutingTable
from dispatcher.telemetry import prometheus
from dispatcher.telemetry.counters import Counters
from dispatcher.telemetry.tracing import span
from dispatcher.watermark import Watermark

log = structlog.get_logger()

BATCH = 1000
BATCHES = 3
"""Batches in progress at once."""
SLACK = 100_000
"""How many ids behind the last claim a row may appear: an id is assigned before its transaction commits."""


class Intake:
    """Takes events from the queue `outbox.intake`, a batch at a time; while one is settled, the next is claimed.

    `on_settled` is called after each settlement, when there may be new deliveries.
    """

    def __init__(
        self,
        database: Database,
        routing: RoutingTable,
        limits: dict[str, Limits],
        counters: Counters,
        *,
        holder: str,
        lease: timedelta,
        region: str | None,
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
        self._error: BaseException | None = None
        self.is_behind = False
        """Whether the last claim was full, so that more waits."""
        self.on_settled: Callable[[], object] = lambda: None

    async def step(self) -> int:
        """Claim one batch and start to process it; return how many events it holds (0: nothing waits).

        Raise the error of an earlier batch that failed; its lease expires, and its events come back.
        """
        await self._batches.acquire()
        claimed = None
        try:
            if error := self._error:
                self._error = None
                raise error
            claimed = await self._claim()
        finally:
            if claimed is None:
                self._batches.release()
        if claimed is None:
            self.is_behind = False
            return 0
        lease_id, now, arrivals = claimed
        self.is_behind = len(arrivals) == BATCH
        task = asyncio.create_task(self._take_in(lease_id, now, arrivals))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return len(arrivals)

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
        self._batches.release()
        if not task.cancelled():
            self._error = task.exception() or self._error

    async def _take_in(self, lease_id: int, now: datetime, arrivals: Sequence[Arrival]) -> None:
        began = monotonic()
        with span("intake", events=len(arrivals)):
            parts = await self._parts(lease_id, arrivals)
            for number, (lease, part) in enumerate(parts):
                try:
                    await self._settle(lease, now, part)
                except Exception:
                    await self._give_back(lease for lease, _ in parts[number:])
                    raise
        prometheus.took_in(len(arrivals), monotonic() - began)
        self.on_settled()

    async def _parts(self, lease_id: int, arrivals: Sequence[Arrival]) -> list[tuple[int, Sequence[Arrival]]]:
        """Return the batch with its lease; or each event with a lease of its own, if one of them may crash a process."""
        if len(arrivals) == 1 or not any(arrival.tries == GIVE_UP and arrival.person for arrival in arrivals):
            return [(lease_id, arrivals)]
        leases = await self._database.run("split_lease", {"lease": lease_id, "holder": self._holder})
        by_event = {arrival.id: arrival for arrival in arrivals}
        return [(lease, [by_event[event_id]]) for lease, event_id in leases]

    async def _give_back(self, leases: Iterable[int]) -> None:
        """Release what could not be settled, unchanged: the process is alive, so no person has crashed it."""
        with contextlib.suppress(Exception):
            for lease in leases:
                await self._database.run_once("return_lease", {"lease": lease, "holder": self._holder})

    async def _settle(self, lease_id: int, now: datetime, arrivals: Sequence[Arrival]) -> None:
        """Seal, fold and fan out."""
        sealed = seal_all(arrivals, self._region)
        facts = facts_of(arrivals, sealed)
        destinations = (await self._routing.destinations()).values()
        pending, skipped = fan_out(arrivals, destinations, self._limits, now)
        settled = await self._database.run(
            "settle_events",
            {
                "lease": lease_id,
                "holder": self._holder,
                "sealed": Jsonb(sealed),
                "pending": Jsonb(pending),
                "skipped": Jsonb(skipped),
                **folded(facts),
            },
        )
        if not settled[0][0]:
            log.warning("lease lost before its batch was settled, another process has it", events=len(arrivals))
            return
        for row in skipped:
            self._counters.ended(row["destination"], "skipped", row["reason"], len(row["event_ids"]))

    async def _claim(self) -> tuple[int, datetime, list[Arrival]] | None:
        return await self._watermark.claim(self._claim_from)

    async def _claim_from(self, since: int) -> tuple[int, datetime, list[Arrival]] | None:
        rows = await self._database.run(
            "claim_events", {"holder": self._holder, "lease": self._lease, "limit": BATCH, "since": since}
        )
        if not rows:
            return None
        lease_id, now, *_ = rows[0]
        self._watermark.advance(max(last for _, _, last, _ in rows))
        return lease_id, now, [arrival for *_, arrivals in rows for arrival in decode_arrivals(arrivals)]
