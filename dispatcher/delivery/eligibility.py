"""Whether a delivery may be sent at all, now: age, switches, consent, the browser's copy. Pure."""

from __future__ import annotations

from collections.abc import Mapping as AnyMapping
from datetime import datetime, timedelta
from typing import Any

from dispatcher.destinations.base import Limits, Refusal
from dispatcher.models import Delivery, Event, Mapping

BROWSER_PAIR = timedelta(hours=47)
"""Meta drops a server copy of what the browser sent for 48 h (destinations.md 1.8); an hour is kept in hand."""

CONSENTS = ("ad_user_data", "ad_personalization")

TOO_OLD = Refusal("skipped", "too old when recorded")
WINDOW_CLOSED = Refusal("dead", "window closed")
DISABLED = Refusal("skipped", "disabled")
NO_MAPPING = Refusal("skipped", "no mapping")
BROWSER_COPY = Refusal("skipped", "browser copy stands")
NO_CONSENT = Refusal("skipped", "consent")


def refuse(delivery: Delivery, mapping: Mapping | None, limits: Limits, now: datetime) -> Refusal | None:
    """Say why `delivery` is not to be sent at `now`, or None. Without a mapping only a merge may be told of."""
    event = delivery.event
    if mapping is None and delivery.revision == 0:
        return NO_MAPPING
    if mapping and not mapping.enabled:
        return DISABLED
    if now >= deadline(delivery, limits):
        return TOO_OLD if event.recorded_at >= event.occurred_at + limits.window else WINDOW_CLOSED
    if mapping and now >= event.occurred_at + BROWSER_PAIR and is_browser_pair(event, mapping):
        return BROWSER_COPY
    return None


def deadline(delivery: Delivery, limits: Limits) -> datetime:
    """Give the time from which `delivery` may not be sent any more."""
    closes = delivery.event.occurred_at + limits.window
    if delivery.first_unknown_at is not None and limits.repeat is not None:
        return min(closes, delivery.first_unknown_at + limits.repeat)
    return closes


def is_browser_pair(event: Event, mapping: Mapping) -> bool:
    """Tell whether the browser sends the very same event; `details.browser_pair` decides, else the funnel."""
    stated = (event.whole().details or {}).get("browser_pair")
    return stated if isinstance(stated, bool) else mapping.browser_pair


def consent_of(known: AnyMapping[str, Any], default: str) -> dict[str, str]:
    """Give both kinds of consent, `granted` or `denied`; not stated is the default, not understood is a no."""
    if not known:
        return dict.fromkeys(CONSENTS, default)
    return {kind: _granted_or_denied(known.get(kind), default) for kind in CONSENTS}


def _granted_or_denied(value: Any, default: str) -> str:
    if value is None:
        return default
    return "denied" if states_denial(value) else "granted"


def states_denial(value: Any) -> bool:
    """Tell whether a stated consent is a no; what is stated and not understood is one."""
    stated = value.strip().lower() if isinstance(value, str) else value
    return value is not None and not (stated is True or stated == "granted")
