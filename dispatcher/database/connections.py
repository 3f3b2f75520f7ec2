"""The dispatcher's connections to PostgreSQL.

Every statement is a transaction of its own, so none stays open while something is sent. While the database is unavailable,
a statement is retried with backoff until it succeeds or the caller gives up; the outage is logged once. Work that must take effect
as a whole (erase, rebuild, retention) uses a `Transaction`, in which nothing is retried.

Rows are named tuples: what they hold is read by the names of the columns, never by position.

    (await database.run("read_event_range"))[0].last
    rows_as(Event, await database.run("read_events", {"ids": [1]}))     # fields named like the columns
    only_value(await database.run("read_clock"))                        # one row of one column
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Protocol, TypeVar

import msgspec
import psycopg
import structlog
from psycopg.rows import namedtuple_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from dispatcher.config.settings import conninfo
from dispatcher.database.queries import load

log = structlog.get_logger()

T = TypeVar("T")

DATABASE_UNAVAILABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,  # the connection was closed under the statement
    psycopg.errors.ReadOnlySqlTransaction,  # a primary that became a standby
    PoolTimeout,
)
"""Errors that mean that the database is unavailable; a mistake in a statement is none of these."""
INPUT_TOO_LARGE = (
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
    psycopg.errors.TooManyColumns,
    psycopg.errors.TooManyArguments,
)
"""The operational errors that a retry cannot mend, because they come from the parameters: an index row too large, a value too deep."""

STATEMENT_TIMEOUT = 60
CONNECT_TIMEOUT = 5
POOL_TIMEOUT = 3.0
LONGEST_PAUSE = 3.0

_OPTIONS: dict[str, Any] = {
    "application_name": "outbox-dispatch",
    # JSON contains times in the session's time zone; every reader understands UTC.
    # JIT compilation never pays here, but PostgreSQL would use it for tables that were never analysed.
    "options": f"-c statement_timeout={STATEMENT_TIMEOUT}s -c idle_in_transaction_session_timeout=60s"
    " -c timezone=UTC -c jit=off",
    "connect_timeout": CONNECT_TIMEOUT,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "target_session_attrs": "read-write",  # with several hosts in the address, the one that accepts writes
}


class Queries(Protocol):
    """Runs the queries of `schema/queries` by name: a `Database` or a `Transaction`."""

    async def run(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        """Run a query; return its rows."""
        ...


def rows_as(class_: type[T], rows: Sequence[Any]) -> list[T]:
    """Return each row as a `class_`: a struct or named tuple whose fields have the names of the columns.

    Raise TypeError for a column without a field, and for a field that has neither a column nor a default.
    """
    if not rows:
        return []
    columns = rows[0]._fields
    fields: tuple[str, ...] = getattr(class_, "__struct_fields__", None) or class_._fields  # type: ignore[attr-defined]
    if columns == fields[: len(columns)]:
        return [class_(*row) for row in rows]
    return [class_(**row._asdict()) for row in rows]


def only_value(rows: Sequence[Any]) -> Any:
    """Return the value of a result with one row and one column."""
    ((value,),) = rows
    return value


def scalars(rows: Iterable[Sequence[Any]]) -> list[Any]:
    """Return the values of a result with one column."""
    return [value for (value,) in rows]


class Transaction:
    """Several statements that take effect together or not at all; none is retried."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def run(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        """Run a query of `schema/queries`; return its rows. Raise one of `DATABASE_UNAVAILABLE`."""
        async with self._connection.cursor(binary=True) as cursor:
            await cursor.execute(load(query), parameters)
            return await cursor.fetchall() if cursor.description else []

    async def stream(
        self, query: str, parameters: Mapping[str, Any] | None = None, *, size: int = 1000
    ) -> AsyncGenerator[list[Any]]:
        """Yield the rows of a query, `size` at a time, however many there are."""
        async with self._connection.cursor(name="outbox_stream") as cursor:
            await cursor.execute(load(query), parameters, binary=True)
            while rows := await cursor.fetchmany(size):
                yield rows


class Database:
    """A pool of connections that runs the queries of `schema/queries` by name."""

    def __init__(self, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]]) -> None:
        self._pool = pool
        self.reachable = True
        self.tried_at = monotonic()

    @classmethod
    @asynccontextmanager
    async def connect(cls, database_url: str, *, connections: int = 8) -> AsyncIterator[Database]:
        """Open the pool; it connects when a connection is needed."""
        pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            conninfo(database_url),
            # No prepared statements: each plan is made for the queue as it is now, not for the empty one of an hour ago.
            # External poolers need that too.
            kwargs={"autocommit": True, "row_factory": namedtuple_row, "prepare_threshold": None, **_OPTIONS},
            configure=_configure,
            min_size=0,
            max_size=connections,
            # The pool does not report a failed connection, the wait for one times out; then the statement is retried.
            timeout=POOL_TIMEOUT,
            reconnect_timeout=0,
            open=False,
        )
        await pool.open(wait=False)
        try:
            yield cls(pool)
        finally:
            await pool.close(timeout=2)

    async def run(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        """Run a query of `schema/queries`, retrying while the database is unavailable; return its rows.

        It may run twice, if the connection breaks before the result arrives, so each query must be safe to repeat.
        """
        failures = 0
        while True:
            self.tried_at = monotonic()
            try:
                rows = await self.run_once(query, parameters)
            except INPUT_TOO_LARGE:
                raise
            except DATABASE_UNAVAILABLE as error:
                failures += 1
                if failures > 1:  # a single connection may have been cut: wait for a second failure
                    self._log_lost(error)
                await asyncio.sleep(min(LONGEST_PAUSE, 0.1 * 2**failures) * (0.5 + random.random()))
            else:
                self._log_found()
                return rows

    async def run_once(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        """Run a query of `schema/queries` once; return its rows. Raise one of `DATABASE_UNAVAILABLE`."""
        async with self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
            await cursor.execute(load(query), parameters)
            return await cursor.fetchall() if cursor.description else []

    @asynccontextmanager
    async def transaction(
        self, *, is_reading: bool = False, seconds: int = STATEMENT_TIMEOUT
    ) -> AsyncIterator[Transaction]:
        """Open a transaction in which no statement may run for longer than `seconds` (0: no limit).

        With `is_reading`, it sees everything as of its beginning. Otherwise each statement sees what was committed before
        it, which `exclude_dispatchers` relies on.
        """
        async with self._pool.connection() as connection, connection.transaction():
            if is_reading:
                await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            await connection.execute(f"SET LOCAL statement_timeout = '{seconds:d}s'")
            yield Transaction(connection)

    def _log_lost(self, error: Exception) -> None:
        if self.reachable:
            self.reachable = False
            log.warning(
                "database unavailable, retrying", error=type(error).__name__, sqlstate=getattr(error, "sqlstate", None)
            )

    def _log_found(self) -> None:
        if not self.reachable:
            self.reachable = True
            log.info("database available again")


def _encode(value: Any) -> bytes:
    return msgspec.json.encode(value)


async def _configure(connection: psycopg.AsyncConnection[Any]) -> None:
    set_json_loads(msgspec.json.decode, connection)
    set_json_dumps(_encode, connection)
