"""The rules of identity together, over what has been looked up: whose an event is, and what it gets. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dispatcher.identity.browsers import BrowserRules
from dispatcher.identity.enrichment import Asked, Enrichment, find_enrichment
from dispatcher.identity.graph import IdentityGraph
from dispatcher.identity.keys import Keys, LogPosition, position
from dispatcher.identity.membership import Membership, Owner
from dispatcher.identity.merged import MergedFragment, OfferedClick, offered_clicks
from dispatcher.identity.permission import PermissionRules
from dispatcher.identity.persons import ALONE, Person, PersonRules
from dispatcher.identity.profile import Profile
from dispatcher.models import Event


class IdentityRules:
    """Answers questions about events; raises `LookupNeeded` where more must be looked up first."""

    def __init__(self, graph: IdentityGraph) -> None:
        self.graph = graph
        self.persons = PersonRules(graph)
        self.browsers = BrowserRules(graph, self.persons)
        self.membership = Membership(graph, self.persons, self.browsers)
        self._permission = PermissionRules(graph, self.persons, self.browsers)
        self._merged: dict[Person, MergedFragment] = {}
        self._clicks: dict[Person, Sequence[OfferedClick]] = {}
        self._alone: dict[Keys, Owner] = {}
        self._together: set[Keys] = set()

    def owner(self, keys: Keys, at: LogPosition) -> Owner:
        """Return the person of the event with `keys` at `at`, and everything of that person."""
        owner = self._alone.get(keys)
        if owner is None and keys not in self._together and (owner := self.membership.only_fragment(keys)):
            self._alone[keys] = owner
        if owner:
            return owner
        person = self.person(keys, at)
        self._together.add(keys)
        return self.membership.owner(person, keys) if not keys.is_empty else Owner(person, (), frozenset())

    def person(self, keys: Keys, at: LogPosition) -> Person:
        """Return the person of the event with `keys` at `at`."""
        return self.browsers.person_of(keys, at) if not keys.is_empty else Person(ALONE, str(at[1]))

    def enrichment(self, event: Event, keys: Keys, own: Profile) -> Enrichment:
        """Return what an event with `keys` gets from its person; `own` is its profile without that."""
        at = position(event.occurred_at, event.id)
        owner = self.owner(keys, at)
        consent = {} if owner.is_silent else self._permission.of(owner, keys, self.persons.known(keys, event.id))
        return find_enrichment(Asked(event.id, keys, at, own, owner, self._merged_of(owner), consent), self._clicks_of)

    def _clicks_of(self, owner: Owner) -> Sequence[OfferedClick]:
        clicks = self._clicks.get(owner.person)
        if clicks is None:
            clicks = self._clicks[owner.person] = offered_clicks(self._merged_of(owner), self.graph)
        return clicks

    def _merged_of(self, owner: Owner) -> MergedFragment:
        merged = self._merged.get(owner.person)
        if merged is None:
            consents: list[Mapping[str, str]] = [
                {}
                if owner.is_silent
                else self._permission.of(owner, fragment.keys, self.persons.known(fragment.keys, -1))
                for fragment in owner.fragments
            ]
            merged = self._merged[owner.person] = MergedFragment.of(owner, consents)
        return merged
