"""Record conversions: one call, inside the CRM's own transaction.

    with Session.begin() as session:
        session.add(lead)
        outbox.record(session, outbox.LeadSubmitted(lead_id=lead.id, person=outbox.Person(email=…)))

It runs one statement, `SELECT outbox.record(…)`, on the given connection; if the transaction rolls back, nothing is
recorded. Persons are sealed before anything reaches the database. SQLAlchemy and psycopg are used only if the caller has
already imported them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, overload

from outbox.conversions import Conversion
from outbox.encoding import encode, encode_all
from outbox.errors import ConnectionTypeError

_ONE = "SELECT outbox.record({}::jsonb)"
_MANY = "SELECT outbox.record_many({}::jsonb)"


def phone_region() -> str | None:
    """Return `OUTBOX_PHONE_REGION`: the region (ISO 3166-1 alpha-2) of phone numbers without a country code."""
    return os.environ.get("OUTBOX_PHONE_REGION", "").strip().upper() or None


@overload
def record(connection: Any, conversions: Conversion, *, region: str | None = None) -> Any: ...
@overload
def record(connection: Any, conversions: Iterable[Conversion], *, region: str | None = None) -> Any: ...
def record(connection: Any, conversions: Conversion | Iterable[Conversion], *, region: str | None = None) -> Any:
    """Record one conversion, or many, in the transaction of `connection`.

    `connection` is a SQLAlchemy Session, Connection, AsyncSession or AsyncConnection, or a psycopg Connection or
    AsyncConnection (Django: `django.db.connection.connection`); with an asynchronous one, await the result. `region` is
    the region of national phone numbers, by default `OUTBOX_PHONE_REGION`.

    Return the row id (`outbox.event.id`, int), or a list of them in the order given. A (`name`, `event_id`) that is
    already recorded changes nothing and returns the first row's id.

    Raise `ConversionError` (a structural mistake, with the field), `ConnectionTypeError`, or the driver's own error.
    """
    region = region or phone_region()
    if isinstance(conversions, Conversion):
        return execute(connection, _ONE, encode(conversions, region=region))
    return execute(connection, _MANY, encode_all(list(conversions), region=region))


def execute(connection: Any, statement: str, event: bytes) -> Any:
    """Run `statement`, whose `{}` is the only parameter, and return its only value; await it where `record` is."""
    text = event.decode()
    if psycopg := sys.modules.get("psycopg"):
        if isinstance(connection, psycopg.Connection):
            # Not connection.cursor(): its class may use another parameter style.
            with psycopg.Cursor(connection, row_factory=psycopg.rows.tuple_row) as cursor:
                return cursor.execute(statement.format("%s"), (text,)).fetchone()[0]
        if isinstance(connection, psycopg.AsyncConnection):
            cursor = psycopg.AsyncCursor(connection, row_factory=psycopg.rows.tuple_row)
            return _psycopg_async(cursor, statement.format("%s"), text)
    if sys.modules.get("sqlalchemy"):
        from sqlalchemy import Connection, bindparam  # noqa: PLC0415 - only where the caller uses SQLAlchemy
        from sqlalchemy import text as sql  # noqa: PLC0415
        from sqlalchemy.orm import Session, scoped_session  # noqa: PLC0415

        # The parameter has no type of its own, so that it is text for every driver; PostgreSQL casts it.
        clause = sql(statement.format("CAST(:event AS text)")).bindparams(bindparam("event", text))
        if isinstance(connection, Connection | Session | scoped_session):
            return connection.execute(clause).scalar_one()
        if sys.modules.get("sqlalchemy.ext.asyncio"):
            from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session  # noqa: PLC0415

            if isinstance(connection, AsyncConnection | AsyncSession | async_scoped_session):
                return _sqlalchemy_async(connection, clause)
    raise ConnectionTypeError(
        f"connection: {type(connection).__name__} is neither a SQLAlchemy Session, Connection, AsyncSession or "
        "AsyncConnection nor a psycopg Connection or AsyncConnection"
    )


async def _psycopg_async(cursor: Any, statement: str, event: str) -> Any:
    async with cursor:
        await cursor.execute(statement, (event,))
        return (await cursor.fetchone())[0]


async def _sqlalchemy_async(connection: Any, clause: Any) -> Any:
    return (await connection.execute(clause)).scalar_one()
