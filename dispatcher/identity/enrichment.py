"""Enrich an event: fill the fields that it lacks from the person's most recent event that has them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import filterfalse
from typing import Any

import msgspec

from dispatcher.consent import CONSENTS, states_denial
from dispatcher.identity.fragments import BROWSER, GOOGLE_TRAITS, TRAITS, Keys, position
from dispatcher.identity.graph import Owner
from dispatcher.identity.profile import Profile
from dispatcher.models import Event

LATEST_CONSENT = "ad_user_data"
"""Looked up even if the event states its own: after a later refusal nothing of the person may be borrowed."""
MAX_KEYS = 10
"""The most handlIDs, and the most leads, that go into external_id. The newest are taken."""

_BROWSER = dict(BROWSER)

PARTS = {
    **dict.fromkeys((*TRAITS, *GOOGLE_TRAITS), "sealed"),
    **dict.fromkeys(_BROWSER, "visitor"),
    **dict.fromkeys(CONSENTS, "consent"),
}
"""The part of an event that holds each field."""


class BorrowedField(msgspec.Struct, frozen=True, gc=False):
    """The part of another event that holds a borrowed field, as it is in the log, and when that event happened."""

    occurred_at: datetime
    part: Mapping[str, Any] | None


def missing_fields(event: Event, keys: Keys, own: Profile, owner: Owner) -> dict[str, int]:
    """Return each field that the event lacks and can borrow, with the id of the event to borrow it from.

    `keys` and `own` are the event's own keys and profile.
    """
    merged = owner.merged
    newest, fields = merged.newest, merged.fields
    lacking = [*filterfalse(own.meta.get, fields.traits), *filterfalse(own.google.get, fields.google_traits)]
    found = {name: newest[name][1] for name in lacking}
    # An IP address belongs to the browser it was seen with, so both are borrowed together, by an event with neither.
    has = own.visitor.get
    for field, values in fields.browser:
        if not has(values[0]) and not any(map(has, values)):
            same_browser = merged.newest_on(keys.handl_id).get(field) if keys.handl_id else None
            found[field] = (same_browser or newest[field])[1]
    for kind in fields.consents:
        if own.consent.get(kind) is None:
            found[kind] = newest[kind][1]
    if LATEST_CONSENT in newest and newest[LATEST_CONSENT] > position(event.occurred_at, event.id):
        found[LATEST_CONSENT] = newest[LATEST_CONSENT][1]
    return {field: source for field, source in found.items() if source != event.id}


def enrich(keys: Keys, own: Profile, owner: Owner, borrowed: Mapping[str, BorrowedField]) -> Profile:
    """Return the full profile for an event with `keys` and the profile `own`; `borrowed` is by field."""
    profile = _add_borrowed(own, borrowed) if borrowed else own
    return Profile(
        _external_ids(keys, owner),
        owner.account_id or None,
        profile.lead_id,
        profile.handl_id,
        owner.merged.earliest_key or profile.earliest_key,
        profile.meta,
        profile.google,
        profile.country,
        profile.visitor,
        profile.visited_at,
        profile.consent,
    )


def _add_borrowed(own: Profile, borrowed: Mapping[str, BorrowedField]) -> Profile:
    consent = dict(own.consent)
    latest = borrowed[LATEST_CONSENT].part if LATEST_CONSENT in borrowed else own.consent
    for kind in CONSENTS:
        if kind in borrowed and consent.get(kind) is None:
            consent[kind] = (borrowed[kind].part or {}).get(kind)
    # A refusal covers everything known of the person, so an event that granted consent earlier borrows nothing either.
    if states_denial(consent.get("ad_user_data")) or states_denial((latest or {}).get("ad_user_data")):
        borrowed = {field: source for field, source in borrowed.items() if field == "ga_client_id"}
    meta, google, visitor = dict(own.meta), dict(own.google), dict(own.visitor)
    country, visited_at = own.country, own.visited_at
    for field, source in borrowed.items():
        part = source.part or {}
        if field in _BROWSER:
            visitor |= {name: part[name] for name in _BROWSER[field] if name in part}
        elif field in TRAITS:
            meta[field] = _trait(part, "meta", field)
        elif field in GOOGLE_TRAITS:
            google[field] = _trait(part, "google", field)
    if "fbc" in borrowed:
        visited_at = borrowed["fbc"].occurred_at
    if country is None and "country" in borrowed:
        country = (borrowed["country"].part or {}).get("country")
    return Profile(
        own.keys,
        own.account_id,
        own.lead_id,
        own.handl_id,
        own.earliest_key,
        meta,
        google,
        country if isinstance(country, str) else None,
        visitor,
        visited_at,
        consent,
    )


def _trait(sealed: Mapping[str, Any], form: str, name: str) -> Any:
    traits = sealed.get(form)
    return traits.get(name) if isinstance(traits, dict) else None


def _external_ids(own: Keys, owner: Owner) -> tuple[str, ...]:
    """Return the identifiers for external_id: the account, then handlIDs, then leads, newest first (design, part 6.5)."""
    merged = owner.merged
    chosen = [owner.account_id] if owner.account_id else []
    for mine, others in ((own.handl_id, merged.handls), (own.lead_id, merged.leads)):
        if mine:
            chosen.append(mine)
        chosen += [other for other in others if other != mine][: MAX_KEYS - bool(mine)]
    return tuple(chosen)
