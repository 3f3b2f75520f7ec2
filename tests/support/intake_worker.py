"""The intake of a dispatcher, without the rest."""

from __future__ import annotations

from datetime import timedelta

from dispatcher.database.connections import Database
from dispatcher.destinations import registry
from dispatcher.intake.worker import Intake
from dispatcher.routing import RoutingTable
from dispatcher.telemetry.counters import Counters


def intake(database: Database, holder: str, *, lease: timedelta, routing: RoutingTable | None = None) -> Intake:
    """Return a dispatcher's intake worker."""
    return Intake(
        database,
        routing or RoutingTable(database),
        registry.limits_of,
        Counters(database, holder, heartbeat=lease),
        holder=holder,
        lease=lease,
        region=None,
    )
