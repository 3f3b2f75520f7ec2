"""The daemon: intake and every destination, each in a loop of its own, until it is told to stop.

async with running(settings) as daemon:
    await daemon.run()      # until `daemon.stop()`, or:
    await daemon.drain()    # what is due now
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog

from dispatcher.database import Database
from dispatcher.destinations import registry
from dispatcher.identity import EventAlone
from dispatcher.intake import Intake
from dispatcher.queue import PostgresQueue
from dispatcher.send import Sender
from dispatcher.words import Words
from schema.settings import Settings

log = structlog.get_logger()

POLL_SECONDS = 0.2
FAILED_SECONDS = 5.0
GRACE_SECONDS = 20.0
"""How long what is in flight may take when the daemon stops; the promise is 25 s in all."""


class Daemon:
    """One dispatcher process."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self._words = Words(database)
        self._settings = settings
        self._lease = timedelta(seconds=settings.lease_seconds)
        # A name that no other process has, nor this one after a restart: it is part of the fence.
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._stop = asyncio.Event()
        self.intake = Intake(
            database,
            self._words,
            registry.LIMITS,
            holder=self.holder,
            lease=self._lease,
            region=settings.phone_region or None,
        )
        self.senders: list[Sender] = []

    async def open(self) -> None:
        """Read the destinations and make their senders."""
        for words in (await self._words.destinations()).values():
            destination = registry.create(words.kind, words.name, self._settings)
            queue = PostgresQueue(self.database, words.id, self.holder, self._lease)
            self.senders.append(Sender(destination, queue, EventAlone(), self._words, lease=self._lease))
            if missing := destination.missing():
                log.warning("destination halted: a setting is missing", destination=words.name, setting=missing)

    def stop(self) -> None:
        """Ask the daemon to stop; `run` then returns when what is in flight is settled."""
        self._stop.set()

    async def run(self) -> None:
        """Deliver until `stop`."""
        loops = [
            asyncio.create_task(self._repeat("intake", self._take_in)),
            asyncio.create_task(self._repeat("reclaim", self._reclaim, self._lease.total_seconds() / 4)),
            *(asyncio.create_task(self._repeat(sender.destination.name, sender.step)) for sender in self.senders),
        ]
        await self._stop.wait()
        # Loops end between two steps; one that hangs on the database is cut off.
        await asyncio.wait(loops, timeout=2 if self.database.reachable else 0)
        for loop in loops:
            loop.cancel()
        await self._close(GRACE_SECONDS)
        await asyncio.gather(*loops, return_exceptions=True)

    async def drain(self) -> int:
        """Deliver what is due, once; give how many deliveries (and intakes) are still owed."""
        while not self._stop.is_set():
            moved = await self._reclaim()
            while not self._stop.is_set() and await self._take_in():
                moved = True
            for sender in self.senders:
                while not self._stop.is_set() and await sender.step():
                    moved = True
            await asyncio.gather(*(sender.finish() for sender in self.senders))
            if not moved:
                break
        await self._close(GRACE_SECONDS)
        return sum(queued + leased for _, queued, _, leased in await self.database.run("owed"))

    async def _take_in(self) -> bool:
        return await self.intake.step() > 0

    async def _reclaim(self) -> bool:
        rows = await self.database.run("reclaim_leases")
        if count := rows[0][0]:
            log.warning("leases expired and were taken back", deliveries=count)
        return bool(rows[0][0])

    async def _repeat(self, name: str, step: Callable[[], Awaitable[bool]], seconds: float = POLL_SECONDS) -> None:
        """Take steps for as long as there is something to do; look again every `seconds`."""
        while not self._stop.is_set():
            pause = seconds
            try:
                if await step():
                    continue
            except Exception as error:  # noqa: BLE001 - a mistake of ours in one loop must not stop the others
                log.error("a step failed, it is tried again", step=name, error=type(error).__name__)
                pause = FAILED_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause)

    async def _close(self, grace: float) -> None:
        await asyncio.gather(*(sender.stop(grace) for sender in self.senders))


@asynccontextmanager
async def running(settings: Settings, database_url: str) -> AsyncIterator[Daemon]:
    """Give a daemon that is connected and knows its destinations."""
    async with Database.connect(database_url) as database:
        daemon = Daemon(database, settings)
        await daemon.open()
        yield daemon
