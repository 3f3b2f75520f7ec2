"""What one of Stripe's events says: the envelope it comes in, and what is read out of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from outbox.conversions import Conversion
from outbox.person import Person
from outbox.stripe.keys import Keys
from outbox.stripe.readers import identifier, inner, moment, text, whole
from outbox.stripe.state import Memory, Told

ORIGIN = {"origin": "stripe"}
"""The detail that every conversion from here carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event. `created` in seconds since 1970; `previous` holds what changed in the object, as it was before."""

    id: str | None
    type: str
    created: int
    object: Mapping[str, Any]
    previous: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """What an event counts for, given what is known, and what must be told and asked before that, if anything."""

    conversions: Callable[[Memory], list[Conversion]]
    told: Told | None = None


def open_envelope(event: Mapping[str, Any]) -> Event:
    """Give the event inside its envelope."""
    return Event(
        id=identifier(event.get("id")),
        type=text(event.get("type")) or "",
        created=whole(event.get("created")),
        object=inner(event, "data", "object"),
        previous=inner(event, "data", "previous_attributes"),
    )


def nothing(_memory: Memory) -> list[Conversion]:
    """Give no conversions: the event is remembered only."""
    return []


def tie(event_id: str, at: int, whom: Keys, *, person: Person | None) -> Reading | None:
    """Say that the keys `whom` are one person's; where there is one key alone, nothing is said."""
    if sum(value is not None for value in whom.values()) < 2:
        return None
    tied = Conversion(
        name="signed_in", event_id=event_id, occurred_at=moment(at), person=person, details=ORIGIN, **whom
    )
    return Reading(lambda _: [tied])
