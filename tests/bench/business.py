"""A CRM's business transaction with and without a call: the time that the call adds, until the commit returns.

python -m tests.bench.business DATABASE_URL WAY      prints milliseconds: the median with the call minus the median without
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from statistics import median
from typing import Any, NamedTuple

import psycopg

import outbox
from outbox.encoding import encode
from tests.bench import fill

TRANSACTIONS = 400
SALE = "INSERT INTO bench.sale (customer) VALUES ('17')"
SCHEMA = "CREATE TABLE bench.sale (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text)"


class Business(NamedTuple):
    """A driver's functions for a transaction and a statement, and the measured call."""

    transaction: Callable[[], Any]
    execute: Callable[[str], Awaitable[object]]
    call: Callable[[], Awaitable[object]]


@asynccontextmanager
async def _record(url: str) -> AsyncIterator[Business]:
    conversion = fill.conversion(1)
    ids = (f"{time.time()}-{number}" for number in itertools.count())
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:

        async def call() -> None:
            await outbox.record(connection, replace(conversion, event_id=next(ids)))

        yield Business(connection.transaction, connection.execute, call)


@asynccontextmanager
async def _on_psycopg(url: str) -> AsyncIterator[Business]:
    from pgqueuer import PsycopgDriver, Queries

    body = encode(fill.conversion(1))
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        queries = Queries(PsycopgDriver(connection))
        yield Business(connection.transaction, connection.execute, lambda: queries.enqueue("send", body))


@asynccontextmanager
async def _on_asyncpg(url: str) -> AsyncIterator[Business]:
    import asyncpg
    from pgqueuer import AsyncpgDriver, Queries

    body = encode(fill.conversion(1))
    connection = await asyncpg.connect(url)
    try:
        queries = Queries(AsyncpgDriver(connection))
        yield Business(connection.transaction, connection.execute, lambda: queries.enqueue("send", body))
    finally:
        await connection.close()


WAYS = {"record": _record, "pgqueuer": _on_psycopg, "pgqueuer on asyncpg": _on_asyncpg}


def install(url: str) -> None:
    """Create the CRM's table and pgqueuer's schema in a database."""
    from pgqueuer import PsycopgDriver, Queries

    async def peer() -> None:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await Queries(PsycopgDriver(connection)).install()

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCHEMA)
    asyncio.run(peer())


async def added(url: str, way: str) -> float:
    """Return the milliseconds that the call adds, from alternating transactions with and without it."""
    async with WAYS[way](url) as business:
        with_call: list[float] = []
        without: list[float] = []
        for _ in range(TRANSACTIONS):
            for times, is_called in ((with_call, True), (without, False)):
                began = time.perf_counter()
                async with business.transaction():
                    await business.execute(SALE)
                    if is_called:
                        await business.call()
                times.append((time.perf_counter() - began) * 1000)
    return median(with_call) - median(without)


if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(added(sys.argv[1], sys.argv[2]))}\n")
