"""What an event lacks, and which event of its person lends it: the most recent one that has it. Pure."""

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
"""Looked up even where the event states its own: who refused since then lends nothing any more."""
MOST_KEYS = 10
"""So many handlIDs, and so many leads, go into external_id: the newest."""

_BROWSER = dict(BROWSER)

PARTS = {
    **dict.fromkeys((*TRAITS, *GOOGLE_TRAITS), "sealed"),
    **dict.fromkeys(_BROWSER, "visitor"),
    **dict.fromkeys(CONSENTS, "consent"),
}
"""For each field, the part of an event that tells it."""


class BorrowedField(msgspec.Struct, frozen=True, gc=False):
    """A part of the event that lends a field, as it lies in the log, and when it happened."""

    occurred_at: datetime
    told: Mapping[str, Any] | None


def missing_fields(event: Event, keys: Keys, told: Profile, relation: Owner) -> dict[str, int]:
    """Give, for each field that the event lacks and somebody can lend, the id of the event to borrow it from.

    `keys`, `told`: what the event itself carries and tells.
    """
    offer = relation.offer
    newest, fields = offer.newest, offer.fields
    lacking = [*filterfalse(told.meta.get, fields.traits), *filterfalse(told.google.get, fields.google_traits)]
    found = {name: newest[name][1] for name in lacking}
    # An address belongs to the browser it was seen with: they are lent together, to an event that tells neither.
    tells = told.visitor.get
    for field, values in fields.browser:
        if not tells(values[0]) and not any(map(tells, values)):
            on_its_own = offer.newest_on(keys.handl_id).get(field) if keys.handl_id else None
            found[field] = (on_its_own or newest[field])[1]
    for kind in fields.consents:
        if told.consent.get(kind) is None:
            found[kind] = newest[kind][1]
    if LATEST_CONSENT in newest and newest[LATEST_CONSENT] > position(event.occurred_at, event.id):
        found[LATEST_CONSENT] = newest[LATEST_CONSENT][1]
    return {field: lender for field, lender in found.items() if lender != event.id}


def known(keys: Keys, told: Profile, relation: Owner, lent: Mapping[str, BorrowedField]) -> Profile:
    """Give all that is known of the person of an event that carries `keys` and tells `told`; `lent`: by field."""
    found = _with(told, lent) if lent else told
    return Profile(
        _keys(keys, relation),
        relation.account_id or None,
        found.lead_id,
        found.handl_id,
        relation.offer.earliest_key or found.earliest_key,
        found.meta,
        found.google,
        found.country,
        found.visitor,
        found.visited_at,
        found.consent,
    )


def _with(alone: Profile, lent: Mapping[str, BorrowedField]) -> Profile:
    """Give what is known with what is lent, by field."""
    consent = dict(alone.consent)
    latest = lent[LATEST_CONSENT].told if LATEST_CONSENT in lent else alone.consent
    for kind in CONSENTS:
        if kind in lent and consent.get(kind) is None:
            consent[kind] = (lent[kind].told or {}).get(kind)
    # A refusal holds for all that the person told, also for what an event that granted before would borrow.
    if states_denial(consent.get("ad_user_data")) or states_denial((latest or {}).get("ad_user_data")):
        lent = {field: loan for field, loan in lent.items() if field == "ga_client_id"}
    meta, google, visitor = dict(alone.meta), dict(alone.google), dict(alone.visitor)
    country, visited_at = alone.country, alone.visited_at
    for field, loan in lent.items():
        told = loan.told or {}
        if field in _BROWSER:
            visitor |= {name: told[name] for name in _BROWSER[field] if name in told}
        elif field in TRAITS:
            meta[field] = _trait(told, "meta", field)
        elif field in GOOGLE_TRAITS:
            google[field] = _trait(told, "google", field)
    if "fbc" in lent:
        visited_at = lent["fbc"].occurred_at
    if country is None and "country" in lent:
        country = (lent["country"].told or {}).get("country")
    return Profile(
        alone.keys,
        alone.account_id,
        alone.lead_id,
        alone.handl_id,
        alone.earliest_key,
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


def _keys(own: Keys, relation: Owner) -> tuple[str, ...]:
    """Give the identifiers for external_id: the account, then handlIDs, then leads, newest first (design, part 6.4)."""
    offer = relation.offer
    chosen = [relation.account_id] if relation.account_id else []
    for mine, others in ((own.handl_id, offer.handls), (own.lead_id, offer.leads)):
        if mine:
            chosen.append(mine)
        chosen += [other for other in others if other != mine][: MOST_KEYS - bool(mine)]
    return tuple(chosen)
