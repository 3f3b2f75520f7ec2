"""Waking at the commit, where the trigger `event_notify` is switched on; polling works by itself without it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg

from dispatcher.config.settings import conninfo
from dispatcher.database.connections import CONNECT_TIMEOUT, DATABASE_UNAVAILABLE

CHANNEL = "outbox"
CHECK_SECONDS = 15.0
"""How often a connection that says nothing is asked whether it still lives."""
RECONNECT_SECONDS = 5.0


async def listen(database_url: str, woken: Callable[[], None]) -> None:
    """Call `woken` for every notification, for ever; a dropped connection is made anew."""
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(
                conninfo(database_url),
                autocommit=True,
                connect_timeout=CONNECT_TIMEOUT,
                application_name="outbox-dispatch-listen",
            )
            async with connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                woken()  # for what was committed while nobody listened
                while True:
                    async for _ in connection.notifies(timeout=CHECK_SECONDS):
                        woken()
                    async with asyncio.timeout(CONNECT_TIMEOUT):
                        await connection.execute("SELECT 1")
        except (*DATABASE_UNAVAILABLE, TimeoutError):
            await asyncio.sleep(RECONNECT_SECONDS)
