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
from dispatcher.identity.fragments import BROWSER, GOOGLE_TRAITS, TRAITS, Group, Keys, Stamp

CROWD = 32
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


class Facet(msgspec.Struct, frozen=True, gc=False):
    """The events that carry the same keys, and what each of them told last."""

    keys: Keys
    groups: Sequence[Group]


class SignIns(msgspec.Struct, frozen=True, gc=False):
    """The account that last signed in on a key before an event, and the one that first did after, with when."""

    before: tuple[Stamp, str] | None = None
    after: tuple[Stamp, str] | None = None


class Missing(Exception):  # noqa: N818 - it is a question, not an error
    """What must be looked up before the question can be answered."""

    def __init__(self, *, keys: set[Key] | None = None, sign_ins: set[tuple[Key, Stamp]] | None = None) -> None:
        super().__init__()
        self.keys = keys or set()
        self.sign_ins = sign_ins or set()


class Relation(msgspec.Struct, gc=False):
    """Whose an event is, and the facets that lend to it.

    `shared`: keys of the lenders that others use as well: they identify nobody but the events that carry them.
    """

    account_id: str
    lenders: Sequence[Facet]
    shared: frozenset[Key]
    _offer: Offer | None = None

    @property
    def offer(self) -> Offer:
        """What the lenders know together; found once for all events of the relation."""
        if self._offer is None:
            self._offer = Offer.of(self)
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


class Offer(msgspec.Struct, frozen=True, gc=False):
    """What the lenders of a relation know together.

    `newest`: for each field the stamp of the event that told it last; `fields`: these by kind. `handls`, `leads`: those
    that are nobody else's, newest first. `earliest_key`: the one of them under which the person was seen first; without
    any, the account.
    """

    newest: Mapping[str, Stamp]
    fields: Fields
    handls: Sequence[str]
    leads: Sequence[str]
    earliest_key: str | None
    _lenders: Sequence[Facet]
    _browsers: dict[str, Mapping[str, Stamp]]

    @classmethod
    def of(cls, relation: Relation) -> Offer:
        """Join what is known."""
        last: dict[Key, Stamp] = {}
        first: list[tuple[Stamp, Key]] = []
        for facet in relation.lenders:
            at, began = seen(facet), first_seen(facet)
            for key in links(facet.keys):
                if key not in relation.shared:
                    first.append((began, key))
                    if key not in last or last[key] < at:
                        last[key] = at
        keys = sorted(last, key=last.__getitem__, reverse=True)
        newest = _newest(relation.lenders)
        return cls(
            newest,
            _fields(frozenset(newest)),
            [key.value for key in keys if key.kind is Kind.HANDL],
            [key.value for key in keys if key.kind is Kind.LEAD],
            min(first)[1].value if first else relation.account_id or None,
            relation.lenders,
            {},
        )

    def newest_on(self, handl_id: str) -> Mapping[str, Stamp]:
        """Give, for each field, the stamp of the event that told it last on one browser."""
        if len(self._lenders) == 1:
            return self.newest if self._lenders[0].keys.handl_id == handl_id else {}
        if handl_id not in self._browsers:
            self._browsers[handl_id] = _newest([facet for facet in self._lenders if facet.keys.handl_id == handl_id])
        return self._browsers[handl_id]


def _newest(facets: Iterable[Facet]) -> Mapping[str, Stamp]:
    """Give for each field that some facets know the stamp of the event that told it last."""
    newest: dict[str, Stamp] = {}
    for at, event_id, fields in sorted(group for facet in facets for group in facet.groups[:-1]):
        newest |= dict.fromkeys(_split(fields), (at, event_id))
    return newest


@lru_cache(maxsize=1024)
def _split(fields: str) -> list[str]:
    return fields.split()


class Neighbourhood:
    """What has been looked up of the facets and sign-ins around some events.

    `facets`: those that carry a key; of a crowded one none. `crowds`: the crowded keys, with whether anybody signed in on
    them.
    """

    def __init__(self) -> None:
        self.facets: dict[Key, Sequence[Facet]] = {}
        self.crowds: dict[Key, bool] = {}
        self.sign_ins: dict[tuple[Key, Stamp], SignIns] = {}
        self._owners: dict[Keys, str] = {}
        self._pointing: dict[Keys, str | None] = {}
        self._relations: dict[str | tuple[Key, ...], Relation] = {}

    def relate(self, keys: Keys, at: Stamp) -> Relation:
        """Say whose the event with `keys` at `at` is, and who lends to it; raise `Missing` if more must be known."""
        account = keys.account_id or self._owner(keys, at)
        whose = account or links(keys)
        if whose not in self._relations:
            self._relations[whose] = self._of_account(account) if account else self._of_nobody(keys)
        return self._relations[whose]

    def _of_account(self, account: str) -> Relation:
        own = self._look([Key(Kind.ACCOUNT, account)])[:CROWD]
        used = {key for facet in own for key in links(facet.keys)}
        direct = self._lenders(used, account)
        between = {key for facet in direct for key in links(facet.keys)} - used
        return self._relation(account, [*own, *direct, *self._lenders(between, account)])

    def _of_nobody(self, keys: Keys) -> Relation:
        own = links(keys)
        if self._is_alone(keys):
            return Relation("", self.facets[own[0]], frozenset())
        return self._relation("", self._lenders(own, ""))

    def _relation(self, account: str, lenders: Sequence[Facet]) -> Relation:
        keys = {key for facet in lenders for key in links(facet.keys)}
        only = set(self._unshared(keys, account))
        for carried, person in self._persons(self._without_account(only)).items():
            if person not in {account, ""}:
                only.difference_update(links(carried))
        return Relation(account, _distinct(lenders), frozenset(keys - only))

    def _lenders(self, keys: Collection[Key], account: str) -> list[Facet]:
        """Give the facets without an account on `keys` that all the same are `account`'s; "": nobody's."""
        candidates = self._without_account(self._unshared(keys, account))
        pointing = self._persons(candidates)
        return [facet for facet in candidates if pointing[facet.keys] == account]

    def _persons(self, facets: Iterable[Facet]) -> dict[Keys, str | None]:
        """Say of each facet to whom it points; what is missing to say so of any is asked for at once."""
        missing: set[Key] = set()
        for facet in facets:
            if facet.keys not in self._pointing:
                try:
                    self._pointing[facet.keys] = self._person(facet.keys)
                except Missing as more:
                    missing |= more.keys
        if missing:
            raise Missing(keys=missing)
        return {facet.keys: self._pointing[facet.keys] for facet in facets}

    def _owner(self, keys: Keys, at: Stamp) -> str:
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
            if len(accounts) == 1 and not any(self._is_crowded(key) for key in contested):
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
        if any(self._is_crowded(key) for key in own):
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
            for facet in self.facets[near]
            if not facet.keys.account_id
            for key in links(facet.keys)
        }
        return sorted(self._linking(beside.difference(own)), key=lambda key: (key.kind.value, key.value))

    def _linking(self, keys: Collection[Key]) -> Iterator[Key]:
        """Give those of `keys` that are not crowded."""
        self._must_know(keys)
        return (key for key in keys if not self._is_crowded(key))

    def _unshared(self, keys: Collection[Key], account: str) -> list[Key]:
        """Give those of `keys` that are not crowded, and on which no other account signed in."""
        return [key for key in self._linking(keys) if self._accounts(key) <= {account}]

    def _without_account(self, keys: Collection[Key]) -> list[Facet]:
        return [facet for facet in self._look(keys) if not facet.keys.account_id]

    def _signed_in(self, keys: Sequence[Key], at: Stamp) -> str:
        asked = [(key, at) for key in keys if self._is_signed_in(key)]
        if missing := [question for question in asked if question not in self.sign_ins]:
            raise Missing(sign_ins=set(missing))
        found = [self.sign_ins[question] for question in asked]
        if before := [sign_in.before for sign_in in found if sign_in.before]:
            return max(before)[1]
        if after := [sign_in.after for sign_in in found if sign_in.after]:
            return min(after)[1]
        return ""

    def _must_know(self, keys: Iterable[Key]) -> None:
        if missing := [key for key in keys if key not in self.facets]:
            raise Missing(keys=set(missing))

    def _look(self, keys: Collection[Key]) -> list[Facet]:
        self._must_know(keys)
        return [facet for key in keys for facet in self.facets[key]]

    def _accounts(self, key: Key) -> set[str]:
        return {facet.keys.account_id for facet in self.facets[key] if facet.keys.account_id}

    def _is_signed_in(self, key: Key) -> bool:
        """Say whether anybody ever signed in on a key."""
        return self.crowds[key] if key in self.crowds else bool(self._accounts(key))

    def _is_crowded(self, key: Key) -> bool:
        return key in self.crowds

    def _is_alone(self, keys: Keys) -> bool:
        """Say whether all that carries any of `keys`, an account not among them, carries just these."""
        carried = [self.facets[key] for key in links(keys)]
        return bool(carried) and all(len(facets) == 1 and facets[0].keys == keys for facets in carried)


@lru_cache(maxsize=4096)
def links(keys: Keys) -> tuple[Key, ...]:
    """Give the handlID and the lead, which lead from one event to another."""
    pairs = ((Kind.HANDL, keys.handl_id), (Kind.LEAD, keys.lead_id))
    return tuple(Key(kind, value) for kind, value in pairs if value)


def all_keys(keys: Keys) -> list[Key]:
    """Give the account, the handlID and the lead, as far as there are any."""
    return [*([Key(Kind.ACCOUNT, keys.account_id)] if keys.account_id else []), *links(keys)]


def seen(facet: Facet) -> Stamp:
    """Give when a facet was last seen."""
    at, event_id, _ = facet.groups[0]
    return at, event_id


def first_seen(facet: Facet) -> Stamp:
    """Give when a facet was first seen."""
    at, event_id, _ = facet.groups[-1]
    return -at, -event_id


def _distinct(facets: Iterable[Facet]) -> list[Facet]:
    """Give the facets once each, in an order that depends on nothing but themselves."""
    return [facet for _, facet in sorted({facet.keys: facet for facet in facets}.items())]
