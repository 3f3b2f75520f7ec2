"""What tests share beside fixtures."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from dispatcher import daemon
from dispatcher.config.settings import Settings
from dispatcher.database.connections import Database
from dispatcher.destinations import registry
from dispatcher.intake.worker import Intake
from dispatcher.models import Delivery, Event
from dispatcher.routing import RoutingTable
from dispatcher.sandbox import Arrival, Sandbox
from dispatcher.sandbox.faults import Plan
from dispatcher.telemetry.counters import Counters


async def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Wait until `condition` holds; fail if it does not within `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def wait_until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """`until`, for a thread that has no event loop."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


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
        """Run a dispatcher until nothing is due; give what is left."""
        async with daemon.running(self.settings, self.database_url) as running:
            return await running.drain()

    async def drain_until_nothing_is_owed(self, **step: float) -> None:
        """Drain, and while something is owed, move the clock on by `step` and drain again."""
        for _ in range(100):
            if not await self.drain():
                return
            self.clock.move(**step)
        raise AssertionError("still owed after a hundred steps")

    def faults(self, destination: str, **plan: Any) -> None:
        """Let a destination fail by `plan` (dispatcher.sandbox.faults.Plan)."""
        self.sandbox.faults[destination].follow(Plan(**plan))

    def attempts(self, destination: str) -> list[tuple[str, str | None]]:
        """Give outcome and reason of all attempts at a destination, in order."""
        return self.connection.execute(
            """
            SELECT outcome, reason FROM outbox.attempt JOIN outbox.destination ON id = destination
            WHERE name = %s ORDER BY event_id, try
            """,
            (destination,),
        ).fetchall()

    def arrivals(self, destination: str) -> list[Arrival]:
        """Give what arrived at a destination."""
        return [arrival for arrival in self.sandbox.ledger.arrivals if arrival.destination == destination]

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


def intake(database: Database, holder: str, *, lease: timedelta, words: RoutingTable | None = None) -> Intake:
    """A dispatcher's intake, by itself."""
    return Intake(
        database,
        words or RoutingTable(database),
        registry.LIMITS,
        Counters(database, holder, heartbeat=lease),
        holder=holder,
        lease=lease,
        region=None,
    )


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
