"""Whose an event is by its browser. Pure. The cases: docs/identity.md.

A browser is weak evidence: it speaks only where the keys lead to no account, for a person as a whole, and only if all
browsers of that person on which somebody signed in name the same account.
"""

from __future__ import annotations

from collections.abc import Sequence

from dispatcher.identity.fragments import CLASSES, MOST_KNOWN
from dispatcher.identity.graph import Fragment, IdentityGraph, carries_only_handl, first_seen
from dispatcher.identity.keys import Key, Keys, Kind, LogPosition, links, position_of
from dispatcher.identity.persons import ALONE, TORN, Person, PersonRules

MOST_STEPS = 8
"""How often a person's events and those of others may alternate on a browser before the question stays open."""
_CONTACT = (Kind.EMAIL, Kind.PHONE)


class BrowserRules:
    """Finds persons by keys and browser."""

    def __init__(self, graph: IdentityGraph, persons: PersonRules) -> None:
        self._graph = graph
        self._persons = persons
        self._joined: dict[Person, Person] = {}
        self._candidates: dict[Person, Person | None] = {}
        self._mine: dict[Person, Sequence[Fragment]] = {}
        self._alone: dict[Person, tuple[Keys, LogPosition]] = {}
        self._fixed: dict[Key, Person | None] = {}

    def person_of(self, keys: Keys, at: LogPosition) -> Person:
        """Return the person of an event."""
        known = self._persons.known(keys, at[1])
        if carries_only_handl(keys):
            return self._on_browser(Key(Kind.HANDL, keys.handl_id), known, at)
        if keys.is_public:
            return known
        self._alone[known] = keys, at
        return self.joined(known)

    def person_of_fragment(self, fragment: Fragment) -> Person | None:
        """Return the person of all events of a fragment, at any time; None: there is not one."""
        if carries_only_handl(fragment.keys):
            return self.settled(Key(Kind.HANDL, fragment.keys.handl_id))
        persons = self._register(fragment)
        if len(persons) > 1:
            return None
        return persons[0] if fragment.keys.is_public else self.joined(persons[0])

    def settled(self, handl: Key) -> Person | None:
        """Return the person of all events with only this handlID, whenever they happened; None: there is not one."""
        if handl not in self._fixed:
            self._fixed[handl] = self._find_settled(handl)
        return self._fixed[handl]

    def _find_settled(self, handl: Key) -> Person | None:
        self._graph.on(handl)
        if handl in self._graph.over_limit:
            return None
        seen = self._seen(handl)
        if accounts := self._signed_in(handl):
            return accounts.pop() if len(accounts) == 1 and seen == self._signed_in(handl) else None
        if seen:
            return self.joined(seen.pop()) if len(seen) == 1 else None
        public = {p for f in self._graph.publics[handl] if not carries_only_handl(f.keys) for p in self._register(f)}
        if not public:
            return handl
        person = public.pop()
        return None if public or person.kind == Kind.ACCOUNT else person

    def _on_browser(self, handl: Key, known: Person, at: LogPosition) -> Person:
        if self._signed_in(handl):
            return self._nearest(handl, at, known) or known
        return self.settled(handl) or known

    def joined(self, person: Person) -> Person:
        """Return the account that a person joins by its browsers, else the person itself."""
        if person.kind in (Kind.ACCOUNT, TORN):
            return person
        if person not in self._joined:
            self._joined[person] = self._find_joined(person)
        return self._joined[person]

    def _find_joined(self, person: Person) -> Person:
        account = self._candidate(person)
        if account is None:
            return person
        if self._has_contact(person) and (self._account_has_contact(account) or self._has_rival(account, person)):
            return person
        return account

    def _candidate(self, person: Person) -> Person | None:
        """Return the account that all browsers of a person name, of those on which somebody signed in."""
        if person not in self._candidates:
            self._candidates[person] = self._find_candidate(person)
        return self._candidates[person]

    def _find_candidate(self, person: Person) -> Person | None:
        browsers: dict[Key, list[LogPosition]] = {}
        for handl, first in self._browsers_of(person):
            browsers.setdefault(handl, []).append(first)
        self._graph.require(browsers)
        named: set[Person | None] = set()
        for handl, firsts in browsers.items():
            if handl in self._graph.over_limit:
                return None  # whoever signed in there, nobody can tell
            if not (accounts := self._signed_in(handl)):
                continue
            if self._has_contact(person):
                strangers = self._seen(handl) - accounts - {person}
                named.add(None if strangers or len(accounts) > 1 else accounts.pop())
            else:
                named.add(self._named_throughout(handl, person, min(firsts)))
        return named.pop() if len(named) == 1 else None

    def _named_throughout(self, handl: Key, person: Person, at: LogPosition) -> Person | None:
        """Return the account that signed in nearest to each event of a person without contact on a browser."""
        if person.kind <= ALONE:
            return self._nearest(handl, at, person)
        mine = [fragment for fragment in self._mine_of(person) if links(fragment.keys).handl == handl]
        name: Person | None = None
        for _ in range(MOST_STEPS):
            account = self._nearest(handl, at, person)
            if account is None or name not in (None, account):
                return None
            name = account
            others = [f for f, persons in self._carrying(handl) if not {account, person}.issuperset(persons)]
            if not (foreign := self._first_after(others, at)):
                return name
            if not (later := self._first_after(mine, foreign)):
                return name
            at = later
        return None

    def _first_after(self, fragments: Sequence[Fragment], at: LogPosition) -> LogPosition | None:
        around = self._graph.positions(fragments, at)
        return min((after for _, after in around.values() if after), default=None)

    def _nearest(self, handl: Key, at: LogPosition, person: Person) -> Person | None:
        """Return the account that signed in last before a position, else first after, if nobody else was seen between."""
        carrying = self._carrying(handl)
        accounts = self._signed_in(handl)
        if len(accounts) == 1 and all({person, *accounts}.issuperset(persons) for _, persons in carrying):
            return next(iter(accounts))
        around = self._graph.positions((fragment for fragment, _ in carrying), at)
        before = [(found, f.keys.account_id) for f, _ in carrying if f.keys.account_id and (found := around[f.id][0])]
        after = [(found, f.keys.account_id) for f, _ in carrying if f.keys.account_id and (found := around[f.id][1])]
        if not before and not after:
            return None
        signed_in, account_id = max(before) if before else min(after)
        account = Key(Kind.ACCOUNT, account_id)
        for fragment, persons in carrying:
            if {account, person}.issuperset(persons):
                continue
            last, following = around[fragment.id]
            if (last and last > signed_in) if before else (following and following < signed_in):
                return None
        return account

    def _has_contact(self, person: Person) -> bool:
        if person.kind in _CONTACT:
            return True
        if person.kind <= ALONE:
            keys, _ = self._alone[person]
            return bool(keys.emails or keys.phones)
        return any(fragment.keys.emails or fragment.keys.phones for fragment in self._mine_of(person))

    def _account_has_contact(self, account: Person) -> bool:
        """Return whether an account, by its keys, has an e-mail address or a phone; True if that is unknown."""
        known = self.known_keys(account)
        leads = [key for key in known if key.kind == Kind.LEAD]
        if len(leads) >= MOST_KNOWN or any(key.kind in _CONTACT for key in known):
            return True
        self._graph.require(leads)
        fragments = [f for lead in leads for f in self._graph.on(lead) if f.keys.emails or f.keys.phones]
        return any(persons == (account,) for _, persons in self._persons.of_fragments(fragments))

    def _has_rival(self, account: Person, person: Person) -> bool:
        """Return whether another person with an e-mail address or phone would join an account by its browsers."""
        browsers = [key for key in self.known_keys(account) if key.kind == Kind.HANDL]
        if len(browsers) >= MOST_KNOWN:
            return True
        self._graph.require(browsers)
        others = {other for handl in browsers for other in self._seen(handl)} - {person}
        return any(
            other.kind not in (Kind.ACCOUNT, TORN) and self._has_contact(other) and self._candidate(other) == account
            for other in sorted(others)
        )

    def known_keys(self, account: Person) -> set[Key]:
        """Return the newest keys of an account."""
        return {
            Key(kind % CLASSES, value)
            for fragment in self._graph.on(account)
            for kind, value, *_ in fragment.known or ()
        }

    def _browsers_of(self, person: Person) -> list[tuple[Key, LogPosition]]:
        """Return the browsers of a person, each with the position at which a fragment of theirs was first seen there."""
        if person.kind <= ALONE:
            keys, at = self._alone[person]
            handl = links(keys).handl
            return [(handl, at)] if handl else []
        return [
            (handl, first_seen(fragment)) for fragment in self._mine_of(person) if (handl := links(fragment.keys).handl)
        ]

    def _mine_of(self, person: Person) -> Sequence[Fragment]:
        """Return the fragments of a person without an account, by its keys."""
        if person not in self._mine:
            self._mine[person] = self._find_mine(person)
        return self._mine[person]

    def _find_mine(self, person: Person) -> Sequence[Fragment]:
        mine: dict[Keys, Fragment] = {}
        asked: set[Key] = set()
        frontier = self.naming(person)
        while frontier:
            self._graph.require(frontier)
            asked |= frontier
            around = [fragment for key in frontier for fragment in self._graph.on(key)]
            found = [f for f, persons in self._persons.of_fragments(around) if persons == (person,)]
            mine |= {fragment.keys: fragment for fragment in found}
            frontier = {key for f in found for key in (*links(f.keys).strong, *links(f.keys).phones)} - asked
        return list(mine.values())

    def naming(self, person: Person) -> set[Key]:
        """Return the keys from which the fragments of a person without an account are found.

        An e-mail address names the events with a lead beside it even where its own events belong to somebody else.
        """
        if person.kind != Kind.EMAIL:
            return {person}
        return {person, *(lead for f in self._graph.on(person) if (lead := links(f.keys).lead))}

    def _carrying(self, handl: Key) -> list[tuple[Fragment, tuple[Person, ...]]]:
        """Return the fragments of a browser that tell more than the browser, each with its persons by keys."""
        fragments = [fragment for fragment in self._graph.on(handl) if not carries_only_handl(fragment.keys)]
        found = self._persons.of_fragments(fragments)
        for fragment, _ in found:
            self._register(fragment)
        return found

    def _seen(self, handl: Key) -> set[Person]:
        return {person for _, persons in self._carrying(handl) for person in persons}

    def _signed_in(self, handl: Key) -> set[Person]:
        return {Key(Kind.ACCOUNT, account) for account in self._graph.accounts(handl)}

    def _register(self, fragment: Fragment) -> tuple[Person, ...]:
        persons = self._persons.of_fragment(fragment)
        for person in persons:
            if person.kind <= ALONE and person not in self._alone:
                self._alone[person] = fragment.keys, position_of(fragment.groups, person.value)
        return persons
