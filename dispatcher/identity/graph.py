"""What has been looked up around some events: the fragments of keys, the marks of keys, and who was seen when. Pure.

The rules (`persons`, `browsers`, `membership`) ask here. What was not looked up yet raises `LookupNeeded`; the resolver
looks it up for all events of a batch at once, and asks again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec

from dispatcher.identity.fragments import CLASSES, Click, Fact, Group, KnownKey
from dispatcher.identity.keys import KEY_LIMIT, Key, Keys, Kind, LogPosition, links

Moment = tuple[UUID, LogPosition]
"""A fragment and a position in the log."""
Around = tuple[LogPosition | None, LogPosition | None]
"""The last event of a fragment before a position, and the first after it."""


class Fragment(msgspec.Struct, frozen=True, gc=False):
    """All events with the same keys: which of them was the last to carry each field. `known`: see `fragments.Folded`."""

    id: UUID
    keys: Keys
    groups: Sequence[Group]
    known: Sequence[KnownKey] | None = None


class LookupNeeded(Exception):  # noqa: N818 - it is a question, not an error
    """The keys, moments, clicks and single events (both of fragments) to look up before the graph can answer."""

    def __init__(
        self,
        *,
        keys: Iterable[Key] = (),
        moments: Iterable[Moment] = (),
        clicks: Iterable[UUID] = (),
        events: Iterable[UUID] = (),
    ) -> None:
        super().__init__()
        self.keys = set(keys)
        self.moments = set(moments)
        self.clicks = set(clicks)
        self.events = set(events)


class Missing:
    """What several questions need. It holds no exception, whose traceback would keep everything alive in a cycle."""

    __slots__ = ("clicks", "events", "keys", "moments")

    def __init__(self) -> None:
        self.keys: set[Key] = set()
        self.moments: set[Moment] = set()
        self.clicks: set[UUID] = set()
        self.events: set[UUID] = set()

    def add(self, needed: LookupNeeded) -> None:
        """Add what one question needs."""
        self.keys |= needed.keys
        self.moments |= needed.moments
        self.clicks |= needed.clicks
        self.events |= needed.events

    def __bool__(self) -> bool:
        return bool(self.keys or self.moments or self.clicks or self.events)

    def error(self) -> LookupNeeded:
        """Return the question for all of it."""
        return LookupNeeded(keys=self.keys, moments=self.moments, clicks=self.clicks, events=self.events)


class IdentityGraph:
    """The fragments and positions that have been looked up.

    `fragments`: by key, those of events that are not public; none for a key over the limit. `publics`: those of public
    events. `over_limit`: the keys over the limit. `marks`: the refusals on each key. `around`: by moment. `clicks`: by fragment. `events`: the newest
    events of a fragment, one by one.
    """

    def __init__(self) -> None:
        self.fragments: dict[Key, Sequence[Fragment]] = {}
        self.publics: dict[Key, Sequence[Fragment]] = {}
        self.over_limit: set[Key] = set()
        self.marks: dict[Key, Mapping[str, LogPosition]] = {}
        self.around: dict[Moment, Around] = {}
        self.clicks: dict[UUID, Sequence[Click]] = {}
        self.events: dict[UUID, Sequence[Fact]] = {}
        self._accounts: dict[Key, frozenset[str]] = {}
        self._added: list[Key] = []

    def add(self, key: Key, fragments: Sequence[Fragment], *, over_limit: bool = False) -> None:
        """Add what was found of a key."""
        facts = [fragment for fragment in fragments if not fragment.keys.is_public]
        publics = [fragment for fragment in fragments if fragment.keys.is_public]
        if over_limit or exceeds_limit(key, facts):
            self.over_limit.add(key)
            facts = []
        self.fragments[key] = facts
        self._added.append(key)
        # Public events above the limit prove even less: they get nothing wrong if nothing is borrowed from them.
        self.publics[key] = publics if len(publics) <= KEY_LIMIT else ()

    def unexplored(self) -> set[Key]:
        """Return the keys that stand beside what was looked up last, and were not looked up themselves."""
        beside: set[Key] = set()
        for key in self._added:
            for fragment in (*self.fragments[key], *self.publics[key]):
                if fragment.known is not None:
                    beside.update(Key(kind % CLASSES, value) for kind, value, *_ in fragment.known)
                elif fragment.keys.account_id:
                    beside.add(Key(Kind.ACCOUNT, fragment.keys.account_id))
                else:
                    beside.update(links(fragment.keys).all)
        self._added.clear()
        return beside - self.fragments.keys()

    def require(self, keys: Iterable[Key]) -> None:
        """Raise `LookupNeeded` if any of `keys` was not looked up."""
        fragments = self.fragments
        for key in keys:
            if key not in fragments:
                raise LookupNeeded(keys=[key for key in keys if key not in fragments])

    def on(self, key: Key) -> Sequence[Fragment]:
        """Return the fragments of a key."""
        try:
            return self.fragments[key]
        except KeyError:
            raise LookupNeeded(keys=(key,)) from None

    def accounts(self, key: Key) -> frozenset[str]:
        """Return the accounts recorded together with a key."""
        found = self._accounts.get(key)
        if found is None:
            found = frozenset(fragment.keys.account_id for fragment in self.on(key) if fragment.keys.account_id)
            self._accounts[key] = found
        return found

    def positions(self, fragments: Iterable[Fragment], at: LogPosition) -> dict[UUID, Around]:
        """Return the events of each fragment around a position."""
        found: dict[UUID, Around] = {}
        missing: list[Moment] = []
        for fragment in fragments:
            first, last = first_seen(fragment), last_seen(fragment)
            if first > at:
                found[fragment.id] = None, first
            elif last < at:
                found[fragment.id] = last, None
            elif first == last:
                found[fragment.id] = None, None
            elif (fragment.id, at) in self.around:
                found[fragment.id] = self.around[fragment.id, at]
            else:
                missing.append((fragment.id, at))
        if missing:
            raise LookupNeeded(moments=missing)
        return found


def exceeds_limit(key: Key, fragments: Sequence[Fragment]) -> bool:
    """Return whether a key stands in too many combinations with other keys to say anything."""
    if key.kind == Kind.ACCOUNT or len(fragments) <= KEY_LIMIT:
        return False
    return sum(bool(f.keys.account_id) or len(links(f.keys).all) > 1 for f in fragments) > KEY_LIMIT


def last_seen(fragment: Fragment) -> LogPosition:
    """Return the position of a fragment's last event."""
    at, event_id, _ = fragment.groups[0]
    return at, event_id


def first_seen(fragment: Fragment) -> LogPosition:
    """Return the position of a fragment's first event."""
    at, event_id, _ = fragment.groups[-1]
    return -at, -event_id


def carries_only_handl(keys: Keys) -> bool:
    """Return whether a browser is all that is known."""
    return bool(keys.handl_id) and not any((keys.account_id, keys.lead_id, keys.emails, keys.phones))
