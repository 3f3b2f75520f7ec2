"""Resolve the profiles of a batch of events from the fragments in PostgreSQL.

All events of a batch share their queries, round by round, until every event has its profile: one round if no event's
person has other events, two or three otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from psycopg.types.json import Jsonb

from dispatcher.database.connections import Queries
from dispatcher.identity.enrichment import PARTS, BorrowedField, enrich, missing_fields
from dispatcher.identity.fragments import Group, Keys, LogPosition, keys_of, position
from dispatcher.identity.graph import (
    KEY_LIMIT,
    Fragment,
    IdentityGraph,
    Key,
    Kind,
    LookupNeeded,
    Owner,
    SignIns,
    all_keys,
)
from dispatcher.identity.profile import Profile, profile_from_event
from dispatcher.models import ClaimedEvent, Event, EventHead

_decode = msgspec.json.Decoder(list[tuple[str, str, str, list[Group]]]).decode

_KINDS = tuple(Kind)

END: LogPosition = (2**62, 0)
"""After every event."""


class PersonResolver:
    """The resolver that uses everything that intake has folded."""

    def __init__(self, database: Queries) -> None:
        self._database = database

    async def resolve(self, events: Sequence[Event]) -> list[Profile]:
        """Return the profile of each event, in order."""
        found = await self.look_up(events)
        return [profile or profile_from_event(event.decoded()) for event, profile in zip(events, found, strict=True)]

    async def look_up(self, events: Sequence[Event | ClaimedEvent]) -> list[Profile | None]:
        """Return the profile of each event, in order; None if only the event itself is known.

        In most funnels most conversions are the first of their person; the first query tells these apart.
        """
        found: list[Profile | None] = [None] * len(events)
        carried = [keys_of(event) for event in events]
        graph, numbers = await self._load_connected(events, carried)
        connected = [(events[number].decoded(), carried[number]) for number in numbers]
        if isolated := {key for _, keys in connected for key in all_keys(keys)} - graph.fragments.keys():
            await self._look_up(graph, LookupNeeded(keys=isolated))
        owners = await self._find_owners(graph, connected)
        lacking: list[tuple[Profile, dict[str, int]]] = []
        for (event, keys), owner in zip(connected, owners, strict=True):
            own = profile_from_event(event)
            lacking.append((own, missing_fields(event, keys, own, owner)))
        borrowed_fields = await self._borrowed_fields(
            {event.id: event for event, _ in connected}, [missing for _, missing in lacking]
        )
        for number, owner, (own, missing) in zip(numbers, owners, lacking, strict=True):
            borrowed = {
                field: part
                for field, source in missing.items()
                if (part := borrowed_fields.get((PARTS[field], source)))
            }
            found[number] = enrich(carried[number], own, owner, borrowed)
        return found

    async def find_connected(self, events: Sequence[EventHead]) -> list[int]:
        """Return the indices of the events that share a key with another event.

        A key over the limit counts only if somebody signed in on it.
        """
        _, numbers = await self._load_connected(events, [keys_of(event) for event in events])
        return numbers

    async def _load_connected(
        self, events: Sequence[EventHead], carried: Sequence[Keys]
    ) -> tuple[IdentityGraph, list[int]]:
        """Look up which other events carry the events' keys; return the graph and the indices of connected events."""
        graph = IdentityGraph()
        if not events:
            return graph, []
        await self._load_fragments(graph, [_carriers(keys, events) for keys in zip(*carried, strict=True)])
        # On a key over the limit only sign-ins say anything about the person.
        accounts, handls, leads = (
            {key.value for key in graph.fragments if key.kind is kind and graph.over_limit.get(key, True)}
            for kind in Kind
        )
        return graph, [
            number
            for number, keys in enumerate(carried)
            if keys.handl_id in handls or keys.lead_id in leads or keys.account_id in accounts
        ]

    async def find_owners(self, events: Sequence[EventHead]) -> list[Owner]:
        """Return the owner of each event, in order."""
        carried = [(event, keys_of(event)) for event in events]
        graph = IdentityGraph()
        await self._look_up(graph, LookupNeeded(keys={key for _, keys in carried for key in all_keys(keys)}))
        return await self._find_owners(graph, carried)

    async def _find_owners(self, graph: IdentityGraph, events: Sequence[tuple[EventHead, Keys]]) -> list[Owner]:
        owners: dict[int, Owner] = {}
        while True:
            missing = LookupNeeded()
            for number, (event, keys) in enumerate(events):
                if number not in owners:
                    try:
                        owners[number] = graph.find_owner(keys, position(event.occurred_at, event.id))
                    except LookupNeeded as needed:
                        missing.keys |= needed.keys
                        missing.sign_ins |= needed.sign_ins
            if len(owners) == len(events):
                return [owners[number] for number in range(len(events))]
            await self._look_up(graph, missing)

    async def find_owner_of_keys(self, keys: Keys) -> Owner:
        """Return the owner of `keys` (an account, a handlID or a lead), from everything known so far."""
        graph = IdentityGraph()
        missing = LookupNeeded(keys=set(all_keys(keys)))
        while True:
            await self._look_up(graph, missing)
            try:
                return graph.find_owner(keys, END)
            except LookupNeeded as needed:
                missing = needed

    async def _look_up(self, graph: IdentityGraph, missing: LookupNeeded) -> None:
        if missing.keys:
            await self._load_fragments(
                graph, [{key.value: 0 for key in missing.keys if key.kind is kind} for kind in Kind]
            )
            for key in missing.keys:
                graph.fragments.setdefault(key, ())
        if missing.sign_ins:
            questions = list(missing.sign_ins)
            rows = await self._database.run(
                "find_sign_ins",
                {
                    "kinds": [key.kind.value for key, _ in questions],
                    "keys": [key.value for key, _ in questions],
                    "ats": [at for _, (at, _) in questions],
                    "ids": [event_id for _, (_, event_id) in questions],
                },
            )
            for number, *before, after_at, after_id, after in rows:
                graph.sign_ins[questions[number - 1]] = SignIns(
                    ((before[0], before[1]), before[2]) if before[2] is not None else None,
                    ((after_at, after_id), after) if after is not None else None,
                )

    async def _load_fragments(self, graph: IdentityGraph, carriers: Sequence[Mapping[str, int]]) -> None:
        """Load the fragments of some keys (accounts, handlIDs, leads) into the graph.

        Each key comes with an event id. A key that only this event carries is left out; with 0 every key is loaded.
        """
        accounts, handls, leads = map(Jsonb, carriers)
        params = {"accounts": accounts, "handls": handls, "leads": leads, "key_limit": KEY_LIMIT}
        decoded: dict[str, list[Fragment]] = {}  # most fragments are found by two keys
        for kind, value, text, is_signed_in in await self._database.run("read_fragments", params):
            key = Key(_KINDS[kind - 1], value)
            if text is None:
                graph.over_limit[key] = is_signed_in
            elif text not in decoded:
                decoded[text] = [Fragment(Keys(*carried), groups) for *carried, groups in _decode(text)]
            graph.fragments[key] = decoded.get(text, ())

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
            found |= {(part, event_id): BorrowedField(at, content) for part, event_id, at, content in rows}
        return found


def _carriers(keys: Iterable[str], events: Iterable[EventHead]) -> dict[str, int]:
    """Return the id of the event that carries each key; 0 if several do."""
    carriers: dict[str, int] = {}
    for key, event in zip(keys, events, strict=True):
        if key:
            carriers[key] = 0 if key in carriers else event.id
    return carriers
