"""What each destination would be sent of one event now, and where each field comes from; or why nothing would.

    for preview in await previews(database, settings, config, event_id):
        preview.destination, preview.refusal, preview.body, preview.fields

Nothing is sent, claimed or written. The payload is built by what `dispatcher.delivery.sender` builds with: the same resolver, the
same destinations, the same refusals. What is shown of a person is shortened (`dispatcher.preview.masking`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.database.connections import Database, Queries
from dispatcher.delivery.eligibility import refuse
from dispatcher.destinations import registry
from dispatcher.destinations.base import Destination, Payload
from dispatcher.identity.enrichment import missing_fields
from dispatcher.identity.fragments import keys_of
from dispatcher.identity.profile import Profile, profile_from_event
from dispatcher.identity.resolver import PersonResolver
from dispatcher.models import Delivery, Event, Route
from dispatcher.preview.masking import masked
from dispatcher.preview.provenance import Origins
from dispatcher.reasons import CANNOT_BUILD, DISABLED, Refusal
from dispatcher.routing import DestinationRoutes, RoutingTable
from outbox.sealing import seal

HIDDEN = " (shown in part)"
_LARGEST_ID = 2**63 - 1


class Field(msgspec.Struct, frozen=True):
    """A field of a payload, where it comes from in plain words, and its value as it may be shown."""

    name: str
    source: str
    value: Any = None


class Preview(msgspec.Struct, frozen=True):
    """What one destination would be sent of one event now.

    `refusal`: why nothing would (`skipped: consent`); else `body` holds the payload, hashes and addresses shortened.
    `note`: how far the event is there (delivered already, waiting, paused), where that matters.
    """

    destination: str
    refusal: str | None
    body: dict[str, Any] | None
    fields: list[Field]
    note: str | None = None


class _About(msgspec.Struct, frozen=True):
    """One event, what is known of its person and from where, and the database's clock."""

    event: Event
    known: Profile
    origins: Origins
    now: datetime


class _Told(msgspec.Struct, frozen=True):
    """How far an event is at a destination: its newest revision, and how that ended, if it has."""

    revision: int = 0
    outcome: str | None = None
    reason: str | None = None
    at: datetime | None = None
    first_unknown_at: datetime | None = None


async def find(database: Database, text: str) -> list[int]:
    """Give the ids of the events whose event_id is `text`, under whatever step, and of the one whose id it is.

    A database that is away is not waited for: one of `dispatcher.database.connections.AWAY` is raised; so too by `previews`.
    """
    text = text.strip()
    if not text.isprintable():
        return []
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None
    asked = {"text": text, "id": number if number is not None and number <= _LARGEST_ID else None}
    return [row[0] for row in await database.run_once("find_events", asked)]


async def previews(database: Database, settings: Settings, config: Config, event_id: int) -> list[Preview]:
    """Give a preview for each destination, in their order; none if there is no such event (`event_id`: its row's id)."""
    async with database.transaction(is_reading=True) as transaction:
        rows = await transaction.run("read_events", {"ids": [event_id]})
        if not rows:
            return []
        event = await _sealed(transaction, Event(*rows[0]), settings.phone_region or None)
        words = await RoutingTable(transaction).destinations()
        told = {name: _Told(*row) for name, *row in await transaction.run("read_progress", {"id": event_id})}
        now = (await transaction.run("read_clock"))[0][0]
        (known,) = await PersonResolver(transaction).resolve([event])
        about = _About(event, known, await _origins(transaction, event, known), now)
    found: list[Preview] = []
    for name, there in words.items():
        destination = registry.create(there.kind, name, settings, config)
        try:
            found.append(_preview(destination, there, about, told.get(name, _Told())))
        finally:
            await destination.close()
    return found


async def _sealed(queries: Queries, event: Event, region: str | None) -> Event:
    """Seal what a SQL writer sent raw, in memory, where intake has not yet."""
    raw = await queries.run("read_raw_persons", {"ids": [event.id]})
    return msgspec.structs.replace(event, sealed=seal(raw[0][1], region=region).to_json()) if raw else event


async def _origins(queries: Queries, event: Event, known: Profile) -> Origins:
    (relation,) = await PersonResolver(queries).relate([event])
    borrowed = missing_fields(event, keys_of(event), profile_from_event(event), relation)
    rows = await queries.run("read_events", {"ids": list(set(borrowed.values()))})
    return Origins(event, known, borrowed, {row[0]: Event(*row) for row in rows})


def _preview(destination: Destination, words: DestinationRoutes, about: _About, told: _Told) -> Preview:
    route = words.routes.get(about.event.name)
    note = _note(destination, words, route, told)
    built = _built(destination, words, about, told)
    if isinstance(built, Refusal):
        return Preview(words.name, f"{built.outcome}: {built.reason}", None, [], note)
    body = _body(built)
    shown = masked(body, route.parameters.keys() if route else frozenset())
    fields = [
        Field(path, about.origins.of(path, route) + ("" if value == seen else HIDDEN), seen)
        for (path, value), (_, seen) in zip(_fields(body), _fields(shown), strict=True)
    ]
    return Preview(words.name, None, shown, fields, note)


def _built(destination: Destination, words: DestinationRoutes, about: _About, told: _Told) -> Payload | Refusal:
    route = words.routes.get(about.event.name)
    is_delivered = told.outcome == "delivered"
    delivery = Delivery(about.event, told.revision + is_delivered, 0, told.first_unknown_at)
    if not words.enabled:
        return DISABLED
    # What was delivered is not owed any more: no window closes for it, and it is shown as it would be built.
    if not is_delivered and (refusal := refuse(delivery, route, destination.limits, about.now)):
        return refusal
    try:
        if route is None:
            return destination.build_merge(delivery, about.known, about.now)
        return destination.build(delivery, about.known, route, about.now)
    except Exception:  # noqa: BLE001 - what cannot be built is shown as what would become of it
        return CANNOT_BUILD


def _body(payload: Payload) -> dict[str, Any]:
    """Give the JSON of a payload as one object: the envelope, where there is one, with its single event."""
    event = msgspec.json.decode(payload.body) if payload.body else None
    if not payload.envelope:
        return event if isinstance(event, dict) else {}
    envelope: dict[str, Any] = msgspec.json.decode(payload.envelope)
    return envelope | ({"events": [event]} if event else {})


def _fields(body: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Give the fields of a payload, with dotted names; a list of values is one field, a list of events is looked into."""
    for name, value in body.items():
        path = f"{above}{name}"
        if name == "events" and not above:
            for event in value:
                yield from _fields(event, f"{path}.")
        elif isinstance(value, dict):
            if value.keys() == {"value"}:  # a user property of GA4's
                yield path, value["value"]
            else:
                yield from _fields(value, f"{path}.")
        else:
            yield path, value


def _note(destination: Destination, words: DestinationRoutes, route: Route | None, told: _Told) -> str | None:
    if told.outcome == "delivered":
        return (
            f"delivered {_time(told.at)}; so it would be built now. "
            "It is sent again only where a merge adds an identifier that was not sent, and it cannot count twice."
        )
    if told.outcome:
        return f"ended {_time(told.at)} as {told.outcome}: {told.reason}"
    if words.paused or (route and route.paused):
        return "paused: it waits, while its window runs"
    if missing := destination.missing():
        return f"halted: {missing} is not set; it waits, while its window runs"
    return None


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else ""
