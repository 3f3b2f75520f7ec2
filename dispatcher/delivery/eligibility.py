"""Whether a delivery may be sent at all, now: age, switches, consent, the browser's copy. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from dispatcher.destinations.base import Limits
from dispatcher.models import Delivery, Event, Route
from dispatcher.reasons import BROWSER_COPY, DISABLED, NO_MAPPING, TOO_OLD, WINDOW_CLOSED, Refusal

BROWSER_PAIR = timedelta(hours=47)
"""Meta drops a server copy of what the browser sent for 48 h (destinations.md 1.8); an hour is kept in hand."""


def refuse(delivery: Delivery, route: Route | None, limits: Limits, now: datetime) -> Refusal | None:
    """Say why `delivery` is not to be sent at `now`, or None. Without a mapping only a merge may be told of."""
    event = delivery.event
    if route is None and delivery.revision == 0:
        return NO_MAPPING
    if route and not route.enabled:
        return DISABLED
    if now >= deadline(delivery, limits):
        return TOO_OLD if event.recorded_at >= event.occurred_at + limits.window else WINDOW_CLOSED
    if route and now >= event.occurred_at + BROWSER_PAIR and is_browser_pair(event, route):
        return BROWSER_COPY
    return None


def deadline(delivery: Delivery, limits: Limits) -> datetime:
    """Give the time from which `delivery` may not be sent any more."""
    closes = delivery.event.occurred_at + limits.window
    if delivery.first_unknown_at is not None and limits.repeat is not None:
        return min(closes, delivery.first_unknown_at + limits.repeat)
    return closes


def is_browser_pair(event: Event, route: Route) -> bool:
    """Tell whether the browser sends the very same event; `details.browser_pair` decides, else the funnel."""
    stated = (event.whole().details or {}).get("browser_pair")
    return stated if isinstance(stated, bool) else route.browser_pair
