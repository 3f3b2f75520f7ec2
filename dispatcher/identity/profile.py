"""Who an event is about: what is known of its person and browser, as of now.

`facets` folds the log, `meaning` says who belongs together, `lend` what an event borrows from its person, and `resolver`
does it for a batch, from the tables. `Known` is all that building needs of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from dispatcher.models import Event


class Profile(msgspec.Struct, frozen=True, gc=False):
    """What is known of the person and browser of one event.

    `keys`: identifiers for external_id, strongest first, as written. `account_id`: whom it is sent for. `earliest_key`:
    from which a client id is derived where no real one is known. `meta`, `google`: hashed traits by parameter, lists.
    `visitor`: the browser's values. `consent`: by type, `granted` or `denied`.
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
    """Tells what is known of the persons of a batch of events."""

    async def look_up(self, events: Sequence[Event]) -> list[Profile | None]:
        """Give what is known for each event, in their order; None: nothing but what the event itself tells."""
        ...


def profile_from_event(event: Event) -> Profile:
    """Give what the event itself tells of its person."""
    sealed = event.sealed or {}
    account_id, handl_id, lead_id = event.account_id, event.handl_id, event.lead_id
    country = sealed.get("country")
    return Profile(
        tuple(filter(None, (account_id, handl_id, lead_id))),
        account_id,
        lead_id,
        handl_id,
        handl_id or lead_id or account_id,  # a browser is there before its lead, and the lead before the account
        _mapping(sealed.get("meta")),
        _mapping(sealed.get("google")),
        country if isinstance(country, str) else None,
        event.visitor or {},
        event.occurred_at,
        event.consent or {},
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
