"""Folding the log into facets: the events that carry the same account, handlID and lead. Pure.

A facet keeps, for each field that can be lent (a trait, a browser's value, a consent), which event told it last: the
greatest (occurred_at, id). Taking the greater of two is the same in whatever order, however often and by however many
processes it is done, and so is the fold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from dispatcher.consent import CONSENTS, states_denial
from dispatcher.models import Event

LogPosition = tuple[int, int]
"""When an event happened, in microseconds since 1970, and its id: a total order of the log."""
Group = tuple[int, int, str]
"""A stamp, and the fields that its event told last, sorted, with a space between them. A facet is kept as such groups:
the latest first, which is when it was last seen; but that of FIRST at the end."""

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

    @classmethod
    def of(cls, account_id: str | None, handl_id: str | None, lead_id: str | None) -> Keys:
        """Give the keys as they are indexed, from those in the log."""
        return cls(_indexable(account_id), _indexable(handl_id), _indexable(lead_id))


def keys_of(event: Event) -> Keys:
    """Give what an event carries of whom it is about."""
    return Keys.of(event.account_id, event.handl_id, event.lead_id)


def _indexable(key: str | None) -> str:
    """Give the key, or its hash if three such keys would not fit into an index row (2704 bytes)."""
    if not key or len(key) <= MOST_BYTES // 4 or len(encoded := key.encode("utf-8", "replace")) <= MOST_BYTES:
        return key or ""
    return sha256(encoded).hexdigest()


class Fact(msgspec.Struct, frozen=True, order=True, gc=False):
    """What folding needs of one event: its place in the log's order, and the fields that it told, sorted."""

    position: LogPosition
    keys: Keys
    fields: Sequence[str]

    @classmethod
    def of(cls, at: LogPosition, keys: Keys, sealed: Any = None, visitor: Any = None, consent: Any = None) -> Fact:
        """Give what an event told; what is sealed and so on is whatever a writer put there."""
        return cls(at, keys, _fields(_object(sealed), _object(visitor), _object(consent)))


def position(occurred_at: datetime, event_id: int) -> LogPosition:
    """Give the place of an event in the log's order."""
    return (occurred_at - EPOCH) // _MICROSECOND, event_id


def fold(facts: Iterable[Fact]) -> dict[Keys, list[Group]]:
    """Give the facets of some facts as `outbox.facet` keeps them.

    What an account's events tell is kept a second time under the account alone, so that it is found at once however
    many browsers and leads the account has.
    """
    told: dict[Keys, list[Fact]] = {}
    for fact in facts:
        keys = fact.keys
        if not any(keys):
            continue
        told.setdefault(keys, []).append(fact)
        if keys.account_id and (keys.handl_id or keys.lead_id):
            told.setdefault(Keys(keys.account_id), []).append(fact)
    return {keys: _groups(of_keys) for keys, of_keys in told.items()}


def _groups(facts: list[Fact]) -> list[Group]:
    """Give what each of some events told last, the latest first; at the end when the first one was."""
    facts.sort(reverse=True)
    last, *earlier = facts
    groups = [(*last.position, " ".join(last.fields))]
    if earlier:
        known = set(last.fields)
        for fact in earlier:
            if fields := [field for field in fact.fields if field not in known]:
                groups.append((*fact.position, " ".join(fields)))
                known.update(fields)
    at, event_id = facts[-1].position
    groups.append((-at, -event_id, FIRST))
    return groups


def unpack(groups: Iterable[Group]) -> dict[str, LogPosition]:
    """Give for each field of a facet the stamp of the event that told it last."""
    return {field: (at, event_id) for at, event_id, fields in groups for field in fields.split()}


def pack(newest: Mapping[str, LogPosition]) -> list[Group]:
    """Give a facet as `outbox.facet` keeps it."""
    groups: dict[LogPosition, list[str]] = {}
    for field in sorted(newest.keys() - {FIRST}):
        groups.setdefault(newest[field], []).append(field)
    return [*((*at, " ".join(groups[at])) for at in sorted(groups, reverse=True)), (*newest[FIRST], FIRST)]


def join(fragment: dict[str, LogPosition], told: Mapping[str, LogPosition]) -> None:
    """Take the greater stamp of each field into `facet`."""
    for field, at in told.items():
        if field not in fragment or fragment[field] < at:
            fragment[field] = at


# What a visitor tells, by the value that says so.
_BY_VALUE = {name: field for field, (name, *_) in BROWSER} | {"fbclid": "fbc"}


def _fields(sealed: Mapping[str, Any], visitor: Mapping[str, Any], consent: Mapping[str, Any]) -> Sequence[str]:
    """Give the fields that an event can lend. One that denies consent lends its refusal only (design, part 6.6)."""
    stated = [kind for kind in CONSENTS if consent.get(kind) is not None]
    if states_denial(consent.get("ad_user_data")):
        return _sorted((SEEN, *stated))
    traits = filter(_object(sealed.get("meta")).get, TRAITS)
    google_traits = filter(_object(sealed.get("google")).get, GOOGLE_TRAITS)
    browser = map(_BY_VALUE.__getitem__, filter(visitor.get, _BY_VALUE))
    return _sorted((SEEN, *traits, *google_traits, *browser, *stated))


@lru_cache(maxsize=1024)
def _sorted(fields: tuple[str, ...]) -> Sequence[str]:
    """Give some fields sorted, each once; events tell the same ones again and again."""
    return tuple(sorted(set(fields)))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
