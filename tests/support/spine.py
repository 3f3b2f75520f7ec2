"""The whole data path, driven step by step: `Spine`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import psycopg

from dispatcher import daemon
from dispatcher.config.settings import Settings
from dispatcher.sandbox import Arrival, Sandbox
from dispatcher.sandbox.faults import Plan
from tests.support.clock import Clock


@dataclass
class Spine:
    """A CRM's connection on one end, the sandbox on the other."""

    database_url: str
    settings: Settings
    sandbox: Sandbox
    connection: psycopg.Connection
    clock: Clock

    def record(self, **event: Any) -> int:
        """Record an event through SQL."""
        row = self.connection.execute("SELECT outbox.record(%s)", (json.dumps(event),)).fetchone()
        assert row
        return row[0]

    async def drain(self) -> int:
        """Run a dispatcher until nothing is due; return the number of deliveries left."""
        async with daemon.running(self.settings, self.database_url) as running:
            return await running.drain()

    async def drain_until_nothing_is_pending(self, **step: float) -> None:
        """Drain; while anything is pending, move the clock on by `step` and drain again."""
        for _ in range(100):
            if not await self.drain():
                return
            self.clock.move(**step)
        raise AssertionError("still pending after a hundred steps")

    def faults(self, destination: str, **plan: Any) -> None:
        """Make a destination fail according to `plan` (dispatcher.sandbox.faults.Plan)."""
        self.sandbox.faults[destination].follow(Plan(**plan))

    def attempts(self, destination: str) -> list[tuple[str, str | None]]:
        """Return outcome and reason of all attempts at a destination, in order."""
        return self.connection.execute(
            """
            SELECT outcome, reason FROM outbox.attempt JOIN outbox.destination ON id = destination
            WHERE name = %s ORDER BY event_id, try
            """,
            (destination,),
        ).fetchall()

    def arrivals(self, destination: str) -> list[Arrival]:
        """Return the arrivals at a destination."""
        return [arrival for arrival in self.sandbox.ledger.arrivals if arrival.destination == destination]

    def receipts(self) -> dict[tuple[str, str], tuple[str, str | None]]:
        """Return outcome and reason by event name (of the log) and destination, revision 0."""
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
