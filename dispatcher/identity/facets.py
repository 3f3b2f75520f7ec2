"""Folding the log into facets: the events that carry the same account, handlID and lead. Pure.

A facet keeps, for each field that can be lent (a trait, a browser's value, a consent), which event told it last: the
greatest (occurred_at, id). Taking the greater of two is the same in whatever order, however often and by however many
processes it is done, and so is the fold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from dispatcher.eligibility import CONSENTS, states_denial
from dispatcher.records import Event

Stamp = tuple[int, int]
"""When an event happened, in microseconds since 1970, and its id: a total order of the log."""

MOST_BYTES = 512
"""A longer key stands by its hash: whatever a writer put there, every event can be folded."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

TRAITS = ("em", "ph", "fn", "ln", "ct", "st", "zp", "country", "db", "ge")
GOOGLE_TRAITS = ("sha256_email_address", "sha256_phone_number")
SEEN = "seen"
"""The last event of a facet, whatever it told."""
FIRST = "first"
"""The first one, both numbers negated, so that the greatest is the earliest."""

# What a browser tells: the field, and the values of the visitor that make it (any of the first group, all are lent).
BROWSER: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("fbp", ("fbp",)),
    ("fbc", ("fbc", "fbclid", "fbclid_at")),
    ("agent", ("user_agent", "ip")),
    ("url", ("url", "referrer")),
    ("ga_client_id", ("ga_client_id",)),
)


class Keys(NamedTuple):
    """What an event carries of whom it is about; an empty text stands for none."""

    account_id: str = ""
    handl_id: str = ""
    lead_id: str = ""


def keys_of(event: Event) -> Keys:
    """Give what an event carries of whom it is about."""
    return Keys(_indexable(event.account_id), _indexable(event.handl_id), _indexable(event.lead_id))


def _indexable(key: str | None) -> str:
    """Give the key, or its hash if three such keys would not fit into an index row (2704 bytes)."""
    if not key or len(key) <= MOST_BYTES // 4 or len(encoded := key.encode("utf-8", "replace")) <= MOST_BYTES:
        return key or ""
    return sha256(encoded).hexdigest()


class Fact(msgspec.Struct, frozen=True):
    """What folding needs of one event, sealed."""

    id: int
    occurred_at: datetime
    keys: Keys
    sealed: Mapping[str, Any] | None = None
    visitor: Mapping[str, Any] | None = None
    consent: Mapping[str, Any] | None = None

    @property
    def stamp(self) -> Stamp:
        """Its place in the log's order."""
        return stamp(self.occurred_at, self.id)


def stamp(occurred_at: datetime, event_id: int) -> Stamp:
    """Give the place of an event in the log's order."""
    return (occurred_at - EPOCH) // _MICROSECOND, event_id


def fold(facts: Iterable[Fact]) -> dict[Keys, dict[str, Stamp]]:
    """Give the facets of some facts: for each field the stamp of the event that told it last.

    What an account's events tell is kept a second time under the account alone, so that it is found at once however
    many browsers and leads the account has.
    """
    facets: dict[Keys, dict[str, Stamp]] = {}
    for fact in facts:
        keys = fact.keys
        if not any(keys):
            continue
        at = fact.stamp
        told = dict.fromkeys(_fields(fact), at)
        told[FIRST] = (-at[0], -at[1])
        if keys.account_id and (keys.handl_id or keys.lead_id):
            _tell(facets, Keys(keys.account_id), dict(told))
        _tell(facets, keys, told)
    return facets


def _tell(facets: dict[Keys, dict[str, Stamp]], keys: Keys, told: dict[str, Stamp]) -> None:
    """Take what an event told into its facet, or make it one."""
    if facet := facets.get(keys):
        join(facet, told)
    else:
        facets[keys] = told


def join(facet: dict[str, Stamp], told: Mapping[str, Stamp]) -> None:
    """Take the greater stamp of each field into `facet`."""
    for field, at in told.items():
        if field not in facet or facet[field] < at:
            facet[field] = at


_ALWAYS = {SEEN: True, FIRST: True}
_META, _GOOGLE, _VISITOR, _CONSENT, _EVENT = range(5)

# Each field, with the part of an event and the value in it that tell it; in the order in which PostgreSQL keeps them in
# a jsonb (the shorter first), so that it need not sort those of a thousand facets.
_TELLING: tuple[tuple[str, int, str], ...] = tuple(
    sorted(
        [
            *((name, _META, name) for name in TRAITS),
            *((name, _GOOGLE, name) for name in GOOGLE_TRAITS),
            *((field, _VISITOR, name) for field, (name, *_) in BROWSER),
            ("fbc", _VISITOR, "fbclid"),
            *((kind, _CONSENT, kind) for kind in CONSENTS),
            *((field, _EVENT, field) for field in _ALWAYS),
        ],
        key=lambda telling: (len(telling[0]), telling[0]),
    )
)


def _fields(fact: Fact) -> list[str]:
    """Give the fields that an event can lend. One that denies consent lends its refusal only (design, part 6.6)."""
    consent = _object(fact.consent)
    stated = {kind: True for kind in CONSENTS if consent.get(kind) is not None}
    if states_denial(consent.get("ad_user_data")):
        parts: tuple[Mapping[str, Any], ...] = ({}, {}, {}, stated, _ALWAYS)
    else:
        sealed = _object(fact.sealed)
        parts = (_object(sealed.get("meta")), _object(sealed.get("google")), _object(fact.visitor), stated, _ALWAYS)
    return [field for field, part, name in _TELLING if parts[part].get(name)]


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
