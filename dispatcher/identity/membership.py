"""The fragments of a person, and the keys that nobody else uses. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid5

import msgspec

from dispatcher.identity.browsers import BrowserRules
from dispatcher.identity.fragments import Fact, fold
from dispatcher.identity.graph import Fragment, IdentityGraph, LookupNeeded, Missing, carries_only_handl
from dispatcher.identity.keys import Key, Keys, Kind, links
from dispatcher.identity.persons import ALONE, Person, PersonRules


class Owner(msgspec.Struct, frozen=True, gc=False):
    """The person that an event belongs to, and the fragments of its events.

    `fragments` holds those of public events too, and, of an account, the one of the account alone. `exclusive`: the
    handlIDs and leads on which nobody else was seen.
    """

    person: Person
    fragments: Sequence[Fragment]
    exclusive: frozenset[Key]
    is_silent: bool = False
    """Whether it is certain that nobody stated any consent that concerns this person."""

    @property
    def account_id(self) -> str:
        """The account; empty if the person has none."""
        return self.person.value if self.person.kind == Kind.ACCOUNT else ""


class Membership:
    """Finds all fragments of a person: from its keys on, as long as more of its fragments are found."""

    def __init__(self, graph: IdentityGraph, persons: PersonRules, browsers: BrowserRules) -> None:
        self._graph = graph
        self._persons = persons
        self._browsers = browsers
        self._owners: dict[Person, Owner] = {}
        self._exclusive: dict[tuple[Key, Person], bool] = {}

    def owner(self, person: Person, keys: Keys) -> Owner:
        """Return everything of the person of an event with `keys`."""
        owner = self._owners.get(person)
        if owner is None:
            owner = self._owners[person] = self._find(person, keys)
        return owner

    def only_fragment(self, keys: Keys) -> Owner | None:
        """Return the owner of events whose keys nobody else carries, as most persons' are; None: it takes more to tell."""
        graph, of = self._graph, links(keys)
        if keys.account_id or keys.is_public:
            return None
        fragment: Fragment | None = None
        for key in of.all:
            found = graph.fragments.get(key)
            if not found or len(found) > 1 or found[0].keys != keys or graph.publics[key] or key in graph.marks:
                return None
            fragment = found[0]
        if fragment is None or any("+" in fields or "-" in fields for _, _, fields in fragment.groups):
            return None
        person = min(of.emails) if of.emails else min(of.phones) if of.phones else of.lead or of.handl
        if person is None:
            return None
        identifying = frozenset(key for key in (of.handl, of.lead) if key)
        return Owner(person, (fragment,), identifying, is_silent=True)

    def _find(self, person: Person, keys: Keys) -> Owner:
        mine: dict[Keys, Fragment] = {}
        asked: set[Key] = set()
        frontier = self._start(person, keys, mine)
        while frontier:
            self._graph.require(frontier)
            asked |= frontier
            found = self._found_on(frontier, person, mine)
            mine |= {fragment.keys: fragment for fragment in found}
            frontier = {key for fragment in found for key in _leading_on(fragment.keys)} - asked
        ordered = [fragment for _, fragment in sorted(mine.items())]
        identifying = {
            key for fragment in ordered for key in (links(fragment.keys).handl, links(fragment.keys).lead) if key
        }
        identifying |= {key for key in asked if key.kind in (Kind.HANDL, Kind.LEAD)}
        self._graph.require(identifying)
        return Owner(person, ordered, frozenset(key for key in identifying if self._is_exclusive(key, person)))

    def _start(self, person: Person, keys: Keys, mine: dict[Keys, Fragment]) -> set[Key]:
        if person.kind == Kind.ACCOUNT:
            mine |= {fragment.keys: fragment for fragment in self._graph.on(person)}
            return self._browsers.known_keys(person)
        if person.kind > ALONE:
            return self._browsers.naming(person)
        handl = links(keys).handl
        return {handl} if handl else set()

    def _found_on(self, frontier: set[Key], person: Person, mine: dict[Keys, Fragment]) -> list[Fragment]:
        found: list[Fragment] = []
        missing = Missing()
        for key in frontier:
            for fragment in (*self._graph.on(key), *self._graph.publics[key]):
                if fragment.keys in mine:
                    continue
                try:
                    mine_of_it = self._mine_of(fragment, person)
                except LookupNeeded as needed:
                    missing.add(needed)
                    continue
                if mine_of_it:
                    found.append(mine_of_it)
        if missing:
            raise missing.error()
        return found

    def _mine_of(self, fragment: Fragment, person: Person) -> Fragment | None:
        """Return what a fragment holds of the events of a person; None: nothing."""
        if fragment.keys.account_id:
            return fragment if (Kind.ACCOUNT, fragment.keys.account_id) == person else None
        whose = self._browsers.person_of_fragment(fragment)
        if whose or person.kind != Kind.ACCOUNT or not carries_only_handl(fragment.keys):
            return fragment if whose == person else None
        # Several persons used the browser, so each event is judged by its time.
        handl = Key(Kind.HANDL, fragment.keys.handl_id)
        if person.value not in self._graph.accounts(handl):
            return None
        if fragment.id not in self._graph.events:
            raise LookupNeeded(events=[fragment.id])
        return self._part_of(fragment, person)

    def _part_of(self, fragment: Fragment, person: Person) -> Fragment | None:
        facts: list[Fact] = []
        missing = Missing()
        for fact in self._graph.events[fragment.id]:
            try:
                if self._browsers.person_of(fragment.keys, fact.position) == person:
                    facts.append(fact)
            except LookupNeeded as needed:
                missing.add(needed)
        if missing:
            raise missing.error()
        if not facts:
            return None
        folded = fold(facts)[fragment.keys]
        part = Fragment(uuid5(fragment.id, person.value), fragment.keys, folded.groups)
        self._graph.clicks[part.id] = folded.clicks
        return part

    def _is_exclusive(self, key: Key, person: Person) -> bool:
        """Return whether nobody but `person` was seen with a handlID or lead."""
        if key in self._graph.over_limit:
            return False
        telling = [f for f in self._graph.on(key) if not carries_only_handl(f.keys)]
        telling = telling or [f for f in self._graph.publics[key] if not carries_only_handl(f.keys)]
        missing = Missing()
        for fragment in telling:
            try:
                if self._browsers.person_of_fragment(fragment) != person:
                    return False
            except LookupNeeded as needed:
                missing.add(needed)
        if missing:
            raise missing.error()
        return True


def _leading_on(keys: Keys) -> tuple[Key, ...]:
    """Return the keys of a member that lead to further members; of a public one only the browser.

    The newest keys of an account are known, so its own fragments lead nowhere.
    """
    if keys.account_id:
        return ()
    of = links(keys)
    return of.all if not keys.is_public else ((of.handl,) if of.handl else ())
