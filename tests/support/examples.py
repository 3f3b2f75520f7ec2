"""Events and deliveries for tests without a database, and the time at which these take place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from dispatcher.models import Delivery, Event

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
