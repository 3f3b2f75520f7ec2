"""Settles a lease in batches: collects outcomes for at most a second, settles them together, and renews the lease."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import structlog

from dispatcher.delivery.queue import DeliveryQueue
from dispatcher.models import Lease, Settlement
from dispatcher.telemetry.tracing import span

log = structlog.get_logger()


def clock() -> float:
    """Return monotonic seconds that also count the time while the machine sleeps, where the system provides them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


COLLECT_SECONDS = 1.0
"""How long a settlement may wait for others (design, part 7)."""


class BatchSettler:
    """The settlements of one lease, and its heartbeat while they come in.

    `is_lost` becomes true when another process has taken the lease. `may_send` becomes false before that can happen: a
    process that cannot reach the database, or was frozen, would not notice. `on_settled` is called with the settlements
    that took effect and the seconds that it took.
    """

    def __init__(
        self,
        queue: DeliveryQueue,
        lease: Lease,
        held_for: timedelta,
        claimed: float,
        on_settled: Callable[[Sequence[Settlement], float], object] = lambda _settlements, _seconds: None,
    ) -> None:
        self._queue = queue
        self._lease = lease
        self._on_settled = on_settled
        self._waiting: list[Settlement] = []
        self._open = len(lease.deliveries)
        self._flushing = asyncio.Lock()
        self._held_seconds = held_for.total_seconds()
        self._held_until = claimed + self._held_seconds
        self._beat_seconds = self._held_seconds / 3
        self._beats = asyncio.create_task(self._beat())
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
        """Settle what is left. The lease is then empty, or its remaining rows come back when it expires."""
        self._beats.cancel()
        await asyncio.wait([self._beats])
        del self._beats  # a reference cycle: it would keep the lease in memory until the garbage collector runs
        await self._flush()

    async def _beat(self) -> None:
        """Settle every second what has come in; renew the lease in good time."""
        beats = asyncio.get_running_loop().time() + self._beat_seconds
        while not self.is_lost:
            await asyncio.sleep(COLLECT_SECONDS)
            try:
                await asyncio.shield(self._flush())
                if self._open and asyncio.get_running_loop().time() >= beats:
                    renewed_at = clock()
                    self.is_lost = not await self._queue.extend(self._lease)
                    self._held_until = renewed_at + self._held_seconds
                    beats = asyncio.get_running_loop().time() + self._beat_seconds
            except Exception as error:  # noqa: BLE001 - the settlements are kept and retried
                log.error("settlement failed, retrying", error=type(error).__name__)

    async def _flush(self) -> None:
        """Settle what has come in, one batch at a time, so that closing waits for the one in progress."""
        async with self._flushing:
            waiting, self._waiting = self._waiting, []
            if not waiting or self.is_lost:
                return
            began = time.monotonic()
            try:
                with span("settle", events=len(waiting)):
                    settled = await self._queue.settle(self._lease, waiting)
            except Exception:
                self._waiting = waiting + self._waiting
                raise
            self._open -= len(waiting)
            if settled:
                self._on_settled(waiting, time.monotonic() - began)
            # If the lease is still held, the rows ended otherwise: an earlier settlement took effect although its reply
            # was lost, or the events were erased.
            if not settled and not await self._queue.extend(self._lease):
                self.is_lost = True
                log.warning("lease lost before it was settled", lost=len(waiting))
