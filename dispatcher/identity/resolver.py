"""What is known of the persons of a batch of events, from the facets in PostgreSQL.

Questions are asked for the whole batch at once, a round at a time, until every event's are answered: one round where
nobody is known from elsewhere, two or three where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from psycopg.types.json import Jsonb

from dispatcher.database import Queries
from dispatcher.identity import Known, known_from
from dispatcher.identity.facets import Keys, Stamp, keys_of, stamp
from dispatcher.identity.lend import Lender, known, wanted
from dispatcher.identity.meaning import CROWD, Facet, Key, Kind, Missing, Neighbourhood, Relation, SignIns, links
from dispatcher.records import Event

_stamps = msgspec.json.Decoder(dict[str, Stamp]).decode

END: Stamp = (2**62, 0)
"""After everything that ever happened."""


class PersonResolver:
    """The resolver that knows everything the log tells."""

    def __init__(self, database: Queries) -> None:
        self._database = database

    async def resolve(self, events: Sequence[Event]) -> list[Known]:
        """Give what is known for each event, in their order."""
        found = await self.look_up(events)
        return [known or known_from(event.whole()) for event, known in zip(events, found, strict=True)]

    async def look_up(self, events: Sequence[Event]) -> list[Known | None]:
        """Give what is known for each event, in their order; None: nothing but what the event itself tells.

        Most conversions of most funnels are the first of their person: these are told apart by one cheap question.
        """
        found: list[Known | None] = [None] * len(events)
        numbers = await self.acquainted(events)
        acquainted = [events[number].whole() for number in numbers]
        relations = await self.relate(acquainted)
        borrowed = [wanted(event, relation) for event, relation in zip(acquainted, relations, strict=True)]
        lenders = await self._lenders(acquainted, {event_id for fields in borrowed for event_id in fields.values()})
        for number, event, relation, fields in zip(numbers, acquainted, relations, borrowed, strict=True):
            found[number] = known(event, relation, fields, lenders)
        return found

    async def acquainted(self, events: Sequence[Event]) -> list[int]:
        """Give the numbers of those events that share a key with another one."""
        keys = [keys_of(event) for event in events]
        accounts, handls, leads = zip(*keys, strict=True) if keys else ((), (), ())
        asked = {"accounts": Jsonb(accounts), "handls": Jsonb(handls), "leads": Jsonb(leads)}
        return [row[0] - 1 for row in await self._database.run("acquainted", asked)]

    async def relate(self, events: Sequence[Event]) -> list[Relation]:
        """Say for each event whose it is, and who lends to it."""
        around = Neighbourhood()
        relations: dict[int, Relation] = {}
        wait = Missing(keys={key for event in events for key in _all(keys_of(event))})
        while len(relations) < len(events):
            await self._look_up(around, wait)
            wait = Missing()
            for number, event in enumerate(events):
                if number not in relations:
                    try:
                        relations[number] = around.relate(keys_of(event), stamp(event.occurred_at, event.id))
                    except Missing as missing:
                        wait.keys |= missing.keys
                        wait.sign_ins |= missing.sign_ins
        return [relations[number] for number in range(len(events))]

    async def relate_keys(self, keys: Keys) -> Relation:
        """Say who lends to the owner of `keys` (an account, a handlID or a lead), by all that is known."""
        around = Neighbourhood()
        wait = Missing(keys=set(_all(keys)))
        while True:
            await self._look_up(around, wait)
            try:
                return around.relate(keys, END)
            except Missing as missing:
                wait = missing

    async def _look_up(self, around: Neighbourhood, missing: Missing) -> None:
        if missing.keys:
            asked = list(missing.keys)
            rows = await self._database.run(
                "facets",
                {
                    "kinds": Jsonb([key.kind.value for key in asked]),
                    "keys": Jsonb([key.value for key in asked]),
                    "limit": CROWD + 1,
                },
            )
            found: dict[tuple[int, str], list[Facet]] = {key: [] for key in asked}
            facets: dict[Keys, Facet] = {}  # most are found by two keys
            for kind, value, account_id, handl_id, lead_id, newest in rows:
                keys = Keys(account_id, handl_id, lead_id)
                if keys not in facets:
                    facets[keys] = Facet(keys, _stamps(newest))
                found[kind, value].append(facets[keys])
            around.facets.update(zip(asked, found.values(), strict=True))
        if missing.sign_ins:
            questions = list(missing.sign_ins)
            rows = await self._database.run(
                "sign_ins",
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

    async def _lenders(self, events: Iterable[Event], wanted: set[int]) -> Mapping[int, Lender]:
        lenders = {
            event.id: Lender(event.id, event.occurred_at, event.sealed, event.visitor, event.consent)
            for event in events
            if event.id in wanted
        }
        if others := wanted - lenders.keys():
            rows = await self._database.run("lenders", {"ids": list(others)})
            lenders |= {row[0]: Lender(*row) for row in rows}
        return lenders


def _all(keys: Keys) -> list[Key]:
    return [*([Key(Kind.ACCOUNT, keys.account_id)] if keys.account_id else []), *links(keys)]
