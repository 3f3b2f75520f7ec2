"""A profile: what is known now of the person and browser of one event.

`fragments` folds the log by the `keys` of its events. `persons` finds the person that an event belongs to by its keys,
`browsers` by its browser, and `membership` the other events of that person, all by what `graph` holds; `permission` finds
the consent, `enrichment` the fields that the event lacks. `resolver` does this for a batch, from the tables. Payloads are
built from the event and its `Profile`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from dispatcher.consent import denies_advertising, statements
from dispatcher.identity.keys import Key, Kind
from dispatcher.models import ClaimedEvent, Event

LEAD_PREFIX = "lead:"
"""Put before a lead in identifiers by default, so that lead 42 and account 42 are not one person."""
_KINDS = (Kind.ACCOUNT, Kind.HANDL, Kind.LEAD)


class Profile(msgspec.Struct, frozen=True, gc=False):
    """What is known of the person and browser of one event.

    `keys`: the identifiers for external_id, strongest first, as the log has them. `account_id`: the account that the
    event is sent under. `client_key`: the event's own key, with its kind, to derive a client id from if no real one is
    known. `meta`, `google`: lists of hashed traits by parameter. `visitor`: the browser's values; `visited_at`: when the
    click in them was seen first. `consent`: `granted` or `denied` by signal, where anybody stated it. `is_refused`: the
    event may not go to advertising destinations, and has borrowed nothing. `has_refused`: the person's last word is a
    refusal, so that nothing is sent again, whatever the event itself states. `is_visit`: user agent and page are the
    event's own, or both are of one event of its browser.
    """

    keys: tuple[Key, ...] = ()
    account_id: str | None = None
    lead_id: str | None = None
    handl_id: str | None = None
    client_key: str | None = None
    meta: Mapping[str, Any] = {}
    google: Mapping[str, Any] = {}
    country: str | None = None
    visitor: Mapping[str, Any] = {}
    visited_at: datetime | None = None
    consent: Mapping[str, str] = {}
    is_refused: bool = False
    has_refused: bool = False
    is_visit: bool = False


class Resolver(Protocol):
    """Finds the profiles of a batch of events."""

    async def look_up(self, events: Sequence[Event | ClaimedEvent]) -> list[Profile | None]:
        """Return the profile of each event, in order; None if only the event itself is known."""
        ...


def profile_from_event(event: Event) -> Profile:
    """Return the profile of an event without anything borrowed."""
    sealed = event.sealed or {}
    account_id, handl_id, lead_id = None if event.public else event.account_id, event.handl_id, event.lead_id
    country = sealed.get("country")
    consent = statements(event.consent)
    is_refused, visitor = denies_advertising(consent), event.visitor or {}
    return Profile(
        tuple([Key(kind, value) for kind, value in zip(_KINDS, (account_id, handl_id, lead_id), strict=True) if value]),
        account_id,
        lead_id,
        handl_id,
        _client_key(account_id, lead_id, handl_id),
        _mapping(sealed.get("meta")),
        _mapping(sealed.get("google")),
        country if isinstance(country, str) else None,
        visitor,
        event.occurred_at,
        consent,
        is_refused,
        is_refused,
        bool(visitor.get("user_agent") and visitor.get("url")),
    )


def _client_key(account_id: str | None, lead_id: str | None, handl_id: str | None) -> str | None:
    """Return the first key that the event itself carries, with its kind: neither lateness nor sharing moves it."""
    if account_id:
        return f"account:{account_id.strip()}"
    if lead_id:
        return f"lead:{lead_id.strip()}"
    return f"handl:{handl_id.strip()}" if handl_id else None


def identifier(key: Key, lead_prefix: str = LEAD_PREFIX) -> str:
    """Return a key as destinations get it."""
    return f"{lead_prefix}{key.value}" if key.kind == Kind.LEAD else key.value


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
