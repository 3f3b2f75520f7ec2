"""What every query of `schema/queries` has in common."""

from __future__ import annotations

import re

import psycopg
import pytest
from psycopg import pq

from tests.support.paths import ROOT

QUERIES = sorted((ROOT / "schema" / "queries").rglob("*.sql"), key=lambda path: path.stem)


def columns(connection: psycopg.Connection, query: str) -> list[str]:
    """Return the names of the columns that a query returns, without running it."""
    numbers: dict[str, int] = {}
    query = re.sub(r"(?<=- )%\(\w+\)s(?!::)", r"\g<0>::interval", query)  # PostgreSQL would take these as times
    text = re.sub(r"%\((\w+)\)s", lambda match: f"${numbers.setdefault(match[1], len(numbers) + 1)}", query)
    parsed = connection.pgconn.prepare(b"", text.replace("%%", "%").encode())
    assert parsed.status == pq.ExecStatus.COMMAND_OK, connection.pgconn.error_message
    described = connection.pgconn.describe_prepared(b"")
    return [str(described.fname(number), "utf-8") for number in range(described.nfields)]


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_every_column_has_a_name_of_its_own(shared_database_url, path):
    with psycopg.connect(shared_database_url) as connection:
        names = columns(connection, path.read_text(encoding="utf-8"))
    assert [name for name in names if not name.isidentifier()] == []
    assert len(set(names)) == len(names)
