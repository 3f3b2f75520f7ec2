"""The dispatcher's connections to PostgreSQL. This module and the queues are all that talks to the database.

Every statement is a transaction of its own, so none stays open while something is sent. When the database is away, a
statement waits and is tried again, with backoff, until it succeeds or the caller gives up; that is said once. What must
be done as a whole (erase, rebuild, retention) takes a `Transaction`, in which nothing is tried again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Protocol

import msgspec
import psycopg
import structlog
from psycopg.rows import tuple_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from dispatcher.config.settings import conninfo
from dispatcher.database.queries import load

log = structlog.get_logger()

DATABASE_UNAVAILABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,  # the connection was closed under the statement
    psycopg.errors.ReadOnlySqlTransaction,  # a primary that became a standby
    PoolTimeout,
)
"""What says that the database is away, or busy with itself; a statement's own mistake is none of these."""

STATEMENT_TIMEOUT = 60
CONNECT_TIMEOUT = 5
POOL_TIMEOUT = 3.0
LONGEST_PAUSE = 3.0

_OPTIONS: dict[str, Any] = {
    "application_name": "outbox-dispatch",
    # In JSON times stand in the session's zone; UTC is one that every reader understands.
    # No statement of ours is worth compiling; of tables that were never analysed PostgreSQL thinks otherwise.
    "options": f"-c statement_timeout={STATEMENT_TIMEOUT}s -c idle_in_transaction_session_timeout=60s"
    " -c timezone=UTC -c jit=off",
    "connect_timeout": CONNECT_TIMEOUT,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "target_session_attrs": "read-write",  # with several hosts in the address, the one that takes writes
}


class Queries(Protocol):
    """What runs the queries of `schema/queries` by name: `Database`, or a `Transaction`."""

    async def run(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a query; give its rows."""
        ...


class Transaction:
    """Several statements that take effect together, or not at all; none is tried again."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def run(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a query of `schema/queries`; give its rows, or raise one of `AWAY`."""
        async with self._connection.cursor(binary=True) as cursor:
            await cursor.execute(load(query), parameters)
            return await cursor.fetchall() if cursor.description else []

    async def stream(
        self, query: str, parameters: Mapping[str, Any] | None = None, *, size: int = 1000
    ) -> AsyncGenerator[list[tuple[Any, ...]]]:
        """Give the rows of a query `size` at a time, however many there are."""
        async with self._connection.cursor(name="outbox_stream") as cursor:
            await cursor.execute(load(query), parameters, binary=True)
            while rows := await cursor.fetchmany(size):
                yield rows


class Database:
    """A pool of connections, and statements by the name of their file in `schema/queries`."""

    def __init__(self, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]]) -> None:
        self._pool = pool
        self.reachable = True
        self.tried_at = monotonic()

    @classmethod
    @asynccontextmanager
    async def connect(cls, database_url: str, *, connections: int = 8) -> AsyncIterator[Database]:
        """Open the pool; connections are made when they are needed."""
        pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            conninfo(database_url),
            # Never prepared: a plan is made for the queue as it is now, not for the empty one of an hour ago. Poolers
            # like it too.
            kwargs={"autocommit": True, "row_factory": tuple_row, "prepare_threshold": None, **_OPTIONS},
            configure=_configure,
            min_size=0,
            max_size=connections,
            # A connection that cannot be made is not reported but timed out; then we wait and ask again.
            timeout=POOL_TIMEOUT,
            reconnect_timeout=0,
            open=False,
        )
        await pool.open(wait=False)
        try:
            yield cls(pool)
        finally:
            await pool.close(timeout=2)

    async def run(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a query of `schema/queries` until the database takes it; give its rows.

        It may run twice, if the connection broke before the answer came: so each query must be safe to repeat.
        """
        failures = 0
        while True:
            self.tried_at = monotonic()
            try:
                rows = await self.run_once(query, parameters)
            except DATABASE_UNAVAILABLE as error:
                failures += 1
                if failures > 1:  # a single connection may have been cut; the next one tells
                    self._lost(error)
                await asyncio.sleep(min(LONGEST_PAUSE, 0.1 * 2**failures) * (0.5 + random.random()))
            else:
                self._found()
                return rows

    async def run_once(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a query of `schema/queries` once; give its rows, or raise one of `AWAY`."""
        async with self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
            await cursor.execute(load(query), parameters)
            return await cursor.fetchall() if cursor.description else []

    @asynccontextmanager
    async def transaction(
        self, *, is_reading: bool = False, seconds: int = STATEMENT_TIMEOUT
    ) -> AsyncIterator[Transaction]:
        """Open a transaction, in which no statement may run for longer than `seconds` (0: any time).

        One that only reads sees everything as of its beginning; another sees at each statement what was committed
        before that one, which is what `exclude_dispatchers` relies on.
        """
        async with self._pool.connection() as connection, connection.transaction():
            if is_reading:
                await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            await connection.execute(f"SET LOCAL statement_timeout = '{seconds:d}s'")
            yield Transaction(connection)

    def _lost(self, error: Exception) -> None:
        if self.reachable:
            self.reachable = False
            log.warning(
                "database unavailable, retrying", error=type(error).__name__, sqlstate=getattr(error, "sqlstate", None)
            )

    def _found(self) -> None:
        if not self.reachable:
            self.reachable = True
            log.info("database available again")


def _encode(value: Any) -> bytes:
    return msgspec.json.encode(value)


async def _configure(connection: psycopg.AsyncConnection[Any]) -> None:
    set_json_loads(msgspec.json.decode, connection)
    set_json_dumps(_encode, connection)
