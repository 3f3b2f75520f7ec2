"""Who belongs together: whose event this is, and which facets may lend it what it lacks. Pure.

An account is a boundary. An event with an account is that account's. One without belongs to the account that signed in
on its own handlID or lead: the last before it, else the first after. If none did, the same over one handlID or lead
between. If none did either, it is anonymous, and shares what the other anonymous facets of its keys know.

A facet lends to the one person that all its keys point to; where they point to several, or one of its keys is crowded
(carried in so many combinations that it says nothing about who somebody is: an office computer, a test lead), it lends
nothing. So no trait crosses from one account to another, whatever is shared. Nor does a key: it stands for a person only
while nothing that carries it points to anybody else.
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
"""A handlID or lead of more facets than this is crowded; of an account so many are looked at."""


class Kind(IntEnum):
    """What a key is."""

    ACCOUNT = 1
    HANDL = 2
    LEAD = 3


class Key(NamedTuple):
    """One identifier."""

    kind: Kind
    value: str


class Fragment(msgspec.Struct, frozen=True, gc=False):
    """The events that carry the same keys, and what each of them told last."""

    keys: Keys
    groups: Sequence[Group]


class SignIns(msgspec.Struct, frozen=True, gc=False):
    """The account that last signed in on a key before an event, and the one that first did after, with when."""

    before: tuple[LogPosition, str] | None = None
    after: tuple[LogPosition, str] | None = None


class LookupNeeded(Exception):  # noqa: N818 - it is a question, not an error
    """What must be looked up before the question can be answered."""

    def __init__(self, *, keys: set[Key] | None = None, sign_ins: set[tuple[Key, LogPosition]] | None = None) -> None:
        super().__init__()
        self.keys = keys or set()
        self.sign_ins = sign_ins or set()


class Owner(msgspec.Struct, gc=False):
    """Whose an event is, and the facets that lend to it.

    `shared`: keys of the lenders that others use as well: they identify nobody but the events that carry them.
    """

    account_id: str
    sources: Sequence[Fragment]
    shared: frozenset[Key]
    _offer: MergedFragment | None = None

    @property
    def offer(self) -> MergedFragment:
        """What the lenders know together; found once for all events of the relation."""
        if self._offer is None:
            self._offer = MergedFragment.of(self)
        return self._offer


class Fields(msgspec.Struct, frozen=True, gc=False):
    """Fields by kind; those of a browser with the values that make them."""

    traits: Sequence[str]
    google_traits: Sequence[str]
    browser: Sequence[tuple[str, Sequence[str]]]
    consents: Sequence[str]


@lru_cache(maxsize=1024)
def _fields(names: frozenset[str]) -> Fields:
    """Give some fields by kind; persons tell the same ones again and again."""
    return Fields(
        [name for name in TRAITS if name in names],
        [name for name in GOOGLE_TRAITS if name in names],
        [(field, values) for field, values in BROWSER if field in names],
        [kind for kind in CONSENTS if kind in names],
    )


class MergedFragment(msgspec.Struct, frozen=True, gc=False):
    """What the lenders of a relation know together.

    `newest`: for each field the stamp of the event that told it last; `fields`: these by kind. `handls`, `leads`: those
    that are nobody else's, newest first. `earliest_key`: the one of them under which the person was seen first; without
    any, the account.
    """

    newest: Mapping[str, LogPosition]
    fields: Fields
    handls: Sequence[str]
    leads: Sequence[str]
    earliest_key: str | None
    _sources: Sequence[Fragment]
    _browsers: dict[str, Mapping[str, LogPosition]]

    @classmethod
    def of(cls, relation: Owner) -> MergedFragment:
        """Join what is known."""
        last: dict[Key, LogPosition] = {}
        first: list[tuple[LogPosition, Key]] = []
        for fragment in relation.sources:
            at, began = seen(fragment), first_seen(fragment)
            for key in links(fragment.keys):
                if key not in relation.shared:
                    first.append((began, key))
                    if key not in last or last[key] < at:
                        last[key] = at
        keys = sorted(last, key=last.__getitem__, reverse=True)
        newest = _newest(relation.sources)
        return cls(
            newest,
            _fields(frozenset(newest)),
            [key.value for key in keys if key.kind is Kind.HANDL],
            [key.value for key in keys if key.kind is Kind.LEAD],
            min(first)[1].value if first else relation.account_id or None,
            relation.sources,
            {},
        )

    def newest_on(self, handl_id: str) -> Mapping[str, LogPosition]:
        """Give, for each field, the stamp of the event that told it last on one browser."""
        if len(self._sources) == 1:
            return self.newest if self._sources[0].keys.handl_id == handl_id else {}
        if handl_id not in self._browsers:
            self._browsers[handl_id] = _newest(
                [fragment for fragment in self._sources if fragment.keys.handl_id == handl_id]
            )
        return self._browsers[handl_id]


def _newest(fragments: Iterable[Fragment]) -> Mapping[str, LogPosition]:
    """Give for each field that some facets know the stamp of the event that told it last."""
    newest: dict[str, LogPosition] = {}
    for at, event_id, fields in sorted(group for fragment in fragments for group in fragment.groups[:-1]):
        newest |= dict.fromkeys(_split(fields), (at, event_id))
    return newest


@lru_cache(maxsize=1024)
def _split(fields: str) -> list[str]:
    return fields.split()


class IdentityGraph:
    """What has been looked up of the facets and sign-ins around some events.

    `facets`: those that carry a key; of a crowded one none. `over_limit_keys`: the crowded keys, with whether anybody signed in on
    them.
    """

    def __init__(self) -> None:
        self.fragments: dict[Key, Sequence[Fragment]] = {}
        self.over_limit_keys: dict[Key, bool] = {}
        self.sign_ins: dict[tuple[Key, LogPosition], SignIns] = {}
        self._owners: dict[Keys, str] = {}
        self._pointing: dict[Keys, str | None] = {}
        self._relations: dict[str | tuple[Key, ...], Owner] = {}

    def relate(self, keys: Keys, at: LogPosition) -> Owner:
        """Say whose the event with `keys` at `at` is, and who lends to it; raise `Missing` if more must be known."""
        account = keys.account_id or self._owner(keys, at)
        whose = account or links(keys)
        if whose not in self._relations:
            self._relations[whose] = self._of_account(account) if account else self._of_nobody(keys)
        return self._relations[whose]

    def _of_account(self, account: str) -> Owner:
        own = self._look([Key(Kind.ACCOUNT, account)])[:KEY_LIMIT]
        used = {key for fragment in own for key in links(fragment.keys)}
        direct = self._sources(used, account)
        between = {key for fragment in direct for key in links(fragment.keys)} - used
        return self._relation(account, [*own, *direct, *self._sources(between, account)])

    def _of_nobody(self, keys: Keys) -> Owner:
        own = links(keys)
        if self._is_alone(keys):
            return Owner("", self.fragments[own[0]], frozenset())
        return self._relation("", self._sources(own, ""))

    def _relation(self, account: str, sources: Sequence[Fragment]) -> Owner:
        keys = {key for fragment in sources for key in links(fragment.keys)}
        only = set(self._unshared(keys, account))
        for carried, person in self._persons(self._without_account(only)).items():
            if person not in {account, ""}:
                only.difference_update(links(carried))
        return Owner(account, _distinct(sources), frozenset(keys - only))

    def _sources(self, keys: Collection[Key], account: str) -> list[Fragment]:
        """Give the facets without an account on `keys` that all the same are `account`'s; "": nobody's."""
        candidates = self._without_account(self._unshared(keys, account))
        pointing = self._persons(candidates)
        return [fragment for fragment in candidates if pointing[fragment.keys] == account]

    def _persons(self, fragments: Iterable[Fragment]) -> dict[Keys, str | None]:
        """Say of each facet to whom it points; what is missing to say so of any is asked for at once."""
        missing: set[Key] = set()
        for fragment in fragments:
            if fragment.keys not in self._pointing:
                try:
                    self._pointing[fragment.keys] = self._person(fragment.keys)
                except LookupNeeded as more:
                    missing |= more.keys
        if missing:
            raise LookupNeeded(keys=missing)
        return {fragment.keys: self._pointing[fragment.keys] for fragment in fragments}

    def _owner(self, keys: Keys, at: LogPosition) -> str:
        """Say whose an event without an account is, by who signed in when; remembered where the time does not matter."""
        if keys in self._owners:
            return self._owners[keys]
        own = links(keys)
        self._must_know(own)
        if self._is_alone(keys):
            return self._owners.setdefault(keys, "")
        contested = [key for key in own if self._is_signed_in(key)]
        if contested:
            accounts = {account for key in contested for account in self._accounts(key)}
            if len(accounts) == 1 and not any(self._is_over_limit(key) for key in contested):
                return self._owners.setdefault(keys, accounts.pop())
            if account := self._signed_in(contested, at):
                return account
        between = self._between(own)
        accounts = {account for key in between for account in self._accounts(key)}
        if len(accounts) > 1:
            return self._signed_in(between, at)
        owner = accounts.pop() if accounts else ""
        return owner if contested else self._owners.setdefault(keys, owner)

    def _person(self, keys: Keys) -> str | None:
        """Say which account all of a facet's keys point to, by no time in particular; "": none, None: more than one."""
        if keys.account_id:
            return keys.account_id
        own = links(keys)
        self._must_know(own)
        if any(self._is_over_limit(key) for key in own):
            return None
        accounts = {account for key in own for account in self._accounts(key)}
        if not accounts:
            accounts = {account for key in self._between(own) for account in self._accounts(key)}
        return next(iter(accounts), "") if len(accounts) <= 1 else None

    def _between(self, own: Sequence[Key]) -> list[Key]:
        """Give the other keys that facets without an account carry beside `own`."""
        beside = {
            key
            for near in self._linking(own)
            for fragment in self.fragments[near]
            if not fragment.keys.account_id
            for key in links(fragment.keys)
        }
        return sorted(self._linking(beside.difference(own)), key=lambda key: (key.kind.value, key.value))

    def _linking(self, keys: Collection[Key]) -> Iterator[Key]:
        """Give those of `keys` that are not crowded."""
        self._must_know(keys)
        return (key for key in keys if not self._is_over_limit(key))

    def _unshared(self, keys: Collection[Key], account: str) -> list[Key]:
        """Give those of `keys` that are not crowded, and on which no other account signed in."""
        return [key for key in self._linking(keys) if self._accounts(key) <= {account}]

    def _without_account(self, keys: Collection[Key]) -> list[Fragment]:
        return [fragment for fragment in self._look(keys) if not fragment.keys.account_id]

    def _signed_in(self, keys: Sequence[Key], at: LogPosition) -> str:
        asked = [(key, at) for key in keys if self._is_signed_in(key)]
        if missing := [question for question in asked if question not in self.sign_ins]:
            raise LookupNeeded(sign_ins=set(missing))
        found = [self.sign_ins[question] for question in asked]
        if before := [sign_in.before for sign_in in found if sign_in.before]:
            return max(before)[1]
        if after := [sign_in.after for sign_in in found if sign_in.after]:
            return min(after)[1]
        return ""

    def _must_know(self, keys: Iterable[Key]) -> None:
        if missing := [key for key in keys if key not in self.fragments]:
            raise LookupNeeded(keys=set(missing))

    def _look(self, keys: Collection[Key]) -> list[Fragment]:
        self._must_know(keys)
        return [fragment for key in keys for fragment in self.fragments[key]]

    def _accounts(self, key: Key) -> set[str]:
        return {fragment.keys.account_id for fragment in self.fragments[key] if fragment.keys.account_id}

    def _is_signed_in(self, key: Key) -> bool:
        """Say whether anybody ever signed in on a key."""
        return self.over_limit_keys[key] if key in self.over_limit_keys else bool(self._accounts(key))

    def _is_over_limit(self, key: Key) -> bool:
        return key in self.over_limit_keys

    def _is_alone(self, keys: Keys) -> bool:
        """Say whether all that carries any of `keys`, an account not among them, carries just these."""
        carried = [self.fragments[key] for key in links(keys)]
        return bool(carried) and all(len(fragments) == 1 and fragments[0].keys == keys for fragments in carried)


@lru_cache(maxsize=4096)
def links(keys: Keys) -> tuple[Key, ...]:
    """Give the handlID and the lead, which lead from one event to another."""
    pairs = ((Kind.HANDL, keys.handl_id), (Kind.LEAD, keys.lead_id))
    return tuple(Key(kind, value) for kind, value in pairs if value)


def all_keys(keys: Keys) -> list[Key]:
    """Give the account, the handlID and the lead, as far as there are any."""
    return [*([Key(Kind.ACCOUNT, keys.account_id)] if keys.account_id else []), *links(keys)]


def seen(fragment: Fragment) -> LogPosition:
    """Give when a facet was last seen."""
    at, event_id, _ = fragment.groups[0]
    return at, event_id


def first_seen(fragment: Fragment) -> LogPosition:
    """Give when a facet was first seen."""
    at, event_id, _ = fragment.groups[-1]
    return -at, -event_id


def _distinct(fragments: Iterable[Fragment]) -> list[Fragment]:
    """Give the facets once each, in an order that depends on nothing but themselves."""
    return [fragment for _, fragment in sorted({fragment.keys: fragment for fragment in fragments}.items())]
