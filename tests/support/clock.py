"""A clock that a test can move ahead."""

from __future__ import annotations

import time
from datetime import timedelta

import psycopg


class Clock:
    """The clock of the database and the sandbox: the real one, moved ahead by the test."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._ahead = timedelta()

    def now(self) -> float:
        """Return Unix seconds."""
        return time.time() + self._ahead.total_seconds()

    def move(self, **by: float) -> None:
        """Move ahead: `move(hours=47)`."""
        self._ahead += timedelta(**by)
        self._connection.execute(
            f"""
            CREATE OR REPLACE FUNCTION outbox.clock() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
            AS $$ SELECT now() + interval '{self._ahead.total_seconds()} s' $$
            """
        )
