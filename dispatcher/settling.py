"""Settling a lease bit by bit: answers are collected for at most a second and settled together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta

import structlog

from dispatcher.queue import DeliveryQueue
from dispatcher.records import Lease, Settlement

log = structlog.get_logger()

COLLECT_SECONDS = 1.0
"""How long a settlement may wait for others (design, part 7)."""


class Settling:
    """The settlements of one lease, and its heartbeat while they come in.

    `is_lost` becomes true when another process has taken the lease: nothing more may be sent from it.
    """

    def __init__(self, queue: DeliveryQueue, lease: Lease, held_for: timedelta) -> None:
        self._queue = queue
        self._lease = lease
        self._waiting: list[Settlement] = []
        self._open = len(lease.deliveries)
        self._flushing = asyncio.Lock()
        self._beat_seconds = held_for.total_seconds() / 3
        self._beats = asyncio.create_task(self._beat())
        self.is_lost = False

    def add(self, *settlements: Settlement) -> None:
        """Take note of what became of some deliveries."""
        self._waiting.extend(settlements)

    def replace(self, settlements: Iterable[Settlement]) -> None:
        """Take note of what became of deliveries, instead of what was noted and not settled yet."""
        self._waiting = list(settlements)

    async def close(self) -> None:
        """Settle what is left; the lease is then empty, or what it still holds comes back when it expires."""
        self._beats.cancel()
        await asyncio.wait([self._beats])
        await self._flush()

    async def _beat(self) -> None:
        """Settle what has come in, every second; prolong the lease in good time."""
        beats = asyncio.get_running_loop().time() + self._beat_seconds
        while not self.is_lost:
            await asyncio.sleep(COLLECT_SECONDS)
            await asyncio.shield(self._flush())
            if self._open and asyncio.get_running_loop().time() >= beats:
                self.is_lost = not await self._queue.extend(self._lease)
                beats = asyncio.get_running_loop().time() + self._beat_seconds

    async def _flush(self) -> None:
        """Settle what has come in; one settlement at a time, so that closing waits for the one under way."""
        async with self._flushing:
            waiting, self._waiting = self._waiting, []
            if not waiting or self.is_lost:
                return
            settled = await self._queue.settle(self._lease, waiting)
            self._open -= len(waiting)
            # If the lease is still ours, it ended otherwise: a settlement whose answer the network swallowed had taken
            # effect before, or it was erased.
            if not settled and not await self._queue.extend(self._lease):
                self.is_lost = True
                log.warning("a lease was lost before it was settled", lost=len(waiting))
