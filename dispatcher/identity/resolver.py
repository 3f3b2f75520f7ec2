"""Resolve the profiles of a batch of events from the fragments in PostgreSQL.

All events of a batch share their queries, round by round, until every event has its profile: one round if no event's
person has other events, two or three otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from dispatcher.database.connections import Queries
from dispatcher.identity.enrichment import PARTS, BorrowedField, Enrichment, enrich
from dispatcher.identity.fragments import Click, Fact, Group, KnownKey, fold, fragment_id, unpack
from dispatcher.identity.graph import Fragment, IdentityGraph, LookupNeeded, Missing
from dispatcher.identity.keys import KEY_LIMIT, Key, Keys, Kind, LogPosition, all_keys, keys_of, position
from dispatcher.identity.membership import Owner
from dispatcher.identity.persons import Person
from dispatcher.identity.profile import Profile, profile_from_event
from dispatcher.identity.rules import IdentityRules
from dispatcher.models import ClaimedEvent, Event

_decode = msgspec.json.Decoder(
    list[tuple[UUID, tuple[str, str, str, str, str, bool], list[Group], list[KnownKey] | None]]
).decode

_KINDS = tuple(Kind)

Answer = TypeVar("Answer")

END: LogPosition = (2**62, 0)
"""After every event."""
MOST_FRAGMENTS = KEY_LIMIT + 2
"""How many fragments of a key are read: one of them may hold the key alone, which is no combination."""


class PersonResolver:
    """The resolver that uses everything that intake has folded."""

    def __init__(self, database: Queries) -> None:
        self._database = database

    async def resolve(self, events: Sequence[Event]) -> list[Profile]:
        """Return the profile of each event, in order."""
        found = await self.look_up(events)
        return [profile or profile_from_event(event) for event, profile in zip(events, found, strict=True)]

    async def look_up(self, events: Sequence[Event | ClaimedEvent]) -> list[Profile | None]:
        """Return the profile of each event, in order; None if only the event itself is known.

        In most funnels most conversions are the first of their person; the first query tells these apart.
        """
        found: list[Profile | None] = [None] * len(events)
        decoded = [event.decoded() for event in events]
        carried = [keys_of(event) for event in decoded]
        graph, numbers = await self._load_connected(decoded, carried)
        connected = [decoded[number] for number in numbers]
        enrichments = await self.find_enrichments(connected, graph, [carried[number] for number in numbers])
        by_id = {event.id: event for event in connected}
        borrowed_fields = await self._borrowed_fields(by_id, [enrichment.sources for _, enrichment in enrichments])
        for number, (own, enrichment) in zip(numbers, enrichments, strict=True):
            borrowed = {
                field: part
                for field, source in enrichment.sources.items()
                if (part := borrowed_fields.get((PARTS[field], source)))
            }
            found[number] = enrich(own, enrichment, borrowed)
        return found

    async def find_connected(self, events: Sequence[Event]) -> list[int]:
        """Return the indices of the events that share a key with another event."""
        _, numbers = await self._load_connected(events, [keys_of(event) for event in events])
        return numbers

    async def find_enrichments(
        self, events: Sequence[Event], graph: IdentityGraph | None = None, carried: Sequence[Keys] | None = None
    ) -> list[tuple[Profile, Enrichment]]:
        """Return the own profile of each event and what it gets from its person, in order."""
        rules = IdentityRules(graph or IdentityGraph())
        own = [profile_from_event(event) for event in events]
        keys = carried or [keys_of(event) for event in events]
        return await self._answer(
            rules,
            len(events),
            lambda number: (own[number], rules.enrichment(events[number], keys[number], own[number])),
        )

    async def find_owners(self, events: Sequence[Event]) -> list[Owner]:
        """Return the owner of each event, in order."""
        return await self.owners_of([(keys_of(event), position(event.occurred_at, event.id)) for event in events])

    async def owners_of(self, carried: Sequence[tuple[Keys, LogPosition]]) -> list[Owner]:
        """Return the owner of an event with each of some keys, at each of some positions, in order."""
        graph = IdentityGraph()
        await self._look_up(graph, LookupNeeded(keys={key for keys, _ in carried for key in all_keys(keys)}))
        rules = IdentityRules(graph)
        return await self._answer(rules, len(carried), lambda number: rules.owner(*carried[number]))

    async def persons_of(
        self, carried: Sequence[tuple[Keys, LogPosition]], graph: IdentityGraph | None = None
    ) -> list[Person]:
        """Return the person of an event with each of some keys, at each of some positions, in order."""
        rules = IdentityRules(graph or IdentityGraph())
        return await self._answer(rules, len(carried), lambda number: rules.person(*carried[number]))

    async def ask(self, count: int, question: Callable[[IdentityRules, int], Answer]) -> list[Answer]:
        """Return the answers to `count` questions, numbered from 0, whatever must be looked up for them."""
        rules = IdentityRules(IdentityGraph())
        return await self._answer(rules, count, lambda number: question(rules, number))

    async def _answer(self, rules: IdentityRules, count: int, ask: Callable[[int], Answer]) -> list[Answer]:
        """Return the answers to some questions; what is missing for any of them is looked up together."""
        answers: dict[int, Answer] = {}
        while True:
            missing = Missing()
            for number in range(count):
                if number not in answers:
                    try:
                        answers[number] = ask(number)
                    except LookupNeeded as needed:
                        missing.add(needed)
            if not missing:
                return [answers[number] for number in range(count)]
            together = missing.error()
            if together.keys:
                # What stands beside what was found is mostly needed next: together it is one query less.
                together.keys |= rules.graph.unexplored()
            await self._look_up(rules.graph, together)

    async def _load_connected(
        self, events: Sequence[Event], keys_of_each: Sequence[Keys]
    ) -> tuple[IdentityGraph, list[int]]:
        """Look up which other events carry the events' keys; return the graph and the indices of connected events."""
        graph = IdentityGraph()
        if not events:
            return graph, []
        carried = [all_keys(keys) for keys in keys_of_each]
        carriers: dict[Key, int] = {}
        for event, keys in zip(events, carried, strict=True):
            for key in keys:
                carriers[key] = 0 if key in carriers else event.id
        await self._load_fragments(graph, carriers)
        numbers = [number for number, keys in enumerate(carried) if any(key in graph.fragments for key in keys)]
        for number in numbers:
            if isolated := [key for key in carried[number] if key not in graph.fragments]:
                _add_alone(graph, isolated, events[number])
        return graph, numbers

    async def _look_up(self, graph: IdentityGraph, missing: LookupNeeded) -> None:
        if missing.keys:
            await self._load_fragments(graph, dict.fromkeys(missing.keys, 0))
            for key in missing.keys - graph.fragments.keys():
                graph.add(key, ())
        if missing.moments:
            questions = list(missing.moments)
            params = {
                "fragments": [fragment for fragment, _ in questions],
                "ats": [at for _, (at, _) in questions],
                "ids": [event_id for _, (_, event_id) in questions],
            }
            for row in await self._database.run("find_around", params):
                graph.around[questions[row.number - 1]] = (
                    (row.before_at, row.before_id) if row.before_at is not None else None,
                    (row.after_at, row.after_id) if row.after_at is not None else None,
                )
        if missing.events:
            graph.events |= await self._read_events_singly(missing.events)
        if missing.clicks:
            clicks: dict[UUID, list[Click]] = {fragment: [] for fragment in missing.clicks}
            for row in await self._database.run("read_clicks", {"fragments": list(clicks)}):
                clicks[row.fragment_id].append(Click(row.grade, row.digest, row.at, row.event_id))
            graph.clicks |= clicks

    async def _read_events_singly(self, fragments: Iterable[UUID]) -> Mapping[UUID, Sequence[Fact]]:
        found: dict[UUID, list[Fact]] = {fragment: [] for fragment in fragments}
        params = {"fragments": list(found), "limit": KEY_LIMIT}
        for row in await self._database.run("read_fragment_facts", params):
            keys = Keys.of(None, row.handl_id, None, None, public=row.public)
            at = position(row.occurred_at, row.id)
            found[row.fragment_id].append(Fact.of(at, keys, row.sealed, row.visitor, row.consent))
        return found

    async def _load_fragments(self, graph: IdentityGraph, carriers: Mapping[Key, int]) -> None:
        """Load the fragments of some keys into the graph.

        Each key comes with an event id. A key that only this event carries is left out; with 0 every key is loaded.
        """
        by_kind: dict[int, dict[str, int]] = {}
        for key, event_id in carriers.items():
            by_kind.setdefault(int(key.kind), {})[key.value] = event_id
        params = {"keys": Jsonb(by_kind), "most": MOST_FRAGMENTS}
        decoded: dict[str, list[Fragment]] = {}  # most fragments are found by two keys
        for row in await self._database.run("read_fragments", params):
            key = Key(_KINDS[row.kind - 1], row.key)
            fragments: Sequence[Fragment] = ()
            if (text := row.text) is not None:
                if text not in decoded:
                    decoded[text] = [
                        Fragment(each, Keys(*keys), groups, known) for each, keys, groups, known in _decode(text)
                    ]
                fragments = decoded[text]
            graph.add(key, fragments, over_limit=row.is_over_limit)
            if row.refusals:
                graph.marks[key] = unpack(row.refusals)

    async def _borrowed_fields(
        self, events: Mapping[int, Event], missing: Iterable[Mapping[str, int]]
    ) -> Mapping[tuple[str, int], BorrowedField]:
        """Return what is to be borrowed, by part and event id; what `events` does not hold is read from the log."""
        wanted = {(PARTS[field], event_id) for sources in missing for field, event_id in sources.items()}
        found = {
            (part, event_id): BorrowedField(events[event_id].occurred_at, getattr(events[event_id], part))
            for part, event_id in wanted
            if event_id in events
        }
        if others := wanted - found.keys():
            ids = {part: [event_id for of, event_id in others if of == part] for part in set(PARTS.values())}
            rows = await self._database.run("read_sources", ids)
            found |= {(row.part, row.id): BorrowedField(row.occurred_at, row.content) for row in rows}
        return found


def _add_alone(graph: IdentityGraph, keys: Iterable[Key], event: Event) -> None:
    """Add keys that only one event carries: what was folded of them is what that event folds into."""
    carried = keys_of(event)
    fact = Fact.of(position(event.occurred_at, event.id), carried, event.sealed, event.visitor, event.consent)
    for found, folded in fold([fact]).items():
        fragment = Fragment(fragment_id(found), found, folded.groups, folded.known)
        for key in keys:
            if (folded.known is not None) == (key.kind == Kind.ACCOUNT):
                graph.add(key, [fragment])
