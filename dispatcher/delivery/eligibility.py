"""Whether a delivery may be sent now: its age, the switches, the browser's copy. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from dispatcher.destinations.base import Limits
from dispatcher.models import ClaimedDelivery, ClaimedEvent, Delivery, Event, Route
from dispatcher.reasons import BROWSER_COPY, DISABLED, NO_ROUTE, RESEND_TOO_LATE, TOO_OLD, WINDOW_CLOSED, Refusal

BROWSER_PAIR = timedelta(hours=47)
"""Meta drops a server copy of a browser event for 48 h; minus an hour as a margin.

Source: https://developers.facebook.com/docs/marketing-api/conversions-api/deduplicate-pixel-and-server-events
"""


def refuse(delivery: Delivery | ClaimedDelivery, route: Route | None, limits: Limits, now: datetime) -> Refusal | None:
    """Return why `delivery` may not be sent at `now`, or None. Without a route only the notice of a merge may go out."""
    event = delivery.event
    if route is None and not delivery.after_merge:
        return NO_ROUTE
    if route and not route.enabled:
        return DISABLED
    if now >= deadline(delivery, limits):
        is_old = event.recorded_at >= event.occurred_at + limits.window
        return TOO_OLD if is_old and not delivery.after_merge else closed(delivery)
    if route and now >= event.occurred_at + BROWSER_PAIR and is_browser_pair(event, route):
        return BROWSER_COPY
    return None


def closed(delivery: Delivery | ClaimedDelivery) -> Refusal:
    """Return how a delivery ends that may no longer be sent: a re-send, which was delivered before, is no dead letter."""
    return RESEND_TOO_LATE if delivery.after_merge else WINDOW_CLOSED


def deadline(delivery: Delivery | ClaimedDelivery, limits: Limits) -> datetime:
    """Return the time from which `delivery` may no longer be sent."""
    closes = delivery.event.occurred_at + limits.window
    if delivery.first_unknown_at is not None and limits.repeat is not None:
        return min(closes, delivery.first_unknown_at + limits.repeat)
    return closes


def is_browser_pair(event: Event | ClaimedEvent, route: Route) -> bool:
    """Return whether the browser sends the same event too; `details.browser_pair` decides, else the funnel."""
    stated = (event.decoded().details or {}).get("browser_pair")
    return stated if isinstance(stated, bool) else route.browser_pair
