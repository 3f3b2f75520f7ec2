"""The identity graph: which account an event belongs to, and which fragments it may borrow from. Pure.

An account is a boundary. An event with an account belongs to that account. An event without one belongs to the account
that signed in on its handlID or lead: the last before the event, else the first after it. If none did, the same rule
applies to the keys one step away. If none did there either, the event is anonymous, and shares what the other anonymous
fragments of its keys know.

A fragment is a source for one person only: the one that all its keys point to. If they point to several, or if one of
them is over the limit (in so many combinations that it identifies nobody: an office computer, a test lead), it is a
source for none. So no trait crosses from one account to another, whatever they share. Nor does a key: it identifies a
person only while nothing that carries it points to anybody else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

import msgspec

from dispatcher.consent import CONSENTS
from dispatcher.identity.fragments import BROWSER, GOOGLE_TRAITS, TRAITS, Group, Keys, LogPosition

KEY_LIMIT = 32
"""A handlID or lead of more fragments than this is over the limit; of an account at most this many fragments are read."""


class Kind(IntEnum):
    """The kind of a key."""

    ACCOUNT = 1
    HANDL = 2
    LEAD = 3


class Key(NamedTuple):
    """One identifier."""

    kind: Kind
    value: str


class Fragment(msgspec.Struct, frozen=True, gc=False):
    """All events with the same keys: which of them was the last to carry each field."""

    keys: Keys
    groups: Sequence[Group]


class SignIns(msgspec.Struct, frozen=True, gc=False):
    """The sign-ins on a key around an event: the last before it and the first after it, each with its account."""

    before: tuple[LogPosition, str] | None = None
    after: tuple[LogPosition, str] | None = None


class LookupNeeded(Exception):  # noqa: N818 - it is a question, not an error
    """The keys and sign-ins that must be looked up before the graph can answer."""

    def __init__(self, *, keys: set[Key] | None = None, sign_ins: set[tuple[Key, LogPosition]] | None = None) -> None:
        super().__init__()
        self.keys = keys or set()
        self.sign_ins = sign_ins or set()


class Owner(msgspec.Struct, gc=False):
    """The person that an event belongs to, and the fragments that it may borrow from.

    `account_id` is empty for an anonymous person. `shared` holds the keys of the sources that others use as well: they
    identify only the events that carry them.
    """

    account_id: str
    sources: Sequence[Fragment]
    shared: frozenset[Key]
    _merged: MergedFragment | None = None

    @property
    def merged(self) -> MergedFragment:
        """All sources merged; computed once for all events of the owner."""
        if self._merged is None:
            self._merged = MergedFragment.of(self)
        return self._merged


class Fields(msgspec.Struct, frozen=True, gc=False):
    """Fields by kind; browser fields with the visitor's values that belong to them."""

    traits: Sequence[str]
    google_traits: Sequence[str]
    browser: Sequence[tuple[str, Sequence[str]]]
    consents: Sequence[str]


@lru_cache(maxsize=1024)
def _fields(names: frozenset[str]) -> Fields:
    """Return the fields by kind. Cached, as most persons have the same few combinations."""
    return Fields(
        [name for name in TRAITS if name in names],
        [name for name in GOOGLE_TRAITS if name in names],
        [(field, values) for field, values in BROWSER if field in names],
        [kind for kind in CONSENTS if kind in names],
    )


class MergedFragment(msgspec.Struct, frozen=True, gc=False):
    """All sources of an owner as one.

    `newest`: of each field the position of the last event that has it; `fields`: the same fields by kind. `handls`,
    `leads`: those that nobody else uses, newest first. `earliest_key`: the one of them under which the person was seen
    first; the account if there are none.
    """

    newest: Mapping[str, LogPosition]
    fields: Fields
    handls: Sequence[str]
    leads: Sequence[str]
    earliest_key: str | None
    _sources: Sequence[Fragment]
    _browsers: dict[str, Mapping[str, LogPosition]]

    @classmethod
    def of(cls, owner: Owner) -> MergedFragment:
        """Return the sources of `owner`, merged."""
        last: dict[Key, LogPosition] = {}
        first: list[tuple[LogPosition, Key]] = []
        for fragment in owner.sources:
            at, began = last_seen(fragment), first_seen(fragment)
            for key in links(fragment.keys):
                if key not in owner.shared:
                    first.append((began, key))
                    if key not in last or last[key] < at:
                        last[key] = at
        keys = sorted(last, key=last.__getitem__, reverse=True)
        newest = _newest(owner.sources)
        return cls(
            newest,
            _fields(frozenset(newest)),
            [key.value for key in keys if key.kind is Kind.HANDL],
            [key.value for key in keys if key.kind is Kind.LEAD],
            min(first)[1].value if first else owner.account_id or None,
            owner.sources,
            {},
        )

    def newest_on(self, handl_id: str) -> Mapping[str, LogPosition]:
        """Return `newest` for the events of one browser."""
        if len(self._sources) == 1:
            return self.newest if self._sources[0].keys.handl_id == handl_id else {}
        if handl_id not in self._browsers:
            self._browsers[handl_id] = _newest(
                [fragment for fragment in self._sources if fragment.keys.handl_id == handl_id]
            )
        return self._browsers[handl_id]


def _newest(fragments: Iterable[Fragment]) -> Mapping[str, LogPosition]:
    """Return, for each field that a fragment has, the position of the last event that has it."""
    newest: dict[str, LogPosition] = {}
    for at, event_id, fields in sorted(group for fragment in fragments for group in fragment.groups[:-1]):
        newest |= dict.fromkeys(_split(fields), (at, event_id))
    return newest


@lru_cache(maxsize=1024)
def _split(fields: str) -> list[str]:
    return fields.split()


class IdentityGraph:
    """The fragments and sign-ins that have been looked up around some events.

    `fragments`: by key; none for a key over the limit. `over_limit`: the keys over the limit, and whether anybody signed
    in on each. `sign_ins`: by key and position.
    """

    def __init__(self) -> None:
        self.fragments: dict[Key, Sequence[Fragment]] = {}
        self.over_limit: dict[Key, bool] = {}
        self.sign_ins: dict[tuple[Key, LogPosition], SignIns] = {}
        self._event_accounts: dict[Keys, str] = {}
        self._fragment_accounts: dict[Keys, str | None] = {}
        self._owners: dict[str | tuple[Key, ...], Owner] = {}

    def find_owner(self, keys: Keys, at: LogPosition) -> Owner:
        """Return the owner of the event with `keys` at `at`; raise `LookupNeeded` if more must be looked up first."""
        account = keys.account_id or self._account_of_event(keys, at)
        person = account or links(keys)
        if person not in self._owners:
            self._owners[person] = self._account_owner(account) if account else self._anonymous_owner(keys)
        return self._owners[person]

    def _account_owner(self, account: str) -> Owner:
        own = self._fragments_of([Key(Kind.ACCOUNT, account)])[:KEY_LIMIT]
        used = {key for fragment in own for key in links(fragment.keys)}
        direct = self._anonymous_sources(used, account)
        one_step_away = {key for fragment in direct for key in links(fragment.keys)} - used
        return self._build_owner(account, [*own, *direct, *self._anonymous_sources(one_step_away, account)])

    def _anonymous_owner(self, keys: Keys) -> Owner:
        own = links(keys)
        if self._is_isolated(keys):
            return Owner("", self.fragments[own[0]], frozenset())
        return self._build_owner("", self._anonymous_sources(own, ""))

    def _build_owner(self, account: str, sources: Sequence[Fragment]) -> Owner:
        keys = {key for fragment in sources for key in links(fragment.keys)}
        exclusive = set(self._unshared(keys, account))
        for carried, person in self._accounts_of_fragments(self._anonymous_fragments(exclusive)).items():
            if person not in {account, ""}:
                exclusive.difference_update(links(carried))
        return Owner(account, _distinct(sources), frozenset(keys - exclusive))

    def _anonymous_sources(self, keys: Collection[Key], account: str) -> list[Fragment]:
        """Return the fragments without an account on `keys` that belong to `account` all the same; "": to no account."""
        candidates = self._anonymous_fragments(self._unshared(keys, account))
        accounts = self._accounts_of_fragments(candidates)
        return [fragment for fragment in candidates if accounts[fragment.keys] == account]

    def _accounts_of_fragments(self, fragments: Iterable[Fragment]) -> dict[Keys, str | None]:
        """Return `_account_of_fragment` of each; raise one `LookupNeeded` with what is missing for all of them."""
        missing: set[Key] = set()
        for fragment in fragments:
            if fragment.keys not in self._fragment_accounts:
                try:
                    self._fragment_accounts[fragment.keys] = self._account_of_fragment(fragment.keys)
                except LookupNeeded as needed:
                    missing |= needed.keys
        if missing:
            raise LookupNeeded(keys=missing)
        return {fragment.keys: self._fragment_accounts[fragment.keys] for fragment in fragments}

    def _account_of_event(self, keys: Keys, at: LogPosition) -> str:
        """Return the account that owns an event without an account, from sign-in history; "": none.

        The result is cached where it does not depend on the time.
        """
        if keys in self._event_accounts:
            return self._event_accounts[keys]
        own = links(keys)
        self._require(own)
        if self._is_isolated(keys):
            return self._event_accounts.setdefault(keys, "")
        signed_in = [key for key in own if self._has_sign_in(key)]
        if signed_in:
            accounts = {account for key in signed_in for account in self._accounts_of_key(key)}
            if len(accounts) == 1 and not any(self._is_over_limit(key) for key in signed_in):
                return self._event_accounts.setdefault(keys, accounts.pop())
            if account := self._account_signed_in(signed_in, at):
                return account
        one_step_away = self._keys_one_step_away(own)
        accounts = {account for key in one_step_away for account in self._accounts_of_key(key)}
        if len(accounts) > 1:
            return self._account_signed_in(one_step_away, at)
        account = accounts.pop() if accounts else ""
        return account if signed_in else self._event_accounts.setdefault(keys, account)

    def _account_of_fragment(self, keys: Keys) -> str | None:
        """Return the account that all keys of a fragment point to, at any time; "": none; None: more than one."""
        if keys.account_id:
            return keys.account_id
        own = links(keys)
        self._require(own)
        if any(self._is_over_limit(key) for key in own):
            return None
        accounts = {account for key in own for account in self._accounts_of_key(key)}
        if not accounts:
            accounts = {account for key in self._keys_one_step_away(own) for account in self._accounts_of_key(key)}
        return next(iter(accounts), "") if len(accounts) <= 1 else None

    def _keys_one_step_away(self, own: Sequence[Key]) -> list[Key]:
        """Return the other keys, within the limit, that fragments without an account carry beside `own`."""
        beside = {
            key
            for near in self._within_limit(own)
            for fragment in self.fragments[near]
            if not fragment.keys.account_id
            for key in links(fragment.keys)
        }
        return sorted(self._within_limit(beside.difference(own)), key=lambda key: (key.kind.value, key.value))

    def _within_limit(self, keys: Collection[Key]) -> Iterator[Key]:
        self._require(keys)
        return (key for key in keys if not self._is_over_limit(key))

    def _unshared(self, keys: Collection[Key], account: str) -> list[Key]:
        """Return those of `keys` that are within the limit and on which no other account signed in."""
        return [key for key in self._within_limit(keys) if self._accounts_of_key(key) <= {account}]

    def _anonymous_fragments(self, keys: Collection[Key]) -> list[Fragment]:
        return [fragment for fragment in self._fragments_of(keys) if not fragment.keys.account_id]

    def _account_signed_in(self, keys: Sequence[Key], at: LogPosition) -> str:
        """Return the account that signed in on any of `keys` last before `at`, else first after it; "": none."""
        questions = [(key, at) for key in keys if self._has_sign_in(key)]
        if missing := [question for question in questions if question not in self.sign_ins]:
            raise LookupNeeded(sign_ins=set(missing))
        found = [self.sign_ins[question] for question in questions]
        if before := [sign_in.before for sign_in in found if sign_in.before]:
            return max(before)[1]
        if after := [sign_in.after for sign_in in found if sign_in.after]:
            return min(after)[1]
        return ""

    def _require(self, keys: Iterable[Key]) -> None:
        if missing := [key for key in keys if key not in self.fragments]:
            raise LookupNeeded(keys=set(missing))

    def _fragments_of(self, keys: Collection[Key]) -> list[Fragment]:
        self._require(keys)
        return [fragment for key in keys for fragment in self.fragments[key]]

    def _accounts_of_key(self, key: Key) -> set[str]:
        return {fragment.keys.account_id for fragment in self.fragments[key] if fragment.keys.account_id}

    def _has_sign_in(self, key: Key) -> bool:
        """Return whether anybody ever signed in on a key."""
        return self.over_limit[key] if key in self.over_limit else bool(self._accounts_of_key(key))

    def _is_over_limit(self, key: Key) -> bool:
        return key in self.over_limit

    def _is_isolated(self, keys: Keys) -> bool:
        """Return whether every fragment on the handlID and lead of `keys` has exactly `keys`."""
        carried = [self.fragments[key] for key in links(keys)]
        return bool(carried) and all(len(fragments) == 1 and fragments[0].keys == keys for fragments in carried)


@lru_cache(maxsize=4096)
def links(keys: Keys) -> tuple[Key, ...]:
    """Return the handlID and the lead: the keys that lead from one event to another."""
    pairs = ((Kind.HANDL, keys.handl_id), (Kind.LEAD, keys.lead_id))
    return tuple(Key(kind, value) for kind, value in pairs if value)


def all_keys(keys: Keys) -> list[Key]:
    """Return the account, the handlID and the lead, those that there are."""
    return [*([Key(Kind.ACCOUNT, keys.account_id)] if keys.account_id else []), *links(keys)]


def last_seen(fragment: Fragment) -> LogPosition:
    """Return the position of a fragment's last event."""
    at, event_id, _ = fragment.groups[0]
    return at, event_id


def first_seen(fragment: Fragment) -> LogPosition:
    """Return the position of a fragment's first event."""
    at, event_id, _ = fragment.groups[-1]
    return -at, -event_id


def _distinct(fragments: Iterable[Fragment]) -> list[Fragment]:
    """Return the fragments without repeats, in an order that depends only on the fragments."""
    return [fragment for _, fragment in sorted({fragment.keys: fragment for fragment in fragments}.items())]
