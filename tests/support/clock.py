"""A clock that a test can move ahead."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

RECLAIM: dict[str, Any] = {"most": 4, "held": [], "until": datetime(9999, 1, 1, tzinfo=UTC)}
"""The parameters of `reclaim_leases` for a process that holds nothing and was never disturbed."""


class Clock:
    """The clock of the database and the sandbox: the real one, moved ahead by the test."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._ahead = timedelta()

    def now(self) -> float:
        """Return Unix seconds."""
        return time.time() + self._ahead.total_seconds()

    def move(self, **by: float) -> None:
        """Move ahead, `move(hours=47)`, as if dispatchers had been at work all the time."""
        self.jump(**by)
        self._connection.execute(
            """
            INSERT INTO outbox.lease_watch (one, since, seen_at) VALUES (true, '2000-01-01Z', outbox.clock())
            ON CONFLICT (one) DO UPDATE SET since = '2000-01-01Z', seen_at = outbox.clock()
            """
        )

    def jump(self, **by: float) -> None:
        """Move ahead at once, as a clock that is set does: `jump(minutes=2)`."""
        self._ahead += timedelta(**by)
        self._connection.execute(
            f"""
            CREATE OR REPLACE FUNCTION outbox.clock() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
            AS $$ SELECT now() + interval '{self._ahead.total_seconds()} s' $$
            """
        )
