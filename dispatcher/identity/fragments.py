"""Fold the log into profile fragments: one for all events with the same account, handlID and lead. Pure.

For each field that other events can borrow (a trait, a browser value, a consent), a fragment keeps the position of the
last event that has it: the greatest (occurred_at, id). A maximum does not depend on the order, on repeats or on the
number of processes, and so neither does the fold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from dispatcher.consent import CONSENTS, states_denial
from dispatcher.models import EventHead
from outbox import person

LogPosition = tuple[int, int]
"""When an event happened, in microseconds since 1970, and its id. Orders the log totally."""
Group = tuple[int, int, str]
"""A position, and the fields for which its event is the last one: sorted, separated by spaces.

A fragment is stored as a list of groups, the latest first (when the fragment was last seen); the group of FIRST is last.
"""

MAX_KEY_BYTES = 512
"""A longer key is replaced by its hash, so that every event can be folded, whatever a writer put there."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

TRAITS = tuple(person.META_TRAITS)
GOOGLE_TRAITS = tuple(person.GOOGLE_TRAITS)
SEEN = "seen"
"""The field of a fragment's last event, whatever that event carries."""
FIRST = "first"
"""The field of its first event. Both numbers are negated, so that the greatest position is the earliest event."""

# Each browser field, and the visitor's values that belong to it. The first value (fbclid too) makes an event a source of
# the field; all values of the field are borrowed together.
BROWSER: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("fbp", ("fbp",)),
    ("fbc", ("fbc", "fbclid", "fbclid_at")),
    ("agent", ("user_agent", "ip")),
    ("url", ("url", "referrer")),
    ("ga_client_id", ("ga_client_id",)),
)


class Keys(NamedTuple):
    """The keys that an event carries; an empty string means none."""

    account_id: str = ""
    handl_id: str = ""
    lead_id: str = ""

    @classmethod
    def of(cls, account_id: str | None, handl_id: str | None, lead_id: str | None) -> Keys:
        """Return the keys as they are indexed, from the keys in the log."""
        return cls(_indexable(account_id), _indexable(handl_id), _indexable(lead_id))


def keys_of(event: EventHead) -> Keys:
    """Return the keys that an event carries."""
    return Keys.of(event.account_id, event.handl_id, event.lead_id)


def _indexable(key: str | None) -> str:
    """Return the key, or its hash if three such keys would not fit into an index row (2704 bytes)."""
    if not key or len(key) <= MAX_KEY_BYTES // 4 or len(encoded := key.encode("utf-8", "replace")) <= MAX_KEY_BYTES:
        return key or ""
    return sha256(encoded).hexdigest()


class Fact(msgspec.Struct, frozen=True, order=True, gc=False):
    """What folding needs of one event: its position, its keys, and the fields that it carries, sorted."""

    position: LogPosition
    keys: Keys
    fields: Sequence[str]

    @classmethod
    def of(cls, at: LogPosition, keys: Keys, sealed: Any = None, visitor: Any = None, consent: Any = None) -> Fact:
        """Return the fact of one event. `sealed`, `visitor` and `consent` may be anything that a writer put there."""
        return cls(at, keys, _fields(_object(sealed), _object(visitor), _object(consent)))


def position(occurred_at: datetime, event_id: int) -> LogPosition:
    """Return the position of an event in the log."""
    return (occurred_at - EPOCH) // _MICROSECOND, event_id


def fold(facts: Iterable[Fact]) -> dict[Keys, list[Group]]:
    """Return the fragments of some facts, as `outbox.fragment` stores them.

    The events of an account are folded a second time under the account alone, so that one look-up finds what they carry,
    however many browsers and leads the account has.
    """
    by_keys: dict[Keys, list[Fact]] = {}
    for fact in facts:
        keys = fact.keys
        if not any(keys):
            continue
        by_keys.setdefault(keys, []).append(fact)
        if keys.account_id and (keys.handl_id or keys.lead_id):
            by_keys.setdefault(Keys(keys.account_id), []).append(fact)
    return {keys: _groups(of_keys) for keys, of_keys in by_keys.items()}


def _groups(facts: list[Fact]) -> list[Group]:
    """Return the groups of some facts, the latest first; the position of the first fact is last."""
    facts.sort(reverse=True)
    last, *earlier = facts
    groups = [(*last.position, " ".join(last.fields))]
    if earlier:
        covered = set(last.fields)
        for fact in earlier:
            if fields := [field for field in fact.fields if field not in covered]:
                groups.append((*fact.position, " ".join(fields)))
                covered.update(fields)
    at, event_id = facts[-1].position
    groups.append((-at, -event_id, FIRST))
    return groups


def unpack(groups: Iterable[Group]) -> dict[str, LogPosition]:
    """Return, for each field of a fragment, the position of the last event that has it."""
    return {field: (at, event_id) for at, event_id, fields in groups for field in fields.split()}


def pack(newest: Mapping[str, LogPosition]) -> list[Group]:
    """Return a fragment as `outbox.fragment` stores it."""
    groups: dict[LogPosition, list[str]] = {}
    for field in sorted(newest.keys() - {FIRST}):
        groups.setdefault(newest[field], []).append(field)
    return [*((*at, " ".join(groups[at])) for at in sorted(groups, reverse=True)), (*newest[FIRST], FIRST)]


def join(fragment: dict[str, LogPosition], other: Mapping[str, LogPosition]) -> None:
    """Add `other` to `fragment`: of each field the greater position stays."""
    for field, at in other.items():
        if field not in fragment or fragment[field] < at:
            fragment[field] = at


# The browser field that each of the visitor's values stands for.
_BY_VALUE = {name: field for field, (name, *_) in BROWSER} | {"fbclid": "fbc"}


def _fields(sealed: Mapping[str, Any], visitor: Mapping[str, Any], consent: Mapping[str, Any]) -> Sequence[str]:
    """Return the fields that others can borrow from an event: only the refusal if it denies consent (design, part 6.7)."""
    stated = [kind for kind in CONSENTS if consent.get(kind) is not None]
    if states_denial(consent.get("ad_user_data")):
        return _sorted((SEEN, *stated))
    traits = filter(_object(sealed.get("meta")).get, TRAITS)
    google_traits = filter(_object(sealed.get("google")).get, GOOGLE_TRAITS)
    browser = map(_BY_VALUE.__getitem__, filter(visitor.get, _BY_VALUE))
    return _sorted((SEEN, *traits, *google_traits, *browser, *stated))


@lru_cache(maxsize=1024)
def _sorted(fields: tuple[str, ...]) -> Sequence[str]:
    """Return the fields sorted, without repeats. Cached, as most events carry the same few combinations."""
    return tuple(sorted(set(fields)))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
