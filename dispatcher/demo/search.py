"""Search for leaks: raw personal data and secrets anywhere but in the CRM's own tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import aiohttp
import psycopg
from psycopg import sql

from dispatcher.database.connections import scalars
from dispatcher.database.tables import SCHEMA
from dispatcher.demo import crm

PATHS = ("/", "/ledger", "/ledger/requests", "/ledger/summary")
"""The sandbox's page, and everything that its ledger shows."""


async def leaks(database_url: str, sandbox: str, logs: str, needles: Mapping[str, str]) -> tuple[list[str], int]:
    """Return where any of `needles` (name → text) was found, a sentence each, and how many places were searched."""
    haystacks: dict[str, str] = {"the demo's log": logs}
    with psycopg.connect(database_url, autocommit=True) as connection:
        haystacks |= _tables(connection, SCHEMA)
        haystacks |= {"PostgreSQL's log": _server_log(connection)}
        own = "".join(_tables(connection, crm.SCHEMA).values())
    async with aiohttp.ClientSession() as session:
        for path in PATHS:
            async with session.get(f"{sandbox}{path}", params={"limit": "10000"}) as answer:
                haystacks[f"the sandbox's {path}"] = (await answer.text()).lower()
    found = [
        f"{name} is in {place}."
        for name, needle in needles.items()
        for place, text in haystacks.items()
        if needle.lower() in text.lower()
    ]
    if not any(needle.lower() in own for needle in needles.values()):
        found.append("The search finds nothing in the CRM's own tables either, so it proves nothing.")
    return found, len(haystacks)


def _tables(connection: psycopg.Connection, schema: str) -> dict[str, str]:
    """Return all rows of all tables of a schema, as text."""
    names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", (schema,))
    tables: dict[str, str] = {}
    for name in scalars(names):
        rows = connection.execute(
            sql.SQL("SELECT lower(row::text) FROM {} AS row").format(sql.Identifier(schema, name))
        )
        tables[f"{schema}.{name}"] = "\n".join(scalars(rows))
    return tables


def _server_log(connection: psycopg.Connection) -> str:
    """Return the embedded server's log, which is stored beside its data."""
    (folder,) = scalars(connection.execute("SHOW data_directory"))
    return (Path(folder).parent / "postgres.log").read_text("utf-8", "replace")
