"""One of Stripe's events: its envelope, and what is read out of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from outbox.conversions import Conversion
from outbox.person import Person
from outbox.stripe.keys import StripeKeys
from outbox.stripe.readers import identifier, inner, moment, text, whole
from outbox.stripe.state import Observed, SubscriptionState

ORIGIN = {"origin": "stripe"}
"""The detail that every conversion from Stripe carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeEvent:
    """An event. `created` is in seconds since 1970; `previous` holds the former values of what changed in the object."""

    id: str | None
    type: str
    created: int
    object: Mapping[str, Any]
    previous: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """The conversions of an event as a function of the remembered state, and what to remember of the event first."""

    conversions: Callable[[SubscriptionState], list[Conversion]]
    observed: Observed | None = None


def open_envelope(event: Mapping[str, Any]) -> StripeEvent:
    """Return the event inside its envelope."""
    return StripeEvent(
        id=identifier(event.get("id")),
        type=text(event.get("type")) or "",
        created=whole(event.get("created")),
        object=inner(event, "data", "object"),
        previous=inner(event, "data", "previous_attributes"),
    )


def nothing(_state: SubscriptionState) -> list[Conversion]:
    """Return no conversions: the event is remembered only."""
    return []


def tie(event_id: str, at: int, owner: StripeKeys, *, person: Person | None) -> Reading | None:
    """Return a reading that ties the keys in `owner` to one person, or None if there are fewer than two."""
    if sum(value is not None for value in owner.values()) < 2:
        return None
    tied = Conversion(
        name="signed_in", event_id=event_id, occurred_at=moment(at), person=person, details=ORIGIN, **owner
    )
    return Reading(lambda _: [tied])
