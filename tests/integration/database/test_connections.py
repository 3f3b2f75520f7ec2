"""Which errors of a statement are waited out, and which are raised."""

from __future__ import annotations

import asyncio

import psycopg
import pytest


async def test_what_is_too_much_for_postgresql_is_raised_and_not_repeated(database, monkeypatch):
    """Class 54 is an OperationalError to psycopg, like a database that is away; but the same statement fails for ever."""
    monkeypatch.setattr(
        "dispatcher.database.connections.load",
        lambda _: (
            b"INSERT INTO outbox.event (name, event_id) "
            b"SELECT 'lead_submitted', string_agg(md5(n::text), '') FROM generate_series(1, 1000) AS n"
        ),
    )
    with pytest.raises(psycopg.errors.ProgramLimitExceeded):
        await asyncio.wait_for(database.run("read_clock"), 10)
