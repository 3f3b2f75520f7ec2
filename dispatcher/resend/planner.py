"""Re-sends after a merge (design, part 6.8): once more where that adds an identifier and cannot count twice.

A merge is an event that ties keys together for the first time. To a destination that recognises a repeat (Meta), each
event of the person that was delivered is built again as of now; if it would carry an identifier that was not sent yet,
it is owed as a new revision, with the same event_id and event_time. A destination that recognises none (GA4) is told of
the merge itself, without any event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
import structlog
from psycopg.types.json import Jsonb

from dispatcher.database.connections import Database
from dispatcher.delivery.eligibility import refuse
from dispatcher.destinations.base import Destination, Payload
from dispatcher.identity.fragments import Keys, keys_of
from dispatcher.identity.graph import Owner, first_seen, links
from dispatcher.identity.profile import Profile
from dispatcher.identity.resolver import PersonResolver
from dispatcher.models import Delivery, Event, Route
from dispatcher.routing import DestinationRoutes, RoutingTable

log = structlog.get_logger()

MERGES = 500
EVENTS_PER_FRAGMENT = 200
"""So many of a facet's events are looked at, the newest: older ones are outside every window."""
IN_FLIGHT = timedelta(seconds=10)
"""When a merge is looked at again whose events were just being sent, by what was known before it."""


class Verdict(StrEnum):
    """What is to be done about one delivered event at one destination."""

    RESEND = "resend"
    NOTHING_GAINED = "nothing gained"
    WINDOW_CLOSED = "window closed: it would count twice"
    OTHER_ACCOUNT = "sent under another account"
    NOT_DELIVERED = "not delivered"  # whatever is still owed is built with all that is known anyway
    STILL_PENDING = "still owed"
    IN_FLIGHT = "in flight"
    REFUSED = "would be refused"


class Told(msgspec.Struct, frozen=True):
    """What one destination was told of one event."""

    event: Event
    revision: int | None
    ended_revision: int | None
    in_flight: bool
    delivered: bool
    account_id: str | None
    sent: list[str] | None
    first_at: datetime | None


class Decision(msgspec.Struct, frozen=True):
    """A verdict on one event at one destination, and the identifiers that a re-send would add."""

    destination: int
    told: Told
    verdict: Verdict
    gained: Sequence[str] = ()


def judge(
    told: Told, known: Profile, destination: Destination, route: Route | None, now: datetime
) -> tuple[Verdict, Sequence[str]]:
    """Say what is to be done about one event, and which identifiers it gained. Pure."""
    if told.in_flight:
        return Verdict.IN_FLIGHT, ()
    if told.revision != told.ended_revision:
        return Verdict.STILL_PENDING, ()
    if not told.delivered or told.revision is None or told.first_at is None or route is None:
        return Verdict.NOT_DELIVERED, ()
    again = Delivery(told.event, told.revision + 1, 0, told.first_at)
    try:
        built = destination.build(again, known, route, now)
    except Exception as error:  # noqa: BLE001 - whatever one event does to us, it harms itself only
        log.error("an event cannot be built", id=told.event.id, error=type(error).__name__)
        return Verdict.REFUSED, ()
    if not isinstance(built, Payload):
        return Verdict.REFUSED, ()
    gained = sorted({field for field in built.sent if ":" in field}.difference(told.sent or ()))
    if not gained:
        return Verdict.NOTHING_GAINED, ()
    if told.account_id is not None and told.account_id != known.account_id:
        return Verdict.OTHER_ACCOUNT, gained
    if refuse(again, route, destination.limits, now):
        return Verdict.WINDOW_CLOSED, gained
    return Verdict.RESEND, gained


class Resender:
    """Finds what a merge has made worth sending again, and owes it."""

    def __init__(self, database: Database, words: RoutingTable, destinations: Sequence[Destination]) -> None:
        self._database = database
        self._words = words
        self._destinations = destinations
        self._resolver = PersonResolver(database)

    async def step(self) -> bool:
        """Deal with the merges that are due; tell whether there were any."""
        claimed = await self._database.run("claim_merges", {"limit": MERGES})
        if not claimed:
            return False
        merges = [Event(*event) for _, *event in claimed if event[0] is not None]
        # Most merges are the first that is heard of anybody: then nothing was sent before that could have gained.
        acquainted = [merges[number] for number in await self._resolver.acquainted(merges)]
        relations = await self._resolver.relate(acquainted)
        nearby = await self._nearby(acquainted, relations)
        decisions = await self.consider(await self.events(await self._sent(set().union(*nearby.values()))))
        in_flight = {decision.told.event.id for decision in decisions if decision.verdict is Verdict.IN_FLIGHT}
        later = [merge for merge, events in nearby.items() if events & in_flight]
        owners = {event.id: relation.account_id for event, relation in zip(acquainted, relations, strict=True)}
        merge_notices = await self.merge_notices([(event, owners.get(event.id, event.account_id)) for event in merges])
        pending = await self._enqueue(
            [*_resends(decisions), *merge_notices], done={row[0] for row in claimed}.difference(later), later=later
        )
        if pending:
            log.info("merges dealt with", merges=len(claimed), pending=pending, **summary(decisions))
        return True

    async def _nearby(self, merges: Sequence[Event], relations: Sequence[Owner]) -> dict[int, set[int]]:
        """Give the ids of the newest events of each merge's person."""
        nearby: dict[int, set[int]] = {event.id: set() for event in merges}
        asked = [
            (event.id, fragment.keys)
            for event, relation in zip(merges, relations, strict=True)
            for fragment in relation.sources
        ]
        for number, event_id in await self._events_of_fragments([keys for _, keys in asked]):
            nearby[asked[number - 1][0]].add(event_id)
        return nearby

    async def _sent(self, ids: Iterable[int]) -> list[int]:
        """Give those of some events that were delivered, or are being sent: most wait still, and are sent with all that is known."""
        asked = {"ids": list(ids), "destinations": [words.id for _, words in await self._recognising()]}
        return [event_id for (event_id,) in await self._database.run("find_sent_events", asked)] if asked["ids"] else []

    async def _recognising(self) -> list[tuple[Destination, DestinationRoutes]]:
        """Give the destinations that recognise a repeat."""
        words = await self._words.destinations()
        return [
            (destination, words[destination.name])
            for destination in self._destinations
            if destination.limits.repeat is not None and words[destination.name].enabled
        ]

    async def consider(self, events: Sequence[Event]) -> list[Decision]:
        """Say for each event, at each destination that recognises a repeat, what is to be done."""
        if not events:
            return []
        persons = await self._resolver.resolve(events)
        known = {event.id: person for event, person in zip(events, persons, strict=True)}
        by_id = {event.id: event for event in events}
        now = (await self._database.run("read_clock"))[0][0]
        decisions: list[Decision] = []
        for destination, words in await self._recognising():
            asked = {"destination": words.id, "ids": list(known)}
            for *answer, event_id in await self._database.run("find_resend_candidates", asked):
                told = Told(by_id[event_id], *answer)
                route = words.routes.get(told.event.name)
                verdict, gained = judge(told, known[told.event.id], destination, route, now)
                decisions.append(Decision(words.id, told, verdict, gained))
        return decisions

    async def merges_among(self, events: Sequence[Event]) -> list[tuple[Event, str | None]]:
        """Give those of `events` that were the first to carry their keys together, each with its account."""
        relations = await self._resolver.relate(events)
        return [
            (event, relation.account_id)
            for event, relation in zip(events, relations, strict=True)
            if any(
                fragment.keys == keys_of(event) and first_seen(fragment)[1] == event.id for fragment in relation.sources
            )
        ]

    async def enqueue(self, decisions: Iterable[Decision], merge_notices: Iterable[dict[str, Any]]) -> int:
        """Owe what was decided; give how much of it nobody else had owed already."""
        return await self._enqueue([*_resends(decisions), *merge_notices], done=(), later=())

    async def events(self, ids: Iterable[int]) -> list[Event]:
        """Read some events."""
        asked = {"ids": list(ids)}
        return [Event(*row) for row in await self._database.run("read_events", asked)] if asked["ids"] else []

    async def events_of(self, relation: Owner) -> set[int]:
        """Give the ids of the newest events of a person."""
        rows = await self._events_of_fragments([fragment.keys for fragment in relation.sources])
        return {event_id for _, event_id in rows}

    async def _events_of_fragments(self, fragments: Sequence[Keys]) -> list[tuple[Any, ...]]:
        """Give the newest events of each facet, with its number (from 1)."""
        asked = {
            "accounts": [keys.account_id for keys in fragments],
            "handls": [keys.handl_id for keys in fragments],
            "leads": [keys.lead_id for keys in fragments],
            "limit": EVENTS_PER_FRAGMENT,
        }
        return await self._database.run("read_fragment_events", asked) if fragments else []

    async def merge_notices(self, merges: Iterable[tuple[Event, str | None]]) -> list[dict[str, Any]]:
        """Give the merges, each with the account it is for, that are to be told to destinations without an event.

        A merge that the destination receives as an event of its own has told it all already.
        """
        merges = [(event, account_id) for event, account_id in merges if account_id and links(keys_of(event))]
        if not merges:
            return []
        now = (await self._database.run("read_clock"))[0][0]
        merge_notices: list[dict[str, Any]] = []
        for destination in self._destinations:
            words = (await self._words.destinations())[destination.name]
            if destination.limits.repeat is not None or not words.enabled:
                continue
            untold = {
                event.id
                for event, _ in merges
                if event.name not in words.routes and not refuse(Delivery(event, 1), None, destination.limits, now)
            }
            if untold:
                rows = await self._database.run(
                    "find_resend_candidates", {"destination": words.id, "ids": list(untold)}
                )
                untold -= {event_id for revision, *_, event_id in rows if revision}
            merge_notices += [{"event_id": event_id, "destination": words.id, "revision": 1} for event_id in untold]
        return merge_notices

    async def _enqueue(self, resends: Iterable[dict[str, Any]], *, done: Iterable[int], later: Iterable[int]) -> int:
        rows = await self._database.run(
            "enqueue_resends",
            {"resends": Jsonb(list(resends)), "done": list(done), "later": list(later), "pause": IN_FLIGHT},
        )
        return int(rows[0][0])


def summary(decisions: Iterable[Decision]) -> dict[str, int]:
    """Count decisions by verdict; what was not delivered is none of a merge's business."""
    return dict(
        Counter(str(decision.verdict) for decision in decisions if decision.verdict is not Verdict.NOT_DELIVERED)
    )


def _resends(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    return [
        {
            "event_id": decision.told.event.id,
            "destination": decision.destination,
            "revision": (decision.told.revision or 0) + 1,
            "first_at": decision.told.first_at,
        }
        for decision in decisions
        if decision.verdict is Verdict.RESEND
    ]
