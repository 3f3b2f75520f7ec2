"""A clock that a test moves ahead."""

from __future__ import annotations

import time
from datetime import timedelta

import psycopg


class Clock:
    """The clock that database and sandbox go by: the real one, moved ahead as far as a test says."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._ahead = timedelta()

    def now(self) -> float:
        """Unix seconds."""
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
