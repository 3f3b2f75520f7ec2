"""What `outbox person` shows of a person: the data held on them by name and time, never a value or a hash."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from dispatcher.consent import CONSENTS
from dispatcher.database.connections import Transaction, rows_as
from dispatcher.identity.keys import Kind
from dispatcher.models import Event
from dispatcher.people.lookup import BATCH, Found
from dispatcher.people.ties import Apart, why_apart, why_together
from outbox.person import GOOGLE_TRAITS, META_TRAITS
from outbox.visitor import RECORDED

TRAIT_NAMES = META_TRAITS | GOOGLE_TRAITS
"""The name under which each hashed trait is recorded."""


class Item(msgspec.Struct):
    """One thing that is known: when it was first and last seen, and in how many events."""

    name: str
    first_seen_at: datetime
    last_seen_at: datetime
    events: int = 1
    state: str | None = None
    """Of a consent: the latest statement."""


class KeyItem(Item):
    """An account, a lead or a handlID: `name` is its kind, `value` the key."""

    value: str = ""


class DeliveryItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The outcome of an event at one destination; before that, `pending`, `being sent` or `waiting for intake`."""

    destination: str | None
    revision: int
    outcome: str
    reason: str | None
    at: datetime | None


class EventItem(msgspec.Struct, frozen=True):
    """One event of the person."""

    id: int
    name: str
    event_id: str
    at: datetime
    deliveries: list[DeliveryItem]
    why: str = ""
    """Why it belongs to this person."""


class PersonProfile(msgspec.Struct):
    """Everything that is shown, each part in order of time."""

    keys: list[KeyItem]
    traits: list[Item]
    browser: list[Item]
    consent: list[Item]
    events: list[EventItem]
    apart: list[Apart] = []
    """Others who share a key with this person."""


async def build_profile(queries: Transaction, found: Found) -> PersonProfile:
    """Return the profile of a person that was found."""
    items: dict[tuple[str, str], Item] = {}
    why = await why_together(queries, found)
    events: list[EventItem] = []
    ids = sorted(found.events)
    for start in range(0, len(ids), BATCH):
        params = {"ids": ids[start : start + BATCH]}
        raw: dict[int, Any] = {row.event_id: row.person for row in await queries.run("read_raw_persons", params)}
        deliveries: dict[int, list[DeliveryItem]] = {}
        for row in await queries.run("list_deliveries", params):
            deliveries.setdefault(row.event_id, []).append(
                DeliveryItem(row.name, row.revision, row.outcome, row.reason, row.at)
            )
        for event in rows_as(Event, await queries.run("read_events", params)):
            events.append(
                EventItem(
                    event.id,
                    event.name,
                    event.event_id,
                    event.occurred_at,
                    deliveries.get(event.id, []),
                    why.get(event.id, "found by its e-mail address"),
                )
            )
            for part, name, value in _carried_by(event, raw.get(event.id)):
                _add(items, part, name, event.occurred_at, value)
    parts: dict[str, list[Any]] = {part: [] for part in ("keys", "traits", "browser", "consent")}
    for (part, _), item in sorted(items.items(), key=lambda entry: (entry[1].first_seen_at, entry[0])):
        parts[part].append(item)
    return PersonProfile(
        **parts,
        events=sorted(events, key=lambda event: (event.at, event.id)),
        apart=await why_apart(queries, found),
    )


def _add(items: dict[tuple[str, str], Item], part: str, name: str, at: datetime, value: str | None) -> None:
    mark = (part, f"{name} {value}" if part == "keys" else name)
    item = items.get(mark)
    if item is None:
        items[mark] = KeyItem(name, at, at, value=value or "") if part == "keys" else Item(name, at, at, state=value)
        return
    item.events += 1
    item.first_seen_at = min(item.first_seen_at, at)
    if at >= item.last_seen_at:
        item.last_seen_at = at
        if part == "consent":
            item.state = value


def _carried_by(event: Event, raw: Any) -> Iterator[tuple[str, str, str | None]]:
    """Yield what one event carries: the part, the name, and for keys and consents the value."""
    for kind, value in (
        (Kind.ACCOUNT, event.account_id),
        (Kind.HANDL, event.handl_id),
        (Kind.LEAD, event.lead_id),
    ):
        if value:
            yield "keys", kind.name.lower(), value
    sealed = event.sealed or {}
    names = {
        TRAIT_NAMES[name]
        for form in ("meta", "google")
        if isinstance(traits := sealed.get(form), dict)
        for name in traits
        if name in TRAIT_NAMES and traits[name]
    }
    if isinstance(raw, dict):
        names |= {name for name in raw if name in TRAIT_NAMES.values() and raw[name]}
    yield from (("traits", name, None) for name in sorted(names))
    visitor = event.visitor or {}
    yield from (("browser", name, None) for name in sorted(visitor.keys() & set(RECORDED)) if visitor[name])
    consent = event.consent or {}
    yield from (("consent", kind, str(consent[kind])[:20]) for kind in CONSENTS if consent.get(kind) is not None)
