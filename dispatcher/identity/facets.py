"""Folding the log into facets: the events that carry the same account, handlID and lead. Pure.

A facet keeps, for each field that can be lent (a trait, a browser's value, a consent), which event told it last: the
greatest (occurred_at, id). Taking the greater of two is the same in whatever order, however often and by however many
processes it is done, and so is the fold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
    return (occurred_at - EPOCH) // timedelta(microseconds=1), event_id


def fold(facts: Iterable[Fact]) -> dict[Keys, dict[str, Stamp]]:
    """Give the facets of some facts: for each field the stamp of the event that told it last.

    What an account's events tell is kept a second time under the account alone, so that it is found at once however
    many browsers and leads the account has.
    """
    facets: dict[Keys, dict[str, Stamp]] = {}
    for fact in facts:
        if not any(fact.keys):
            continue
        at = fact.stamp
        told = dict.fromkeys((SEEN, *_fields(fact)), at)
        told[FIRST] = (-at[0], -at[1])
        for keys in {fact.keys, fact.keys if not fact.keys.account_id else Keys(fact.keys.account_id)}:
            join(facets.setdefault(keys, {}), told)
    return facets


def join(facet: dict[str, Stamp], told: Mapping[str, Stamp]) -> None:
    """Take the greater stamp of each field into `facet`."""
    for field, at in told.items():
        if field not in facet or facet[field] < at:
            facet[field] = at


def _fields(fact: Fact) -> Iterator[str]:
    """Give the fields that an event can lend. One that denies consent lends its refusal only (design, part 6.6)."""
    consent = fact.consent if isinstance(fact.consent, dict) else {}
    yield from (kind for kind in CONSENTS if consent.get(kind) is not None)
    if states_denial(consent.get("ad_user_data")):
        return
    sealed = fact.sealed if isinstance(fact.sealed, dict) else {}
    for form, names in (("meta", TRAITS), ("google", GOOGLE_TRAITS)):
        traits = sealed.get(form)
        if isinstance(traits, dict):
            yield from (name for name in names if traits.get(name))
    visitor = fact.visitor if isinstance(fact.visitor, dict) else {}
    yield from (field for field, (name, *_) in BROWSER if visitor.get(name))
    if not visitor.get("fbc") and visitor.get("fbclid"):
        yield "fbc"
