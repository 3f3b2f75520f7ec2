"""A profile: what is known now of the person and browser of one event.

`fragments` folds the log, `graph` finds the person that an event belongs to, `enrichment` adds the fields that the event
lacks, and `resolver` does both for a batch, from the tables. Payloads are built from the event and its `Profile`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from dispatcher.models import ClaimedEvent, Event


class Profile(msgspec.Struct, frozen=True, gc=False):
    """What is known of the person and browser of one event.

    `keys`: the identifiers for external_id, strongest first, as the log has them. `account_id`: the account that the
    event is sent under. `earliest_key`: the key to derive a client id from, if no real one is known. `meta`, `google`:
    lists of hashed traits by parameter. `visitor`: the browser's values; `visited_at`: when the click in them was seen.
    `consent`: `granted` or `denied` by signal, as stated.
    """

    keys: tuple[str, ...] = ()
    account_id: str | None = None
    lead_id: str | None = None
    handl_id: str | None = None
    earliest_key: str | None = None
    meta: Mapping[str, Any] = {}
    google: Mapping[str, Any] = {}
    country: str | None = None
    visitor: Mapping[str, Any] = {}
    visited_at: datetime | None = None
    consent: Mapping[str, Any] = {}


class Resolver(Protocol):
    """Finds the profiles of a batch of events."""

    async def look_up(self, events: Sequence[Event | ClaimedEvent]) -> list[Profile | None]:
        """Return the profile of each event, in order; None if only the event itself is known."""
        ...


def profile_from_event(event: Event) -> Profile:
    """Return the profile of an event without anything borrowed."""
    sealed = event.sealed or {}
    account_id, handl_id, lead_id = event.account_id, event.handl_id, event.lead_id
    country = sealed.get("country")
    return Profile(
        tuple(filter(None, (account_id, handl_id, lead_id))),
        account_id,
        lead_id,
        handl_id,
        handl_id or lead_id or account_id,  # a browser precedes its lead, and the lead the account
        _mapping(sealed.get("meta")),
        _mapping(sealed.get("google")),
        country if isinstance(country, str) else None,
        event.visitor or {},
        event.occurred_at,
        event.consent or {},
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
