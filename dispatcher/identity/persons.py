"""Whose an event is by its keys, and whose a public event is. Pure. The cases: docs/identity.md.

An event belongs to the account it carries. Otherwise its lead and its e-mail addresses point to one: to the only account
recorded together with them, else to the only account recorded together with what stands beside them in one other event.
Without an account the person is the e-mail address, else the only one recorded beside the lead, else the lead, else the
phone. Where the rules leave a choice, the match is lost: two people are never mixed.
"""

from __future__ import annotations

from collections.abc import Iterable

from dispatcher.identity.graph import Fragment, IdentityGraph, LookupNeeded, Missing, first_seen, last_seen
from dispatcher.identity.keys import Key, Keys, Kind, links

Person = Key
"""A person is named by a key: an account, an e-mail address, a phone, a lead, a browser; or is one event alone."""

ALONE = 0
"""The kind of a person that is one event alone; its value is the event's id."""
TORN = -1
"""Likewise, of an event whose keys point to two accounts. No browser speaks for it."""
_NAMED_BY_ADDRESS = (Kind.ACCOUNT, Kind.EMAIL)


class PersonRules:
    """Finds persons by keys. A fragment of events that stand alone has several persons: its first and its last event."""

    def __init__(self, graph: IdentityGraph) -> None:
        self._graph = graph
        self._reach: dict[Key, tuple[int, frozenset[str]]] = {}
        self._base: dict[Keys, Person] = {}
        self._known: dict[Keys, Person] = {}
        self._holders: dict[Key, frozenset[Person]] = {}

    def known(self, keys: Keys, event_id: int) -> Person:
        """Return the person of an event by its keys."""
        person = self._known.get(keys)
        if person is None:
            person = self._known[keys] = self._leaf(keys) if keys.is_public else self._by_phone(keys)
        return _of_event(person, event_id)

    def of_fragment(self, fragment: Fragment) -> tuple[Person, ...]:
        """Return the person of a fragment's events; the first and the last of them if each is alone."""
        (_, first), (_, last) = first_seen(fragment), last_seen(fragment)
        person = self.known(fragment.keys, first)
        return (person,) if person.kind > ALONE or first == last else (person, self.known(fragment.keys, last))

    def of_fragments(self, fragments: Iterable[Fragment]) -> list[tuple[Fragment, tuple[Person, ...]]]:
        """Return `of_fragment` of each; raise one `LookupNeeded` with what is missing for all of them."""
        found: list[tuple[Fragment, tuple[Person, ...]]] = []
        missing = Missing()
        for fragment in fragments:
            try:
                found.append((fragment, self.of_fragment(fragment)))
            except LookupNeeded as needed:
                missing.add(needed)
        if missing:
            raise missing.error()
        return found

    def points_to(self, key: Key) -> tuple[int, frozenset[str]]:
        """Return the step at which a lead or e-mail address finds accounts (0: connects nobody), and those accounts."""
        found = self._reach.get(key)
        if found is None:
            found = self._reach[key] = self._find_accounts(key)
        return found

    def connects(self, key: Key) -> bool:
        """Return whether a lead or e-mail address connects those who carry it: not if it is contested."""
        self._graph.on(key)
        return key not in self._graph.over_limit and len(self.points_to(key)[1]) < 2

    def _find_accounts(self, key: Key) -> tuple[int, frozenset[str]]:
        graph = self._graph
        if near := graph.accounts(key):
            return 1, near
        if key in graph.over_limit:
            return 0, frozenset()
        beside = {other for fragment in graph.on(key) for other in links(fragment.keys).strong if other != key}
        if not beside:
            return 2, frozenset()
        graph.require(beside)
        return 2, frozenset().union(*map(graph.accounts, beside))

    def _accounts_named(self, keys: Keys) -> frozenset[str]:
        """Return the accounts that the lead and the e-mail addresses point to, by the nearer step."""
        strong = links(keys).strong
        self._graph.require(strong)
        if near := {account for key in strong if len(found := self._graph.accounts(key)) == 1 for account in found}:
            return frozenset(near)
        return frozenset(account for found in map(self.points_to, strong) if len(found[1]) == 1 for account in found[1])

    def _by_key(self, keys: Keys) -> Person:
        person = self._base.get(keys)
        if person is None:
            person = self._base[keys] = self._find_by_key(keys)
        return person

    def _find_by_key(self, keys: Keys) -> Person:
        if keys.account_id:
            return Key(Kind.ACCOUNT, keys.account_id)
        of = links(keys)
        if not of.strong:
            return Key(ALONE, "")
        if named := self._accounts_named(keys):
            return Key(Kind.ACCOUNT, *named) if len(named) == 1 else Key(TORN, "")
        if emails := [email for email in of.emails if self.connects(email)]:
            return min(emails)
        if of.lead and self.connects(of.lead):
            beside = {email for fragment in self._graph.on(of.lead) for email in links(fragment.keys).emails}
            if len(beside) == 1 and self.connects(email := beside.pop()):
                return email
            return of.lead
        return Key(ALONE, "")

    def _by_phone(self, keys: Keys) -> Person:
        """Return the person by key, or, where no e-mail address is known, by phone."""
        person = self._by_key(keys)
        if person.kind in _NAMED_BY_ADDRESS or person.kind == TORN or keys.emails:
            return person
        phones = set(links(keys).phones)
        if person.kind == Kind.LEAD:
            mine = [fragment for fragment in self._graph.on(person) if self._by_key(fragment.keys) == person]
            if any(fragment.keys.emails for fragment in mine):
                return person
            phones.update(phone for fragment in mine for phone in links(fragment.keys).phones)
        if not phones:
            return person
        self._graph.require(phones)
        phones -= self._graph.over_limit
        holders = [self._reachable_holders(phone) for phone in phones]
        if targets := {next(iter(found)) for found in holders if len(found) == 1}:
            target = targets.pop()
            return target if not targets and target.kind > ALONE else person
        free = [phone for phone, found in zip(phones, holders, strict=True) if not found]
        return min(free, default=person)

    def _reachable_holders(self, phone: Key) -> frozenset[Person]:
        """Return the persons with an account or e-mail address that have a phone."""
        found = self._holders.get(phone)
        if found is None:
            holders: set[Person] = set()
            missing = Missing()
            for fragment in self._graph.on(phone):
                try:
                    holders.update(self._holders_in(fragment))
                except LookupNeeded as needed:
                    missing.add(needed)
            if missing:
                raise missing.error()
            found = self._holders[phone] = frozenset(holders)
        return found

    def _holders_in(self, fragment: Fragment) -> set[Person]:
        person = self._by_key(fragment.keys)
        if person.kind in _NAMED_BY_ADDRESS:
            return {person}
        if person.kind == Kind.LEAD:
            mine = (other for other in self._graph.on(person) if self._by_key(other.keys) == person)
            return {person} if any(other.keys.emails for other in mine) else set()
        if not fragment.keys.emails:
            return set()
        return {_of_event(person, first_seen(fragment)[1]), _of_event(person, last_seen(fragment)[1])}

    def _leaf(self, keys: Keys) -> Person:
        """Return the person of a public event, by what events that are not public say of its first kind of key."""
        of = links(keys)
        for carried in (of.emails, of.phones, (of.lead,) if of.lead else ()):
            if not carried:
                continue
            self._graph.require(carried)
            is_phone = carried[0].kind == Kind.PHONE
            usable = [key for key in carried if (key not in self._graph.over_limit if is_phone else self.connects(key))]
            fragments = [fragment for key in usable for fragment in self._graph.on(key)]
            holders = {person for _, persons in self.of_fragments(fragments) for person in persons}
            if len(holders) == 1 and (holder := holders.pop()).kind > ALONE:
                return holder
            return min(usable) if usable and not holders and not fragments else Key(ALONE, "")
        return Key(ALONE, "")


def _of_event(person: Person, event_id: int) -> Person:
    return person if person.kind > ALONE else Key(person.kind, str(event_id))
