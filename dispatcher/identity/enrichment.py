"""Enrich an event: fill the fields that it lacks from the person's most recent other event that has them. Pure.

No trait is offered or borrowed by an event that consent keeps from advertising destinations. Browser values come from the
person's own browsers only. A click can only be borrowed by later events, and only while it is younger than 90 days.
"""

from __future__ import annotations

from collections.abc import Mapping
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
from dispatcher.identity.graph import IdentityGraph, LookupNeeded
from dispatcher.identity.keys import EPOCH, Key, Keys, Kind, LogPosition, links
from dispatcher.identity.membership import Owner
from dispatcher.identity.merged import MergedFragment
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
    seen first. `keys`: for external_id. `is_refused`, `has_refused`: see `Profile`.
    """

    sources: Mapping[str, int]
    clicked_at: datetime | None
    keys: tuple[Key, ...]
    account_id: str | None
    consent: Mapping[str, str]
    is_refused: bool
    has_refused: bool


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


def find_enrichment(asked: Asked, graph: IdentityGraph) -> Enrichment:
    """Return what an event gets from its person; raise `LookupNeeded` if its clicks must be looked up first."""
    own, owner, consent = asked.own, asked.owner, asked.consent
    has_refused = denies_advertising(consent)
    if own.consent:
        consent = {**consent, **own.consent}
    if denies_advertising(consent):
        return Enrichment({}, None, own.keys, own.account_id, consent, True, True)
    sources = _missing(own, asked.merged.newest)
    clicked_at = None
    if "fbc" in sources:
        del sources["fbc"]
        if click := _click(asked.merged, asked.at, graph):
            sources["fbc"], first = click
            clicked_at = EPOCH + timedelta(microseconds=first)
    sources = {field: source for field, source in sources.items() if source != asked.event_id}
    return Enrichment(
        sources,
        clicked_at,
        _external_ids(asked.keys, asked.at, owner, asked.merged.keys),
        owner.account_id or own.account_id,
        consent,
        False,
        has_refused,
    )


def _missing(own: Profile, newest: Mapping[str, LogPosition]) -> dict[str, int]:
    """Return the fields that an event lacks and can borrow."""
    found = {name: newest[name][1] for name in filterfalse(own.meta.get, TRAITS) if name in newest}
    found |= {name: newest[name][1] for name in filterfalse(own.google.get, GOOGLE_TRAITS) if name in newest}
    # An IP address belongs to the browser it was seen with, so both are borrowed together, by an event with neither.
    has = own.visitor.get
    for field, values in BROWSER:
        if field in newest and not has(values[0]) and not any(map(has, values)):
            found[field] = newest[field][1]
    return found


def _click(merged: MergedFragment, at: LogPosition, graph: IdentityGraph) -> tuple[int, int] | None:
    """Return the event to borrow a click from, and when the click was seen first: the newest click before `at`."""
    if missing := [f.id for f in merged.fragments if f.id not in graph.clicks]:
        raise LookupNeeded(clicks=missing)
    first: dict[int, LogPosition] = {}
    offered: dict[int, LogPosition] = {}
    for fragment in merged.fragments:
        classes = merged.clicking.get(fragment.id, frozenset())
        for grade, digest, seen_at, event_id in graph.clicks[fragment.id]:
            seen = seen_at, event_id
            first[digest] = min(first.get(digest, seen), seen)
            if grade in classes:
                offered[digest] = min(offered.get(digest, seen), seen)
    fresh = [
        (first[digest], source)
        for digest, source in offered.items()
        if source < at and at[0] - first[digest][0] < _CLICK_AGE
    ]
    if not fresh:
        return None
    (first_at, _), (_, event_id) = max(fresh)
    return event_id, first_at


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
        {signal: found.consent[signal] for signal in CONSENTS if signal in found.consent},
        found.is_refused,
        found.has_refused,
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
