"""Fold the log into profile fragments: one for all events with the same combination of keys. Pure.

For each field that other events can borrow (a trait, a browser value), and for each statement of consent, a fragment keeps
the position of the last event that has it: the greatest (occurred_at, id). A maximum does not depend on the order, on
repeats or on the number of processes, and so neither does the fold.

The events of an account are folded a second time under the account alone. That fragment also keeps the account's newest
keys, so that one look-up finds what the account has, however many events, browsers and leads there are.

What a key must be remembered for even after its events are gone, that it refused consent, is folded into a mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from dispatcher.consent import ADVERTISING, CONSENTS, denies_advertising, statements
from dispatcher.identity.keys import KEY_LIMIT, Key, Keys, LogPosition, links
from outbox import person

Group = tuple[int, int, str]
"""A position, and the fields for which its event is the last one: sorted, separated by spaces.

A fragment is stored as a list of groups, the latest first (when the fragment was last seen); the group of FIRST is last.
"""
KnownKey = tuple[int, str, int, int]
"""A key of an account (kind, value) and the position of the last event that carries it."""
MOST_KNOWN = KEY_LIMIT + 1
"""How many keys of a kind an account keeps: the newest. With this many there may be more."""
CLASSES = 10
"""A known key's kind has ten times the class of its event added: which refusals of its person the event outranks."""

TRAITS = tuple(person.META_TRAITS)
GOOGLE_TRAITS = tuple(person.GOOGLE_TRAITS)
SEEN = "seen"
"""The field of a fragment's last event, whatever that event carries."""
FIRST = "first"
"""The field of its first event. Both numbers are negated, so that the greatest position is the earliest event."""
KEY = "key"
"""The field of its last event that refuses nothing: its keys may identify the person's other events."""
OUTRANKING = {"ad_user_data": "u", "ad_storage": "s", "analytics_storage": "a"}
"""What an event states outranks a refusal of its person. So a field is kept apart by what its event grants: `em+us`."""
GRANTED = {signal: f"+{signal}" for signal in CONSENTS}
DENIED = {signal: f"-{signal}" for signal in CONSENTS}
ANONYMOUS = {signal: f"?{signal}" for signal in CONSENTS}
"""In the mark of a key: denied by an event without an account."""

# Each browser field, and the visitor's values that belong to it. The first value (fbclid too) makes an event a source of
# the field; all values of the field are borrowed together.
BROWSER: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("fbp", ("fbp",)),
    ("fbc", ("fbc", "fbclid", "fbclid_at")),
    ("agent", ("user_agent", "ip")),
    ("url", ("url", "referrer")),
    ("ga_client_id", ("ga_client_id",)),
)


class Fact(msgspec.Struct, frozen=True, gc=False):
    """What folding needs of one event: its position, its keys, and the fields that it carries, sorted."""

    position: LogPosition
    keys: Keys
    fields: Sequence[str]
    click: int | None = None

    @classmethod
    def of(cls, at: LogPosition, keys: Keys, sealed: Any = None, visitor: Any = None, consent: Any = None) -> Fact:
        """Return the fact of one event. `sealed`, `visitor` and `consent` may be anything that a writer put there."""
        browser = _object(visitor)
        return cls(at, keys, _fields(_object(sealed), browser, consent), click_of(browser))


class Click(NamedTuple):
    """The first event of a fragment that carries a click, among those of one class (GRADES; 0: refused)."""

    grade: int
    digest: int
    at: int
    event_id: int


class Folded(msgspec.Struct, frozen=True, gc=False):
    """A fragment as it is stored, and the positions of the events that were folded into it.

    `known`: of the fragment of an account alone, the newest keys of the account.
    """

    groups: list[Group]
    known: list[KnownKey] | None
    events: list[LogPosition]
    clicks: list[Click]


def fragment_id(keys: Keys) -> UUID:
    """Return the id of the fragment of a combination: a digest, so that every process knows it without asking."""
    text = "\0".join((*keys[:5], "public" if keys.is_public else ""))
    return UUID(bytes=sha256(text.encode("utf-8", "replace")).digest()[:16])


def fold(facts: Iterable[Fact]) -> dict[Keys, Folded]:
    """Return the fragments of some facts."""
    by_keys: dict[Keys, list[Fact]] = {}
    for fact in facts:
        keys = fact.keys
        if keys.is_empty:
            continue
        by_keys.setdefault(keys, []).append(fact)
        if keys.account_id and links(keys).all:
            by_keys.setdefault(Keys(keys.account_id), []).append(_of_account(fact) if keys.handl_id else fact)
    return {
        keys: Folded(
            _groups(of_keys),
            known_keys(of_keys) if keys == Keys(keys.account_id) else None,
            sorted(fact.position for fact in of_keys),
            first_clicks(of_keys),
        )
        for keys, of_keys in by_keys.items()
    }


def _of_account(fact: Fact) -> Fact:
    """Return a fact without what was seen on its browser, which may be shared: the browser's own fragment has that."""
    return Fact(fact.position, fact.keys, [field for field in fact.fields if field.split("+")[0] not in _SEEN_THERE])


def marks(facts: Iterable[Fact]) -> dict[Key, list[Group]]:
    """Return, for each key of an event that refuses consent, which signals it denied last, and when."""
    newest: dict[Key, dict[str, LogPosition]] = {}
    for fact in facts:
        denied = [field[1:] for field in fact.fields if field[0] == "-"]
        if not denied:
            continue
        fields = [DENIED[signal] for signal in denied]
        if not fact.keys.account_id:
            fields += [ANONYMOUS[signal] for signal in denied]
        for key in links(fact.keys).all:
            join(newest.setdefault(key, {}), dict.fromkeys(fields, fact.position))
    return {key: pack(fields) for key, fields in newest.items()}


def click_of(visitor: Mapping[str, Any]) -> int | None:
    """Return a digest of the click of an event; the same for `fbclid` and for the `fbc` made from it."""
    value = visitor.get("fbc") or visitor.get("fbclid")
    if not value:
        return None
    text = value if isinstance(value, str) else repr(value)
    parts = text.split(".", 3)
    click = parts[3] if text.startswith("fb.") and len(parts) == 4 else text
    return int.from_bytes(sha256(click.encode("utf-8", "replace")).digest()[:8], signed=True)


def first_clicks(facts: Iterable[Fact]) -> list[Click]:
    """Return each click, with the first event that carries it."""
    first: dict[tuple[int, int], LogPosition] = {}
    for fact in facts:
        if fact.click is not None:
            mark = _class_of(fact), fact.click
            if mark not in first or fact.position < first[mark]:
                first[mark] = fact.position
    return sorted(Click(*mark, *at) for mark, at in first.items())


def _groups(facts: list[Fact]) -> list[Group]:
    """Return the groups of some facts, the latest first; the position of the first fact is last."""
    facts.sort(key=lambda fact: fact.position, reverse=True)
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


def known_keys(facts: Iterable[Fact]) -> list[KnownKey]:
    """Return the newest keys of an account, each with the position of the last event that carries it."""
    newest: dict[tuple[int, str], LogPosition] = {}
    for fact in facts:
        apart = CLASSES * _class_of(fact)
        for kind, value in links(fact.keys).all:
            key = (kind + apart, value)
            if key not in newest or newest[key] < fact.position:
                newest[key] = fact.position
    return newest_known((kind, value, *at) for (kind, value), at in newest.items())


GRADES = ("key", "key+u", "key+s", "key+us")
"""The field KEY by the class of an event: 1 to 4; 0 is that of an event that refuses."""


def _class_of(fact: Fact) -> int:
    return next((number for number, field in enumerate(GRADES, 1) if field in fact.fields), 0)


def newest_known(keys: Iterable[KnownKey]) -> list[KnownKey]:
    """Return keys (each once) in the order in which they are stored, without those that are too old to be kept."""
    by_kind: dict[int, list[KnownKey]] = {}
    for key in keys:
        by_kind.setdefault(key[0], []).append(key)
    return [
        key
        for _, listed in sorted(by_kind.items())
        for key in sorted(listed, key=lambda each: (-each[2], -each[3], each[1].encode()))[:MOST_KNOWN]
    ]


def unpack(groups: Iterable[Group]) -> dict[str, LogPosition]:
    """Return, for each field of a fragment, the position of the last event that has it."""
    return {field: (at, event_id) for at, event_id, fields in groups for field in _split(fields)}


def pack(newest: Mapping[str, LogPosition]) -> list[Group]:
    """Return a fragment as `outbox.fragment` stores it."""
    groups: dict[LogPosition, list[str]] = {}
    for field in sorted(newest.keys() - {FIRST}):
        groups.setdefault(newest[field], []).append(field)
    packed: list[Group] = [(*at, " ".join(groups[at])) for at in sorted(groups, reverse=True)]
    return [*packed, (*newest[FIRST], FIRST)] if FIRST in newest else packed


def join(fragment: dict[str, LogPosition], other: Mapping[str, LogPosition]) -> None:
    """Add `other` to `fragment`: of each field the greater position stays."""
    for field, at in other.items():
        if field not in fragment or fragment[field] < at:
            fragment[field] = at


@lru_cache(maxsize=1024)
def _split(fields: str) -> list[str]:
    return fields.split()


_SEEN_THERE = frozenset(dict(BROWSER))

# The browser field that each of the visitor's values stands for.
_BY_VALUE = {name: field for field, (name, *_) in BROWSER} | {"fbclid": "fbc"}


def _fields(sealed: Mapping[str, Any], visitor: Mapping[str, Any], consent: Any) -> Sequence[str]:
    """Return the fields that others can borrow from an event: only its consent if it refuses."""
    signals = statements(consent)
    stated = tuple((DENIED if value == "denied" else GRANTED)[signal] for signal, value in signals.items())
    if denies_advertising(signals):
        return _sorted((SEEN, *stated))
    traits = filter(_object(sealed.get("meta")).get, TRAITS)
    google_traits = filter(_object(sealed.get("google")).get, GOOGLE_TRAITS)
    browser = map(_BY_VALUE.__getitem__, filter(visitor.get, _BY_VALUE))
    offered: tuple[str, ...] = (KEY, *traits, *google_traits, *browser)
    if signals:
        if signals.get("analytics_storage") == "denied":
            offered = tuple(field for field in offered if field != "ga_client_id")
        offered = _outranking(offered, signals.get("analytics_storage"), *map(signals.get, ADVERTISING))
    return _sorted((SEEN, *offered, *stated))


def _outranking(fields: tuple[str, ...], analytics: str | None, *advertising: str | None) -> tuple[str, ...]:
    """Return fields with the letters of what their event grants (OUTRANKING)."""
    letters = "".join(OUTRANKING[signal] for signal, value in zip(ADVERTISING, advertising, strict=True) if value)
    own = letters + "a" if analytics else letters
    return tuple(
        f"{field}+{suffix}" if (suffix := own if field == "ga_client_id" else letters) else field for field in fields
    )


@lru_cache(maxsize=1024)
def _sorted(fields: tuple[str, ...]) -> Sequence[str]:
    """Return the fields sorted, without repeats. Cached, as most events carry the same few combinations."""
    return tuple(sorted(set(fields)))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
