"""Events and deliveries for tests without a database, and the time of these tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from dispatcher.models import Delivery, Event

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
"""The current time in unit tests."""


def event(**fields: Any) -> Event:
    """Return an event that happened a minute before `NOW`, with `fields` replaced."""
    at = NOW - timedelta(minutes=1)
    return Event(
        **{"id": 1, "occurred_at": at, "recorded_at": at, "name": "lead_submitted", "event_id": "e1", **fields}
    )


def delivery(*, revision: int = 0, tries: int = 0, first_unknown_at: datetime | None = None, **fields: Any) -> Delivery:
    """Return a delivery of `event(**fields)`."""
    return Delivery(event(**fields), revision, tries, first_unknown_at)
