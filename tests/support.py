"""What tests share beside fixtures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from dispatcher import daemon
from dispatcher.records import Delivery, Event
from dispatcher.sandbox import Sandbox
from schema.settings import Settings


@dataclass
class Spine:
    """A CRM's connection on one end, the sandbox on the other."""

    database_url: str
    settings: Settings
    sandbox: Sandbox
    connection: psycopg.Connection

    def record(self, **event: Any) -> int:
        """Record an event through SQL."""
        row = self.connection.execute("SELECT outbox.record(%s)", (json.dumps(event),)).fetchone()
        assert row
        return row[0]

    async def drain(self) -> int:
        """Run a dispatcher until nothing is due; give what is left."""
        async with daemon.running(self.settings, self.database_url) as running:
            return await running.drain()

    def receipts(self) -> dict[tuple[str, str], tuple[str, str | None]]:
        """Give outcome and reason by event name (of the log) and destination, revision 0."""
        rows = self.connection.execute(
            """
            SELECT event.event_id, destination.name, receipt.outcome, receipt.reason
            FROM outbox.receipt JOIN outbox.event ON event.id = receipt.event_id
            JOIN outbox.destination ON destination.id = receipt.destination
            WHERE revision = 0
            """
        ).fetchall()
        return {(event_id, destination): (outcome, reason) for event_id, destination, outcome, reason in rows}

    def count(self, table: str) -> int:
        """Count the rows of a table."""
        row = self.connection.execute(f"SELECT count(*) FROM outbox.{table}").fetchone()
        assert row
        return row[0]


NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
"""The time at which unit tests take place."""


def event(**fields: Any) -> Event:
    """An event that happened a minute before `NOW`, but for `fields`."""
    at = NOW - timedelta(minutes=1)
    return Event(
        **{"id": 1, "occurred_at": at, "recorded_at": at, "name": "lead_submitted", "event_id": "e1", **fields}
    )


def delivery(*, revision: int = 0, tries: int = 0, first_unknown_at: datetime | None = None, **fields: Any) -> Delivery:
    """A delivery of `event(**fields)`."""
    return Delivery(event(**fields), revision, tries, first_unknown_at)
