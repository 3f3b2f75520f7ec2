"""Settles a lease in batches: collects outcomes for at most a second, settles them together, and renews the lease."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import structlog

from dispatcher.delivery.queue import DeliveryQueue
from dispatcher.models import Lease, Settlement
from dispatcher.quarantine import is_events_doing
from dispatcher.telemetry.tracing import span

log = structlog.get_logger()


def clock() -> float:
    """Return monotonic seconds that also count the time while the machine sleeps, where the system provides them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


UNWRITABLE = "cannot be written"
"""The reason of a settlement whose own words the database did not take."""
COLLECT_SECONDS = 1.0
"""How long a settlement may wait for others: a killed worker has at most so many receipts to lose."""


class BatchSettler:
    """The settlements of one lease, and its heartbeat while they come in.

    `is_lost` becomes true when another process has taken the lease. `may_send` becomes false before that can happen: a
    process that cannot reach the database, or was frozen, would not notice. `on_settled` is called with the settlements
    that took effect and the seconds that it took. `working` marks what is done beside the caller as work on this lease
    (`dispatcher.in_flight`).
    """

    def __init__(
        self,
        queue: DeliveryQueue,
        lease: Lease,
        held_for: timedelta,
        claimed: float,
        on_settled: Callable[[Sequence[Settlement], float], object] = lambda _settlements, _seconds: None,
        *,
        working: Callable[[Coroutine[Any, Any, None]], Coroutine[Any, Any, None]] = lambda work: work,
    ) -> None:
        self._queue = queue
        self._lease = lease
        self._on_settled = on_settled
        self._working = working
        self._waiting: list[Settlement] = []
        self._open = lease.count
        self._flushing = asyncio.Lock()
        self._held_seconds = held_for.total_seconds()
        self._held_until = claimed + self._held_seconds
        self._beat_seconds = self._held_seconds / 3
        self._beats = asyncio.create_task(working(self._beat()))
        self._refused: dict[tuple[int, int], Exception] = {}
        self.is_lost = False

    @property
    def may_send(self) -> bool:
        """Return whether this process certainly still holds the lease."""
        return not self.is_lost and clock() < self._held_until

    def add(self, *settlements: Settlement) -> None:
        """Add settlements to the next batch."""
        self._waiting.extend(settlements)

    def replace(self, settlements: Iterable[Settlement]) -> None:
        """Replace the settlements that are still waiting."""
        self._waiting = list(settlements)

    async def close(self) -> None:
        """Settle what is left. The lease is then empty, or its remaining rows come back when it expires.

        Raise what the database refused a settlement for, if there is one that it took in no form.
        """
        self._beats.cancel()
        await asyncio.wait([self._beats])
        del self._beats  # a reference cycle: it would keep the lease in memory until the garbage collector runs
        await self._flush()
        for error in self._refused.values():
            raise error

    async def _beat(self) -> None:
        """Settle every second what has come in; renew the lease in good time."""
        beats = asyncio.get_running_loop().time() + self._beat_seconds
        while not self.is_lost:
            await asyncio.sleep(COLLECT_SECONDS)
            try:
                await asyncio.shield(self._working(self._flush()))
                if self._open and asyncio.get_running_loop().time() >= beats:
                    renewed_at = clock()
                    self.is_lost = not await self._queue.extend(self._lease)
                    self._held_until = renewed_at + self._held_seconds
                    beats = asyncio.get_running_loop().time() + self._beat_seconds
            except Exception as error:  # noqa: BLE001 - the settlements are kept and retried
                log.error("settlement failed, retrying", error=type(error).__name__)

    async def abandon(self) -> None:
        """Settle no more: the lease was given back."""
        self.is_lost = True
        self._waiting = []
        await self.close()

    async def _settle(self, settlements: Sequence[Settlement]) -> int:
        """Settle; if the database does not take them together, each for itself, at last without what it may not take.

        One that it takes in no form is noted as refused and does not keep the others from being settled.
        """
        try:
            return await self._queue.settle(self._lease, settlements)
        except Exception as error:
            if not is_events_doing(error):
                raise
            if len(settlements) > 1:
                middle = len(settlements) // 2
                return await self._settle(settlements[:middle]) + await self._settle(settlements[middle:])
            (settlement,) = settlements
            bare = msgspec.structs.replace(settlement, reason=UNWRITABLE, trace=None, account_id=None, sent=None)
            log.error("a settlement cannot be written as it is", id=settlement.event_id, error=type(error).__name__)
            if settlement != bare:
                return await self._settle([bare])
            self._refused[settlement.event_id, settlement.revision] = error
            return 0

    async def _flush(self) -> None:
        """Settle what has come in, one batch at a time, so that closing waits for the one in progress."""
        async with self._flushing:
            waiting, self._waiting = self._waiting, []
            if not waiting or self.is_lost:
                return
            began = time.monotonic()
            try:
                with span("settle", events=len(waiting)):
                    settled = await self._settle(waiting)
            except Exception:
                self._waiting = waiting + self._waiting
                raise
            if self._refused:
                waiting = [each for each in waiting if (each.event_id, each.revision) not in self._refused]
            self._open -= len(waiting)
            if settled:
                self._on_settled(waiting, time.monotonic() - began)
            # If the lease is still held, the rows ended otherwise: an earlier settlement took effect although its reply
            # was lost, or the events were erased.
            if not settled and not await self._queue.extend(self._lease):
                self.is_lost = True
                log.warning("lease lost before it was settled", lost=len(waiting))
