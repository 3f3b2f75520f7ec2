"""What is known of the persons of a batch of events, from the facets in PostgreSQL.

Questions are asked for the whole batch at once, a round at a time, until every event's are answered: one round where
nobody is known from elsewhere, two or three where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from psycopg.types.json import Jsonb

from dispatcher.database.connections import Queries
from dispatcher.identity.enrichment import PARTS, BorrowedField, known, missing_fields
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
from dispatcher.models import Event

_decode = msgspec.json.Decoder(list[tuple[str, str, str, list[Group]]]).decode

_KINDS = tuple(Kind)

END: LogPosition = (2**62, 0)
"""After everything that ever happened."""


class PersonResolver:
    """The resolver that knows everything the log tells."""

    def __init__(self, database: Queries) -> None:
        self._database = database

    async def resolve(self, events: Sequence[Event]) -> list[Profile]:
        """Give what is known for each event, in their order."""
        found = await self.look_up(events)
        return [known or profile_from_event(event.whole()) for event, known in zip(events, found, strict=True)]

    async def look_up(self, events: Sequence[Event]) -> list[Profile | None]:
        """Give what is known for each event, in their order; None: nothing but what the event itself tells.

        Most conversions of most funnels are the first of their person: these are told apart by the first question.
        """
        found: list[Profile | None] = [None] * len(events)
        carried = [keys_of(event) for event in events]
        around, numbers = await self._acquainted(events, carried)
        acquainted = [(events[number].whole(), carried[number]) for number in numbers]
        if alone := {key for _, keys in acquainted for key in all_keys(keys)} - around.fragments.keys():
            await self._look_up(around, LookupNeeded(keys=alone))
        relations = await self._relate(around, acquainted)
        lacking: list[tuple[Profile, dict[str, int]]] = []
        for (event, keys), relation in zip(acquainted, relations, strict=True):
            told = profile_from_event(event)
            lacking.append((told, missing_fields(event, keys, told, relation)))
        loans = await self._borrowed_fields(
            {event.id: event for event, _ in acquainted}, [borrowed for _, borrowed in lacking]
        )
        for number, relation, (told, borrowed) in zip(numbers, relations, lacking, strict=True):
            lent = {field: loan for field, by in borrowed.items() if (loan := loans.get((PARTS[field], by)))}
            found[number] = known(carried[number], told, relation, lent)
        return found

    async def acquainted(self, events: Sequence[Event]) -> list[int]:
        """Give the numbers of those events that others say something about: they share a key, and not just a crowded one."""
        _, numbers = await self._acquainted(events, [keys_of(event) for event in events])
        return numbers

    async def _acquainted(self, events: Sequence[Event], carried: Sequence[Keys]) -> tuple[IdentityGraph, list[int]]:
        """Look up what others carry of the keys of some events; give the numbers of the events that it concerns."""
        around = IdentityGraph()
        if not events:
            return around, []
        await self._fragments(around, [_carriers(keys, events) for keys in zip(*carried, strict=True)])
        # On a crowded key only those who signed in say anything about who somebody is.
        accounts, handls, leads = (
            {key.value for key in around.fragments if key.kind is kind and around.over_limit_keys.get(key, True)}
            for kind in Kind
        )
        return around, [
            number
            for number, keys in enumerate(carried)
            if keys.handl_id in handls or keys.lead_id in leads or keys.account_id in accounts
        ]

    async def relate(self, events: Sequence[Event]) -> list[Owner]:
        """Say for each event whose it is, and who lends to it."""
        carried = [(event, keys_of(event)) for event in events]
        around = IdentityGraph()
        await self._look_up(around, LookupNeeded(keys={key for _, keys in carried for key in all_keys(keys)}))
        return await self._relate(around, carried)

    async def _relate(self, around: IdentityGraph, events: Sequence[tuple[Event, Keys]]) -> list[Owner]:
        relations: dict[int, Owner] = {}
        while True:
            wait = LookupNeeded()
            for number, (event, keys) in enumerate(events):
                if number not in relations:
                    try:
                        relations[number] = around.relate(keys, position(event.occurred_at, event.id))
                    except LookupNeeded as missing:
                        wait.keys |= missing.keys
                        wait.sign_ins |= missing.sign_ins
            if len(relations) == len(events):
                return [relations[number] for number in range(len(events))]
            await self._look_up(around, wait)

    async def find_owner_of_keys(self, keys: Keys) -> Owner:
        """Say who lends to the owner of `keys` (an account, a handlID or a lead), by all that is known."""
        around = IdentityGraph()
        wait = LookupNeeded(keys=set(all_keys(keys)))
        while True:
            await self._look_up(around, wait)
            try:
                return around.relate(keys, END)
            except LookupNeeded as missing:
                wait = missing

    async def _look_up(self, around: IdentityGraph, missing: LookupNeeded) -> None:
        if missing.keys:
            await self._fragments(around, [{key.value: 0 for key in missing.keys if key.kind is kind} for kind in Kind])
            for key in missing.keys:
                around.fragments.setdefault(key, ())
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
                around.sign_ins[questions[number - 1]] = SignIns(
                    ((before[0], before[1]), before[2]) if before[2] is not None else None,
                    ((after_at, after_id), after) if after is not None else None,
                )

    async def _fragments(self, around: IdentityGraph, asked: Sequence[Mapping[str, int]]) -> None:
        """Look up who carries some keys (accounts, handlIDs and leads), but not if it is just the event given with it."""
        accounts, handls, leads = map(Jsonb, asked)
        parameters = {"accounts": accounts, "handls": handls, "leads": leads, "key_limit": KEY_LIMIT}
        fragments: dict[str, list[Fragment]] = {}  # most are found by two keys
        for kind, value, told, is_signed_in in await self._database.run("read_fragments", parameters):
            key = Key(_KINDS[kind - 1], value)
            if told is None:
                around.over_limit_keys[key] = is_signed_in
            elif told not in fragments:
                fragments[told] = [Fragment(Keys(*carried), groups) for *carried, groups in _decode(told)]
            around.fragments[key] = fragments.get(told, ())

    async def _borrowed_fields(
        self, events: Mapping[int, Event], borrowed: Iterable[Mapping[str, int]]
    ) -> Mapping[tuple[str, int], BorrowedField]:
        """Give what is borrowed, by part and event; most of it is read, some is at hand, of `events`."""
        asked = {(PARTS[field], event_id) for sources in borrowed for field, event_id in sources.items()}
        loans = {
            (part, event_id): BorrowedField(events[event_id].occurred_at, getattr(events[event_id], part))
            for part, event_id in asked
            if event_id in events
        }
        if others := asked - loans.keys():
            ids = {part: [event_id for of, event_id in others if of == part] for part in set(PARTS.values())}
            rows = await self._database.run("read_sources", ids)
            loans |= {(part, event_id): BorrowedField(at, told) for part, event_id, at, told in rows}
        return loans


def _carriers(keys: Iterable[str], events: Iterable[Event]) -> dict[str, int]:
    """Give for each key the event that carries it, 0 if several do."""
    carriers: dict[str, int] = {}
    for key, event in zip(keys, events, strict=True):
        if key:
            carriers[key] = 0 if key in carriers else event.id
    return carriers
