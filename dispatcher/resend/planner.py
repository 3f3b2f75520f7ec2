"""Plan re-sends after a merge (docs/identity.md): only where one adds an identifier and cannot count twice.

A merge is the first event that ties some keys together. At a destination that recognises repeats (Meta), each delivered
event of the person is built again as of now. If it would carry an identifier that was not sent yet, it is enqueued as a
new revision, with the same event_id and event_time. A destination that recognises no repeats (GA4) gets a notice of the
merge itself, without any event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
import structlog
from psycopg.types.json import Jsonb

from dispatcher.database.connections import Database, only_value, rows_as, scalars
from dispatcher.delivery.builder import build
from dispatcher.delivery.eligibility import refuse
from dispatcher.destinations.base import Destination, Payload
from dispatcher.identity.fragments import fragment_id
from dispatcher.identity.keys import Kind, keys_of, links
from dispatcher.identity.membership import Owner
from dispatcher.identity.profile import Profile
from dispatcher.identity.resolver import PersonResolver
from dispatcher.models import Delivery, Event, Route, SentAs
from dispatcher.quarantine import GIVEN_UP, Judge, is_events_doing, part
from dispatcher.routing import DestinationRoutes, RoutingTable

log = structlog.get_logger()

MERGES = 500
CLAIM_SECONDS = 12
"""How long merges are claimed that were claimed in vain before; twice as long at first. Longer than a hang may last."""
EVENTS_PER_FRAGMENT = 200
"""The newest events of a fragment that are looked at; older ones are outside every window."""
IN_FLIGHT = timedelta(seconds=10)
"""How soon a merge is looked at again if its events were being sent, built from what was known before the merge."""


class Decision(StrEnum):
    """What to do about one delivered event at one destination."""

    RESEND = "resend"
    NOTHING_GAINED = "nothing gained"
    WINDOW_CLOSED = "window closed: it would count twice"
    OTHER_ACCOUNT = "sent under another account"
    OTHER_DATASET = "sent to another dataset"
    NOT_DELIVERED = "not delivered"  # a pending delivery is built with everything known anyway
    STILL_PENDING = "still pending"
    IN_FLIGHT = "in flight"
    REFUSED = "would be refused"


class SentState(msgspec.Struct, frozen=True):
    """What one destination was sent of one event, and what is still pending there."""

    event_id: int
    revision: int | None
    ended_revision: int | None
    in_flight: bool
    delivered: bool
    account_id: str | None
    sent: list[str] | None
    first_at: datetime | None
    sent_as: dict[str, Any] | None = None
    """As what it was sent (`SentAs`)."""


class Assessment(msgspec.Struct, frozen=True):
    """The decision on one event at one destination, and the identifiers that a re-send would add."""

    destination: int
    event: Event
    sent: SentState
    decision: Decision
    gained: Sequence[str] = ()


def decide(
    event: Event, sent: SentState, profile: Profile, destination: Destination, route: Route | None, *, now: datetime
) -> tuple[Decision, Sequence[str]]:
    """Return what to do about one event, and the identifiers that a re-send would add. Pure."""
    if sent.in_flight:
        return Decision.IN_FLIGHT, ()
    if sent.revision != sent.ended_revision:
        return Decision.STILL_PENDING, ()
    if not sent.delivered or sent.revision is None or sent.first_at is None or route is None:
        return Decision.NOT_DELIVERED, ()
    sent_as = SentAs.read(sent.sent_as)
    if sent_as and sent_as.dataset != destination.dataset:
        return Decision.OTHER_DATASET, ()
    resend = Delivery(event, sent.revision + 1, 0, sent.first_at, after_merge=True)
    built = build(destination, resend, profile, route, now)
    if not isinstance(built, Payload) or profile.has_refused:
        return Decision.REFUSED, ()
    gained = sorted({field for field in built.sent if ":" in field}.difference(sent.sent or ()))
    if not gained:
        return Decision.NOTHING_GAINED, ()
    if sent.account_id is not None and sent.account_id != profile.account_id:
        return Decision.OTHER_ACCOUNT, gained
    if refuse(resend, route, destination.limits, now):
        return Decision.WINDOW_CLOSED, gained
    return Decision.RESEND, gained


class Resender:
    """Finds what is worth sending again after a merge, and enqueues it."""

    def __init__(self, database: Database, routing_table: RoutingTable, destinations: Sequence[Destination]) -> None:
        self._database = database
        self._routing_table = routing_table
        self._destinations = destinations
        self._resolver = PersonResolver(database)
        self._judge = Judge()

    async def step(self) -> bool:
        """Process due merges; return whether any were found."""
        parts = [part(losses, MERGES) for losses in range(GIVEN_UP + 1)]
        claimed = await self._database.run("claim_merges", {"parts": parts, "seconds": CLAIM_SECONDS})
        if not claimed:
            return False
        ids = [row.merge_id for row in claimed]
        if max(row.losses for row in claimed) >= GIVEN_UP:
            await self._give_up(ids)
            return True
        try:
            await self._process(ids, [_event(row) for row in claimed if row.id is not None])
        except Exception as error:
            if not is_events_doing(error):
                raise
            log.error(
                "merges could not be processed and come back in parts", merges=len(ids), error=type(error).__name__
            )
            await self._database.run("retry_merges", {"ids": ids})
        else:
            self._judge.succeeded()
        return True

    async def _give_up(self, ids: Sequence[int]) -> None:
        """End merges that nobody could process, one at a time; if too many in a row, leave them for later."""
        if self._judge.may_give_up():
            log.error("a merge cannot be processed and is given up", id=ids[0])
            await self._database.run("give_up_merges", {"ids": ids})

    async def _process(self, claimed: Sequence[int], merges: Sequence[Event]) -> None:
        # Most merges are the first events of their person: nothing was sent before that could have gained anything.
        connected = [merges[number] for number in await self._resolver.find_connected(merges)]
        owners = await self._resolver.find_owners(connected)
        nearby = await self._nearby(connected, owners)
        assessments = await self.assess(await self.events(await self._sent(set().union(*nearby.values()))))
        in_flight = {each.event.id for each in assessments if each.decision is Decision.IN_FLIGHT}
        later = [merge for merge, events in nearby.items() if events & in_flight]
        accounts = {event.id: owner.account_id for event, owner in zip(connected, owners, strict=True)}
        merge_notices = await self.merge_notices(
            [(event, accounts.get(event.id, event.account_id)) for event in merges]
        )
        enqueued = await self._enqueue(
            [*_resends(assessments), *merge_notices], done=set(claimed).difference(later), later=later
        )
        if enqueued:
            log.info("merges processed", merges=len(claimed), enqueued=enqueued, **summary(assessments))

    async def _nearby(self, merges: Sequence[Event], owners: Sequence[Owner]) -> dict[int, set[int]]:
        """Return, for each merge, the ids of the newest events of its person."""
        nearby: dict[int, set[int]] = {event.id: set() for event in merges}
        sources = [
            (event.id, fragment) for event, owner in zip(merges, owners, strict=True) for fragment in _sources(owner)
        ]
        ids = [event_id for event_id, _ in sources]
        for row in await self._events_of_fragments([fragment for _, fragment in sources]):
            nearby[ids[row.number - 1]].add(row.event_id)
        return nearby

    async def _sent(self, ids: Iterable[int]) -> list[int]:
        """Return those of some events that were delivered or are in flight.

        Most are still pending, and will be sent with everything known.
        """
        kinds = {routing.kind for _, routing in await self._recognising()}
        routings = (await self._routing_table.destinations()).values()
        # Also those that are gone: what they sent to the same dataset counts.
        params = {"ids": list(ids), "destinations": [routing.id for routing in routings if routing.kind in kinds]}
        rows = await self._database.run("find_sent_events", params) if params["ids"] else []
        return [row.event_id for row in rows]

    async def _recognising(self) -> list[tuple[Destination, DestinationRoutes]]:
        """Return the enabled destinations that recognise repeats."""
        routing = await self._routing_table.destinations()
        return [
            (destination, routing[destination.name])
            for destination in self._destinations
            if destination.limits.repeat is not None and routing[destination.name].enabled
        ]

    async def assess(self, events: Sequence[Event]) -> list[Assessment]:
        """Decide what to do about each event at each destination that recognises repeats."""
        if not events:
            return []
        resolved = await self._resolver.resolve(events)
        profiles = {event.id: profile for event, profile in zip(events, resolved, strict=True)}
        by_id = {event.id: event for event in events}
        now = only_value(await self._database.run("read_clock"))
        assessments: list[Assessment] = []
        for destination, routing in await self._recognising():
            params = {"destination": routing.id, "dataset": destination.dataset, "ids": list(profiles)}
            for sent in rows_as(SentState, await self._database.run("find_resend_candidates", params)):
                event = by_id[sent.event_id]
                route = routing.routes.get(event.name)
                decision, gained = decide(event, sent, profiles[sent.event_id], destination, route, now=now)
                assessments.append(Assessment(routing.id, event, sent, decision, gained))
        return assessments

    async def merges_among(self, events: Sequence[Event]) -> list[tuple[Event, str | None]]:
        """Return those of `events` that were the first to carry their keys together, each with its account."""
        params = {
            "ids": [event.id for event in events],
            "fragments": [fragment_id(keys_of(event)) for event in events],
        }
        first = set(scalars(await self._database.run("find_first_events", params)))
        merges = [event for event in events if event.id in first]
        owners = await self._resolver.find_owners(merges)
        return [(event, owner.account_id) for event, owner in zip(merges, owners, strict=True)]

    async def enqueue(self, assessments: Iterable[Assessment], merge_notices: Iterable[dict[str, Any]]) -> int:
        """Enqueue what was decided; return how many deliveries are new, as another process may have been first."""
        return await self._enqueue([*_resends(assessments), *merge_notices], done=(), later=())

    async def events(self, ids: Iterable[int]) -> list[Event]:
        """Read some events."""
        params = {"ids": list(ids)}
        return rows_as(Event, await self._database.run("read_events", params)) if params["ids"] else []

    async def events_of(self, owner: Owner) -> set[int]:
        """Return the ids of the newest events of a person."""
        return {row.event_id for row in await self._events_of_fragments(_sources(owner))}

    async def _events_of_fragments(self, fragments: Sequence[UUID]) -> list[Any]:
        """Return the ids of the newest events of each fragment, with its number (from 1)."""
        params = {"fragments": list(fragments), "limit": EVENTS_PER_FRAGMENT}
        return await self._database.run("read_fragment_events", params) if fragments else []

    async def merge_notices(self, merges: Iterable[tuple[Event, str | None]]) -> list[dict[str, Any]]:
        """Return a notice for each merge (given with its account) and destination that gets notices instead of events.

        A destination that receives the merge as an event of its own needs no notice.
        """
        merges = [(event, account_id) for event, account_id in merges if account_id and links(keys_of(event)).all]
        if not merges:
            return []
        now = only_value(await self._database.run("read_clock"))
        merge_notices: list[dict[str, Any]] = []
        for destination in self._destinations:
            routing = (await self._routing_table.destinations())[destination.name]
            if destination.limits.repeat is not None or not routing.enabled:
                continue
            unsent = {
                event.id
                for event, _ in merges
                if event.name not in routing.routes and now < event.occurred_at + destination.limits.window
            }
            if unsent:
                params = {"destination": routing.id, "dataset": destination.dataset, "ids": list(unsent)}
                rows = await self._database.run("find_resend_candidates", params)
                unsent -= {row.event_id for row in rows if row.revision}
            merge_notices += [{"event_id": event_id, "destination": routing.id, "revision": 1} for event_id in unsent]
        return merge_notices

    async def _enqueue(self, resends: Iterable[dict[str, Any]], *, done: Iterable[int], later: Iterable[int]) -> int:
        rows = await self._database.run(
            "enqueue_resends",
            {"resends": Jsonb(list(resends)), "done": list(done), "later": list(later), "pause": IN_FLIGHT},
        )
        return int(only_value(rows))


def _sources(owner: Owner) -> list[UUID]:
    """Return the fragments that hold the events of a person: of an account, one holds all that carry it."""
    alone = owner.person.kind == Kind.ACCOUNT
    return [
        fragment_id(fragment.keys)
        for fragment in owner.fragments
        if not (alone and fragment.keys.account_id and fragment.known is None)
    ]


def summary(assessments: Iterable[Assessment]) -> dict[str, int]:
    """Return how often each decision was made, without NOT_DELIVERED, on which a merge has no effect."""
    return dict(Counter(str(each.decision) for each in assessments if each.decision is not Decision.NOT_DELIVERED))


def _event(row: Any) -> Event:
    return Event(**{field: getattr(row, field) for field in Event.__struct_fields__})


def _resends(assessments: Iterable[Assessment]) -> list[dict[str, Any]]:
    return [
        {
            "event_id": each.event.id,
            "destination": each.destination,
            "revision": (each.sent.revision or 0) + 1,
            "first_at": each.sent.first_at,
            "sent_as": each.sent.sent_as,
        }
        for each in assessments
        if each.decision is Decision.RESEND
    ]
