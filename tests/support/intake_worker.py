"""The part of a dispatcher that takes events in, without the rest."""

from __future__ import annotations

from datetime import timedelta

from dispatcher.database.connections import Database
from dispatcher.destinations import registry
from dispatcher.intake.worker import Intake
from dispatcher.routing import RoutingTable
from dispatcher.telemetry.counters import Counters


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
