"""Enrich an event: fill the fields that it lacks from the person's most recent other event that has them. Pure.

No trait is offered or borrowed by an event that consent keeps from advertising destinations. Browser values come from the
person's own browsers only. A click can only be borrowed by later events, and only while it is younger than 90 days.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import filterfalse
from typing import Any

import msgspec

from dispatcher.consent import CONSENTS, denies_advertising
from dispatcher.identity.fragments import (
    BROWSER,
    GOOGLE_TRAITS,
    TRAITS,
)
from dispatcher.identity.keys import EPOCH, Key, Keys, Kind, LogPosition, links
from dispatcher.identity.membership import Owner
from dispatcher.identity.merged import MergedFragment, OfferedClick
from dispatcher.identity.profile import Profile

MAX_KEYS = 10
"""The most handlIDs, and the most leads, that go into external_id. The newest are taken."""
CLICK_AGE = timedelta(days=90)
"""How long a click may be attributed: at Meta and at Google."""
_CLICK_AGE = CLICK_AGE // timedelta(microseconds=1)

_BROWSER = dict(BROWSER)

PARTS = {
    **dict.fromkeys((*TRAITS, *GOOGLE_TRAITS), "sealed"),
    **dict.fromkeys(_BROWSER, "visitor"),
}
"""The part of an event that holds each field."""


class BorrowedField(msgspec.Struct, frozen=True, gc=False):
    """The part of another event that holds a borrowed field, as it is in the log, and when that event happened."""

    occurred_at: datetime
    part: Mapping[str, Any] | None


class Enrichment(msgspec.Struct, frozen=True, gc=False):
    """What an event gets from its person.

    `sources`: each borrowed field with the id of the event to borrow it from. `clicked_at`: when the borrowed click was
    seen first. `keys`: for external_id. `is_refused`, `has_refused`: see `Profile`. `is_visit`: user agent and page are borrowed
    from one event of the same handlID.
    """

    sources: Mapping[str, int]
    clicked_at: datetime | None
    keys: tuple[Key, ...]
    account_id: str | None
    consent: Mapping[str, str]
    is_refused: bool
    has_refused: bool
    is_visit: bool = False


class Asked(msgspec.Struct, frozen=True, gc=False):
    """An event, what it carries itself, and what is known of its person.

    `consent`: what applies to the event where it states nothing itself.
    """

    event_id: int
    keys: Keys
    at: LogPosition
    own: Profile
    owner: Owner
    merged: MergedFragment
    consent: Mapping[str, str]


def find_enrichment(asked: Asked, clicks_of: Callable[[Owner], Sequence[OfferedClick]]) -> Enrichment:
    """Return what an event gets from its person; `clicks_of` is only asked if the event can borrow a click."""
    own, owner, consent = asked.own, asked.owner, asked.consent
    has_refused = denies_advertising(consent)
    if own.consent:
        consent = {**consent, **own.consent}
    if denies_advertising(consent):
        return Enrichment({}, None, own.keys, own.account_id, consent, True, True)
    newest, clicked_at = asked.merged.newest, None
    # First, as it may take a look-up, after which everything is asked again.
    click = _click(clicks_of(owner), asked.at) if "fbc" in newest and _lacks(own, _BROWSER["fbc"]) else None
    sources = _missing(own, newest)
    if click:
        (first_at, _), (_, sources["fbc"]) = click
        clicked_at = EPOCH + timedelta(microseconds=first_at)
    sources = {field: source for field, source in sources.items() if source != asked.event_id}
    return Enrichment(
        sources,
        clicked_at,
        _external_ids(asked.keys, asked.at, owner, asked.merged.keys),
        owner.account_id or own.account_id,
        consent,
        False,
        has_refused,
        _is_visit(asked, sources),
    )


def _is_visit(asked: Asked, sources: Mapping[str, int]) -> bool:
    """Return whether user agent and page are borrowed from one event of the same handlID."""
    agent, handl_id = sources.get("agent"), asked.keys.handl_id
    if agent is None or agent != sources.get("url") or not handl_id:
        return False
    return any(
        event_id == agent
        for fragment in asked.owner.fragments
        if fragment.keys.handl_id == handl_id
        for _, event_id, _ in fragment.groups
    )


def _missing(own: Profile, newest: Mapping[str, LogPosition]) -> dict[str, int]:
    """Return the fields that an event lacks and can borrow, except the click."""
    found = {name: newest[name][1] for name in filterfalse(own.meta.get, TRAITS) if name in newest}
    found |= {name: newest[name][1] for name in filterfalse(own.google.get, GOOGLE_TRAITS) if name in newest}
    # An IP address belongs to the browser it was seen with, so both are borrowed together, by an event with neither.
    for field, values in BROWSER:
        if field in newest and field != "fbc" and _lacks(own, values):
            found[field] = newest[field][1]
    return found


def _lacks(own: Profile, values: Iterable[str]) -> bool:
    """Return whether an event has none of the browser's `values`."""
    return not any(map(own.visitor.get, values))


def _click(clicks: Sequence[OfferedClick], at: LogPosition) -> OfferedClick | None:
    """Return the newest click that was offered before `at` and is fresh then; `clicks` is sorted.

    No click is offered before it was seen first, so the search begins at the clicks that were seen before `at`; hardly ever
    is the newest of them offered later.
    """
    for number in range(bisect_left(clicks, (at,)) - 1, -1, -1):
        first, source = clicks[number]
        if at[0] - first[0] >= _CLICK_AGE:
            return None
        if source < at:
            return first, source
    return None


def enrich(own: Profile, found: Enrichment, borrowed: Mapping[str, BorrowedField]) -> Profile:
    """Return the full profile of an event with the profile `own`; `borrowed` is by field."""
    meta, google, visitor = own.meta, own.google, own.visitor
    country, visited_at = own.country, own.visited_at
    if borrowed:
        meta, google, visitor = dict(meta), dict(google), dict(visitor)
        for field, source in borrowed.items():
            part = source.part or {}
            if field in _BROWSER:
                visitor |= {name: part[name] for name in _BROWSER[field] if name in part}
            elif field in TRAITS:
                meta[field] = _trait(part, "meta", field)
            elif field in GOOGLE_TRAITS:
                google[field] = _trait(part, "google", field)
        if "fbc" in borrowed:
            visited_at = found.clicked_at
        if country is None and "country" in borrowed:
            country = (borrowed["country"].part or {}).get("country")
    return Profile(
        found.keys,
        found.account_id,
        own.lead_id,
        own.handl_id,
        own.client_key,
        meta,
        google,
        country if isinstance(country, str) else None,
        visitor,
        visited_at,
        {signal: found.consent[signal] for signal in CONSENTS if signal in found.consent} if found.consent else {},
        found.is_refused,
        found.has_refused,
        own.is_visit or found.is_visit,
    )


def _trait(sealed: Mapping[str, Any], form: str, name: str) -> Any:
    traits = sealed.get(form)
    return traits.get(name) if isinstance(traits, dict) else None


def _external_ids(own: Keys, at: LogPosition, owner: Owner, offered: Mapping[Key, LogPosition]) -> tuple[Key, ...]:
    """Return the identifiers for external_id: the account, then handlIDs, then leads, newest first."""
    carried = (links(own).handl, links(own).lead)
    account = [owner.person] if owner.person.kind == Kind.ACCOUNT else []
    if all(key in carried for key in offered):
        return (*account, *(key for key in carried if key))
    chosen: list[Key] = []
    for kind, mine in zip((Kind.HANDL, Kind.LEAD), carried, strict=True):
        found = {
            key: seen for key, seen in offered.items() if key.kind == kind and (key in owner.exclusive or key == mine)
        }
        if mine:
            found[mine] = max(at, found.get(mine, at))
        newest = sorted(found, key=found.__getitem__, reverse=True) if len(found) > 1 else list(found)
        if mine and mine in newest[MAX_KEYS:]:
            newest[MAX_KEYS - 1] = mine
        chosen += newest[:MAX_KEYS]
    return (*account, *chosen)
