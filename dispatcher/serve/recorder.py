"""The connections on which conversions are recorded, each in a transaction of its own, as a CRM does it.

A visitor waits for the answer, so nothing here waits for long: a database that is away is asked again for
`PATIENCE` seconds, then the request is refused with a 503 and may be sent again. Needs no more than the role
`outbox_recorder`.
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
from dispatcher.database.connections import DATABASE_UNAVAILABLE
from dispatcher.database.queries import load
from dispatcher.serve.errors import UnavailableError

log = structlog.get_logger()

T = TypeVar("T")
Connection = psycopg.AsyncConnection[Any]

CONNECTIONS = 10
PATIENCE = 2.5
STATEMENT_TIMEOUT = 5
FIRST_PAUSE = 0.05
NO_ANSWER = "the database does not answer"

UNPREPARED = (
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.InvalidParameterValue,  # a step that the tables do not know yet
)
"""What says that the database is not ready for what is configured: somebody has to act, and what came is not at fault."""

_OPTIONS: dict[str, Any] = {
    "autocommit": True,
    "application_name": "outbox-serve",
    "options": f"-c statement_timeout={STATEMENT_TIMEOUT}s -c idle_in_transaction_session_timeout=10s",
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "target_session_attrs": "read-write",  # with several hosts in the address, the one that takes writes
    "prepare_threshold": None,  # poolers between us and the database like it
}


class Recorder:
    """A pool of connections; `region` is that of national phone numbers."""

    def __init__(self, pool: AsyncConnectionPool[Connection], region: str | None) -> None:
        self._pool = pool
        self._region = region
        self._reachable = True

    @classmethod
    @asynccontextmanager
    async def connect(cls, database_url: str, region: str | None) -> AsyncIterator[Recorder]:
        """Open the pool; connections are made when they are needed."""
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
        """Record one conversion, which has an `event_id`; give its row. Raises `UnavailableError`."""
        return int(await self.run(lambda connection: outbox.record(connection, conversion, region=self._region)))

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do what is safe to repeat on a connection; raise `UnavailableError` if the database does not take it.

        A connection that broke while it was idle shows it only when it is used: then the next is tried.
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
            # Such a message of the database names fields and functions, never a value.
            log.error("the database is not ready", error=type(error).__name__, says=error.diag.message_primary)
            raise UnavailableError from error

    async def problem(self) -> str | None:
        """Say why conversions cannot be recorded, or None."""
        try:
            is_ready = await self.run(_is_ready)
        except UnavailableError as error:
            if isinstance(error.__cause__, psycopg.errors.InsufficientPrivilege):
                return "the database's user may not record; GRANT outbox_recorder to it"
            return NO_ANSWER
        return None if is_ready else "the database was not migrated; run `outbox migrate`"

    def _lost(self, error: Exception) -> None:
        if self._reachable:
            self._reachable = False
            log.warning("database unavailable", error=type(error).__name__, sqlstate=getattr(error, "sqlstate", None))

    def _found(self) -> None:
        if not self._reachable:
            self._reachable = True
            log.info("database available again")


async def _is_ready(connection: Connection) -> bool:
    row = await (await connection.execute(load("check_recordable"))).fetchone()
    return bool(row and row[0])
