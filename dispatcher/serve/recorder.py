"""The database connections on which conversions are recorded, each in its own transaction, as a CRM does it.

A visitor is waiting for the response, so nothing here waits long: an unavailable database is retried for `PATIENCE`
seconds. Then the request gets a 503 and may be sent again. Needs only the role `outbox_recorder`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool

import outbox
from dispatcher.config.settings import conninfo
from dispatcher.database.connections import DATABASE_UNAVAILABLE, only_value
from dispatcher.database.queries import load
from dispatcher.serve.errors import UnavailableError

log = structlog.get_logger()

T = TypeVar("T")
Connection = psycopg.AsyncConnection[Any]

CONNECTIONS = 10
PATIENCE = 2.5
"""Seconds."""
STATEMENT_TIMEOUT = 5
"""Seconds."""
FIRST_PAUSE = 0.05
NO_ANSWER = "the database does not answer"

UNPREPARED = (
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.InvalidParameterValue,  # a step that is not in the tables yet
)
"""Errors which mean that the database is not ready for the configuration. An operator must act; the request is fine."""

_OPTIONS: dict[str, Any] = {
    "autocommit": True,
    "application_name": "outbox-serve",
    "options": f"-c statement_timeout={STATEMENT_TIMEOUT}s -c idle_in_transaction_session_timeout=10s",
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "target_session_attrs": "read-write",  # with several hosts in the address, the one that accepts writes
    "prepare_threshold": None,  # connection poolers may not support prepared statements
}


class Recorder:
    """A pool of connections. `region`: the default region of national phone numbers."""

    def __init__(self, pool: AsyncConnectionPool[Connection], region: str | None) -> None:
        self._pool = pool
        self._region = region
        self._reachable = True

    @classmethod
    @asynccontextmanager
    async def connect(cls, database_url: str, region: str | None) -> AsyncIterator[Recorder]:
        """Open the pool while the block runs. Connections are made on demand."""
        pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            conninfo(database_url),
            kwargs=_OPTIONS,
            min_size=0,
            max_size=CONNECTIONS,
            timeout=PATIENCE,
            reconnect_timeout=0,
            open=False,
        )
        await pool.open(wait=False)
        try:
            yield cls(pool, region)
        finally:
            await pool.close(timeout=2)

    async def record(self, conversion: outbox.Conversion) -> int:
        """Record a conversion that has an `event_id`, and return its number. Raise `UnavailableError`."""
        return int(await self.run(lambda connection: outbox.record(connection, conversion, region=self._region)))

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work`, which must be safe to repeat, on a connection. Raise `UnavailableError` if the database is unavailable.

        A connection that broke while idle fails only when it is used. Then the next one is tried.
        """
        pause = FIRST_PAUSE
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        async with self._pool.connection() as connection:
                            done = await work(connection)
                    except DATABASE_UNAVAILABLE as error:
                        self._lost(error)
                        await self._pool.check()
                        await asyncio.sleep(pause)
                        pause *= 2
                    else:
                        self._found()
                        return done
        except TimeoutError as error:
            self._lost(error)
            raise UnavailableError from error
        except UNPREPARED as error:
            # These messages of the database contain names of fields and functions, never values.
            log.error("the database is not ready", error=type(error).__name__, message=error.diag.message_primary)
            raise UnavailableError from error

    async def problem(self) -> str | None:
        """Return why conversions cannot be recorded, or None if they can."""
        try:
            is_ready = await self.run(_is_ready)
        except UnavailableError as error:
            if isinstance(error.__cause__, psycopg.errors.InsufficientPrivilege):
                return "the database user may not record conversions; GRANT outbox_recorder to it"
            return NO_ANSWER
        return None if is_ready else "the database schema is missing; run `outbox migrate`"

    def _lost(self, error: Exception) -> None:
        if self._reachable:
            self._reachable = False
            log.warning("database unavailable", error=type(error).__name__, sqlstate=getattr(error, "sqlstate", None))

    def _found(self) -> None:
        if not self._reachable:
            self._reachable = True
            log.info("database available again")


async def _is_ready(connection: Connection) -> bool:
    return bool(only_value(await (await connection.execute(load("check_recordable"))).fetchall()))
