"""What the events of a person can borrow from each other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeVar
from uuid import UUID

import msgspec

from dispatcher.identity.fragments import (
    BROWSER,
    CLASSES,
    GOOGLE_TRAITS,
    GRADES,
    KEY,
    OUTRANKING,
    TRAITS,
)
from dispatcher.identity.graph import Fragment, IdentityGraph, LookupNeeded
from dispatcher.identity.keys import Key, Keys, Kind, LogPosition, links
from dispatcher.identity.membership import Owner

Name = TypeVar("Name")

OfferedClick = tuple[LogPosition, LogPosition]
"""The position at which a click was seen first, and that of the event to borrow it from."""

_TRAITS = frozenset((*TRAITS, *GOOGLE_TRAITS, KEY))
_BROWSER = frozenset(dict(BROWSER))
_NOTHING: frozenset[str] = frozenset()


class MergedFragment(msgspec.Struct, frozen=True, gc=False):
    """What the events of a person can borrow from each other.

    `newest`: of each field the position of the last event to borrow it from. `keys`: the last position at which each handlID
    and lead was offered. `clicking`: the fragments to borrow clicks from, each with the classes of its events that do;
    `fragments`: all of the person.
    """

    newest: Mapping[str, LogPosition]
    keys: Mapping[Key, LogPosition]
    clicking: Mapping[UUID, frozenset[int]]
    fragments: Sequence[Fragment]

    @classmethod
    def of(cls, owner: Owner, consents: Iterable[Mapping[str, str]]) -> MergedFragment:
        """Return what the fragments of a person offer; `consents`: of each, that of its events that state none."""
        newest: dict[str, LogPosition] = {}
        keys: dict[Key, LogPosition] = {}
        clicking: dict[UUID, frozenset[int]] = {}
        for fragment, consent in zip(owner.fragments, consents, strict=True):
            denied = (
                frozenset(OUTRANKING[signal] for signal in OUTRANKING if consent.get(signal) == "denied")
                if consent
                else _NOTHING
            )
            handl = links(fragment.keys).handl
            is_own_browser = handl is None or handl in owner.exclusive
            for at, event_id, fields in fragment.groups:
                seen = at, event_id
                for name in _offered(fields, denied, is_own_browser=is_own_browser):
                    if name not in newest or newest[name] < seen:
                        newest[name] = seen
                    if name == KEY:
                        for key in _identifying(fragment.keys):
                            _raise_to(keys, key, seen)
                    elif name == "fbc":
                        clicking[fragment.id] = _classes(denied - {"a"})
            for kind, value, known_at, event_id in fragment.known or ():
                key = Key(kind % CLASSES, value)
                if key.kind in (Kind.HANDL, Kind.LEAD) and kind // CLASSES in _classes(denied - {"a"}):
                    _raise_to(keys, key, (known_at, event_id))
        return cls(newest, keys, clicking, owner.fragments)


def offered_clicks(merged: MergedFragment, graph: IdentityGraph) -> list[OfferedClick]:
    """Return the clicks that a person offers, by when they were seen first; raise `LookupNeeded` if they must be looked up.

    Once for a person, not for each of its events: there may be as many clicks as events.
    """
    if missing := [fragment.id for fragment in merged.fragments if fragment.id not in graph.clicks]:
        raise LookupNeeded(clicks=missing)
    first: dict[int, LogPosition] = {}
    offered: dict[int, LogPosition] = {}
    for fragment in merged.fragments:
        classes = merged.clicking.get(fragment.id, frozenset())
        for grade, digest, seen_at, event_id in graph.clicks[fragment.id]:
            seen = seen_at, event_id
            if digest not in first or seen < first[digest]:
                first[digest] = seen
            if grade in classes and (digest not in offered or seen < offered[digest]):
                offered[digest] = seen
    return sorted((first[digest], source) for digest, source in offered.items())


def _is_offered(name: str, letters: str, denied: frozenset[str], *, is_own_browser: bool) -> bool:
    """Return whether a field is offered by an event that grants `letters` itself, where its person has denied others."""
    if name in _BROWSER:
        if not is_own_browser:
            return False
        needed = denied if name == "ga_client_id" else denied - {"a"}
    elif name in _TRAITS:
        needed = denied - {"a"}
    else:
        return False
    return not needed or needed.issubset(letters)


@lru_cache(maxsize=4096)
def _offered(fields: str, denied: frozenset[str], *, is_own_browser: bool) -> tuple[str, ...]:
    """Return the names of the fields of a group that are offered. Cached, as most events carry the same few combinations."""
    split = (field.partition("+") for field in fields.split())
    return tuple(
        name for name, _, letters in split if _is_offered(name, letters, denied, is_own_browser=is_own_browser)
    )


def _raise_to(newest: dict[Name, LogPosition], name: Name, at: LogPosition) -> None:
    if name not in newest or newest[name] < at:
        newest[name] = at


def _identifying(keys: Keys) -> Iterable[Key]:
    """Return the keys of an event that may identify its person's other events: of a public event only the browser."""
    of = links(keys)
    return [key for key in ((of.handl,) if keys.is_public else (of.handl, of.lead)) if key]


@lru_cache(maxsize=16)
def _classes(needed: frozenset[str]) -> frozenset[int]:
    """Return the classes of events (GRADES, from 1) that grant at least the signals with these letters."""
    return frozenset(number for number, field in enumerate(GRADES, 1) if needed.issubset(field.partition("+")[2]))
