"""Preview what each destination would be sent of one event now, and where each field comes from; or why nothing would.

    for preview in await previews(database, settings, config, event_id):
        preview.destination, preview.refusal, preview.body, preview.fields

Nothing is sent, claimed or written. Persons, payloads and refusals come from the same resolver, builder and
rules as the sender's. Personal data is masked (`dispatcher.preview.masking`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.database.connections import Database, Queries, only_value, rows_as
from dispatcher.delivery.builder import build
from dispatcher.delivery.eligibility import refuse
from dispatcher.destinations import registry
from dispatcher.destinations.base import Destination, Payload
from dispatcher.destinations.payload_fields import PayloadFields
from dispatcher.identity.profile import Profile
from dispatcher.identity.resolver import PersonResolver
from dispatcher.models import Delivery, Event, Route, SentAs
from dispatcher.preview.masking import masked
from dispatcher.preview.provenance import Provenance
from dispatcher.reasons import DISABLED, Refusal
from dispatcher.routing import DestinationRoutes, RoutingTable
from outbox.sealing import seal

HIDDEN = " (shown in part)"
_LARGEST_ID = 2**63 - 1


class PreviewField(msgspec.Struct, frozen=True):
    """A field of a payload, where it comes from in plain words, and its masked value."""

    name: str
    source: str
    value: Any = None


class Preview(msgspec.Struct, frozen=True):
    """What one destination would be sent of one event now.

    `refusal`: why nothing would be sent (`skipped: consent`); otherwise `body` holds the masked payload. `note`: the
    state of the event at the destination (delivered already, waiting, paused), where that matters.
    """

    destination: str
    refusal: str | None
    body: dict[str, Any] | None
    fields: list[PreviewField]
    note: str | None = None


class _Resolved(msgspec.Struct, frozen=True):
    """One event, its profile, where the profile comes from, and the database's clock."""

    event: Event
    profile: Profile
    provenance: Provenance
    now: datetime


class SentSoFar(msgspec.Struct, frozen=True):
    """How far an event is at a destination: its newest revision, and how that ended, if it has."""

    name: str
    revision: int = 0
    outcome: str | None = None
    reason: str | None = None
    at: datetime | None = None
    first_unknown_at: datetime | None = None
    after_merge: bool = False
    sent_as: dict[str, Any] | None = None


async def find_events(database: Database, text: str) -> list[int]:
    """Return the ids of the events whose event_id is `text`, under any step, and of the event whose row id it is.

    Raise one of `dispatcher.database.connections.DATABASE_UNAVAILABLE` at once if the database does not answer; so does
    `previews`.
    """
    text = text.strip()
    if not text.isprintable():
        return []
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None
    params = {"text": text, "id": number if number is not None and number <= _LARGEST_ID else None}
    return [row.id for row in await database.run_once("find_events", params)]


async def previews(database: Database, settings: Settings, config: Config, event_id: int) -> list[Preview]:
    """Return a preview for each destination, in their order; none if there is no event with the row id `event_id`."""
    async with database.transaction(is_reading=True) as transaction:
        events = rows_as(Event, await transaction.run("read_events", {"ids": [event_id]}))
        if not events:
            return []
        event = await _sealed(transaction, events[0], settings.phone_region or None)
        routing = await RoutingTable(transaction).destinations()
        progress = {
            row.name: row for row in rows_as(SentSoFar, await transaction.run("read_progress", {"id": event_id}))
        }
        now = only_value(await transaction.run("read_clock"))
        (profile,) = await PersonResolver(transaction).resolve([event])
        resolved = _Resolved(event, profile, await _provenance(transaction, event, profile), now)
    found: list[Preview] = []
    for name, there in routing.items():
        destination = registry.create(there.kind, name, settings, config)
        try:
            found.append(_preview(destination, there, resolved, progress.get(name, SentSoFar(name))))
        finally:
            await destination.close()
    return found


async def _sealed(queries: Queries, event: Event, region: str | None) -> Event:
    """Seal in memory what a SQL writer sent raw, if intake has not sealed it yet."""
    raw = await queries.run("read_raw_persons", {"ids": [event.id]})
    return msgspec.structs.replace(event, sealed=seal(raw[0].person, region=region).to_json()) if raw else event


async def _provenance(queries: Queries, event: Event, profile: Profile) -> Provenance:
    ((_, enrichment),) = await PersonResolver(queries).find_enrichments([event])
    borrowed = enrichment.sources
    sources = rows_as(Event, await queries.run("read_events", {"ids": list(set(borrowed.values()))}))
    return Provenance(event, profile, borrowed, {source.id: source for source in sources})


def _preview(destination: Destination, routing: DestinationRoutes, resolved: _Resolved, progress: SentSoFar) -> Preview:
    route = routing.routes.get(resolved.event.name)
    note = _note(destination, routing, route, progress)
    built = _build(destination, routing, resolved, progress)
    if isinstance(built, Refusal):
        return Preview(routing.name, f"{built.outcome}: {built.reason}", None, [], note)
    body = _body(built)
    kind = registry.kinds().get(routing.kind)
    of_kind = kind.fields if kind else PayloadFields()
    shown = masked(body, of_kind, route.parameters.keys() if route else frozenset())
    fields = [
        PreviewField(
            path, resolved.provenance.source_of(path, route, of_kind, value) + ("" if value == seen else HIDDEN), seen
        )
        for (path, value), (_, seen) in zip(_fields(body), _fields(shown), strict=True)
    ]
    return Preview(routing.name, None, shown, fields, note)


def _build(
    destination: Destination, routing: DestinationRoutes, resolved: _Resolved, progress: SentSoFar
) -> Payload | Refusal:
    route = routing.routes.get(resolved.event.name)
    is_delivered = progress.outcome == "delivered"
    delivery = Delivery(
        resolved.event,
        progress.revision + is_delivered,
        0,
        progress.first_unknown_at,
        SentAs.read(progress.sent_as),
        progress.after_merge,
    )
    if not routing.enabled:
        return DISABLED
    # A delivered event is no longer pending: no window closes for it, and it is shown as it would be built now.
    if not is_delivered and (refusal := refuse(delivery, route, destination.limits, resolved.now)):
        return refusal
    return build(destination, delivery, resolved.profile, route, resolved.now)


def _body(payload: Payload) -> dict[str, Any]:
    """Return the JSON of a payload as one object: the envelope, if there is one, with its single event."""
    event = msgspec.json.decode(payload.body) if payload.body else None
    if not payload.envelope:
        return event if isinstance(event, dict) else {}
    envelope: dict[str, Any] = msgspec.json.decode(payload.envelope)
    return envelope | ({"events": [event]} if event else {})


def _fields(body: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the fields of a payload with dotted names. A list of values is one field; `events` is descended into."""
    for name, value in body.items():
        path = f"{above}{name}"
        if name == "events" and not above:
            for event in value:
                yield from _fields(event, f"{path}.")
        elif isinstance(value, dict):
            if value.keys() == {"value"}:  # a property with its value
                yield path, value["value"]
            else:
                yield from _fields(value, f"{path}.")
        else:
            yield path, value


def _note(destination: Destination, routing: DestinationRoutes, route: Route | None, progress: SentSoFar) -> str | None:
    if progress.outcome == "delivered":
        return (
            f"Delivered {_time(progress.at)}. This is what would be sent now. "
            "It is sent again only if a merge adds an identifier that was not sent, and only if it cannot count twice."
        )
    if progress.outcome:
        return f"Ended {_time(progress.at)} as {progress.outcome}: {progress.reason}"
    if routing.paused or (route and route.paused):
        return "Paused: the delivery waits, and its window keeps running."
    if missing := destination.missing():
        return f"Halted: {missing} is not set. The delivery waits, and its window keeps running."
    return None


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else ""
