"""What an event lacks, and which event of its person lends it: the most recent one that has it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from dispatcher.eligibility import CONSENTS, states_denial
from dispatcher.identity import Known, known_from
from dispatcher.identity.facets import BROWSER, GOOGLE_TRAITS, TRAITS, keys_of, stamp
from dispatcher.identity.meaning import Relation
from dispatcher.records import Event

LATEST_CONSENT = "ad_user_data"
"""Looked up even where the event states its own: who refused since then lends nothing any more."""
MOST_KEYS = 10
"""So many handlIDs, and so many leads, go into external_id: the newest."""


class Lender(msgspec.Struct, frozen=True):
    """What an event can lend, as it lies in the log."""

    id: int
    occurred_at: datetime
    sealed: Mapping[str, Any] | None
    visitor: Mapping[str, Any] | None
    consent: Mapping[str, Any] | None


def wanted(event: Event, relation: Relation) -> dict[str, int]:
    """Give, for each field that the event lacks and somebody can lend, the id of the event to borrow it from."""
    alone = known_from(event)
    offer = relation.offer
    anybody = offer.newest
    found: dict[str, int] = {}
    for names, told in ((TRAITS, alone.meta), (GOOGLE_TRAITS, alone.google)):
        for name in names:
            if name in anybody and not told.get(name):
                found[name] = anybody[name][1]
    # An address belongs to the browser it was seen with: they are lent together, to an event that tells neither.
    handl_id = keys_of(event).handl_id
    browser = offer.newest_on(handl_id) if handl_id else anybody
    for field, values in BROWSER:
        newest = browser.get(field) or anybody.get(field)
        if newest and not any(map(alone.visitor.get, values)):
            found[field] = newest[1]
    for kind in CONSENTS:
        if kind in anybody and alone.consent.get(kind) is None:
            found[kind] = anybody[kind][1]
    latest = anybody.get(LATEST_CONSENT)
    if latest and latest > stamp(event.occurred_at, event.id):
        found[LATEST_CONSENT] = latest[1]
    return {field: lender for field, lender in found.items() if lender != event.id}


def known(event: Event, relation: Relation, borrowed: Mapping[str, int], lenders: Mapping[int, Lender]) -> Known:
    """Give all that is known of the event's person; `lenders` holds the events that `borrowed` names."""
    alone = known_from(event)
    lent = {field: lenders[event_id] for field, event_id in borrowed.items() if event_id in lenders}
    found = alone if not lent else _with(alone, lent)
    return Known(
        _keys(event, relation),
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


def _with(alone: Known, lent: Mapping[str, Lender]) -> Known:
    """Give what is known with what is lent, by field."""
    consent = dict(alone.consent)
    latest = lent[LATEST_CONSENT].consent if LATEST_CONSENT in lent else alone.consent
    for kind in CONSENTS:
        if kind in lent and consent.get(kind) is None:
            consent[kind] = (lent[kind].consent or {}).get(kind)
    # A refusal holds for all that the person told, also for what an event that granted before would borrow.
    if states_denial(consent.get("ad_user_data")) or states_denial((latest or {}).get("ad_user_data")):
        lent = {field: lender for field, lender in lent.items() if field == "ga_client_id"}
    meta, google = dict(alone.meta), dict(alone.google)
    for names, form, traits in ((TRAITS, "meta", meta), (GOOGLE_TRAITS, "google", google)):
        traits.update({name: _trait(lent[name], form, name) for name in names if name in lent})
    visitor = dict(alone.visitor)
    visited_at = alone.visited_at
    for field, values in BROWSER:
        if field in lent:
            told = lent[field].visitor or {}
            visitor |= {name: told[name] for name in values if name in told}
            if field == "fbc":
                visited_at = lent[field].occurred_at
    country = alone.country
    if country is None and "country" in lent:
        country = (lent["country"].sealed or {}).get("country")
    return msgspec.structs.replace(
        alone,
        meta=meta,
        google=google,
        country=country if isinstance(country, str) else None,
        visitor=visitor,
        visited_at=visited_at,
        consent=consent,
    )


def _trait(lender: Lender, form: str, name: str) -> Any:
    traits = (lender.sealed or {}).get(form)
    return traits.get(name) if isinstance(traits, dict) else None


def _keys(event: Event, relation: Relation) -> tuple[str, ...]:
    """Give the identifiers for external_id: the account, then handlIDs, then leads, newest first (design, part 6.4)."""
    own, offer = keys_of(event), relation.offer
    chosen = [relation.account_id] if relation.account_id else []
    for mine, others in ((own.handl_id, offer.handls), (own.lead_id, offer.leads)):
        if mine:
            chosen.append(mine)
        chosen += [other for other in others if other != mine][: MOST_KEYS - bool(mine)]
    return tuple(chosen)
