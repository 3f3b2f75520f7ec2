"""Wake-ups at commit (LISTEN/NOTIFY), if the trigger `event_notify` is enabled. Polling works without it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg

from dispatcher.config.settings import conninfo
from dispatcher.database.connections import CONNECT_TIMEOUT, DATABASE_UNAVAILABLE

CHANNEL = "outbox"
CHECK_SECONDS = 15.0
"""How often an idle connection is checked."""
RECONNECT_SECONDS = 5.0


async def listen(database_url: str, on_wake: Callable[[], None]) -> None:
    """Call `on_wake` for every notification, forever; reconnect when the connection drops."""
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
                on_wake()  # for what was committed while nothing listened
                while True:
                    async for _ in connection.notifies(timeout=CHECK_SECONDS):
                        on_wake()
                    async with asyncio.timeout(CONNECT_TIMEOUT):
                        await connection.execute("SELECT 1")
        except (*DATABASE_UNAVAILABLE, TimeoutError):
            await asyncio.sleep(RECONNECT_SECONDS)
