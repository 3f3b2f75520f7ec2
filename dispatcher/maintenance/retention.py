"""What is kept for how long (design, part 7), swept up in small batches.

- What became of an event (receipts, attempts, revisions) and the event itself go when nothing is owed of it and it is
  older than `OUTBOX_RETENTION_DAYS`; both in one statement.
- The event stays without them while a facet refers to it as the one that told a field last: its person may come back
  (a yearly renewal), and is then still known.
- Facets, with their sign-ins, go when their person was silent for `OUTBOX_PERSON_DAYS`; then nothing keeps their events.

Each batch is found first, and then removed under the lock that no dispatcher works beside, for some hundredths of a
second; recording never waits. Between two batches there is a pause, the longer the busier the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from time import monotonic

import msgspec
import structlog

from dispatcher.config.settings import Settings
from dispatcher.database.connections import Database
from dispatcher.identity.fragments import EPOCH, Keys, keys_of, position
from dispatcher.identity.full_log import skeleton
from dispatcher.identity.graph import seen
from dispatcher.identity.resolver import PersonResolver
from dispatcher.maintenance.rebuild import OPEN
from dispatcher.models import Event

log = structlog.get_logger()

BATCH = 500
REST = 3.0
"""The pause after a batch, in times of what it took."""
TIMEOUT = 5
"""Seconds that the removal of a batch may take, or wait for its turn; then the sweep is given up until the next one."""


class Swept(msgspec.Struct):
    """What a sweep removed: facets of silent persons; events; and the receipts of events that stay."""

    fragments: int = 0
    events: int = 0
    receipts: int = 0


async def sweep(database: Database, settings: Settings, *, rest: float = REST) -> Swept:
    """Go once through persons and log; remove what has had its time."""
    age = max(timedelta(days=settings.retention_days), OPEN)
    silence = max(timedelta(days=settings.person_days), age)
    swept = Swept()
    async for silent in _silent(database, silence, rest):
        swept.fragments += await _remove_fragments(database, silent, silence)
    async for old in _old(database, age, rest):
        gone, kept = await _remove_events(database, old, age)
        swept.events += gone
        swept.receipts += kept
    if swept != Swept():
        log.info("swept up what has had its time", **msgspec.structs.asdict(swept))
    return swept


async def _silent(database: Database, silence: timedelta, rest: float) -> AsyncIterator[list[Keys]]:
    """Give the facets of persons that were not seen for `silence`, a batch at a time."""
    after = Keys()
    while True:
        began = monotonic()
        before = await _micros_ago(database, silence)
        rows = await database.run("read_fragments_after", after._asdict() | {"limit": BATCH})
        if not rows:
            return
        after = Keys(*rows[-1][:3])
        quiet = [_as_event(Keys(*row[:3]), row[3]) for row in rows if row[3] < before]
        relations = await PersonResolver(database).relate(quiet)
        silent = [
            keys_of(event)
            for event, relation in zip(quiet, relations, strict=True)
            if all(seen(fragment)[0] < before for fragment in relation.sources)
        ]
        if silent:
            yield silent
        await asyncio.sleep(rest * (monotonic() - began))


async def _remove_fragments(database: Database, fragments: Sequence[Keys], silence: timedelta) -> int:
    before = await _micros_ago(database, silence)
    async with database.transaction(seconds=TIMEOUT) as transaction:
        await transaction.run("exclude_dispatchers")
        rows = await transaction.run("remove_fragments", _side_by_side(fragments) | {"before": before})
    return int(rows[0][0])


async def _old(database: Database, age: timedelta, rest: float) -> AsyncIterator[list[Event]]:
    """Give the events of which something has had its time, a batch at a time."""
    after = 0
    while True:
        began = monotonic()
        rows = await database.run("read_expired_events", {"after": after, "limit": BATCH, "age": age})
        if not any(row[5] for row in rows):  # ids are drawn about in the order of time
            return
        after = rows[-1][0]
        old = [skeleton(row) for row in rows if row[6]]
        if old:
            yield old
        await asyncio.sleep(rest * (monotonic() - began))


async def _remove_events(database: Database, events: Sequence[Event], age: timedelta) -> tuple[int, int]:
    async with database.transaction(seconds=TIMEOUT) as transaction:
        await transaction.run("exclude_dispatchers")
        unended = [row[0] for row in await transaction.run("find_unfinished_events", {"ids": [e.id for e in events]})]
        pending = (
            {row[0] for row in await transaction.run("find_pending_events", {"ids": unended})} if unended else set()
        )
        old = [event for event in events if event.id not in pending]
        asked = {"ids": [event.id for event in old], "age": age} | _side_by_side([keys_of(event) for event in old])
        rows = await transaction.run("remove_events", asked)
    return rows[0][0], rows[0][1]


def _as_event(keys: Keys, at: int) -> Event:
    return skeleton((0, EPOCH + timedelta(microseconds=at), *keys))


def _side_by_side(fragments: Sequence[Keys]) -> dict[str, list[str]]:
    return {
        "accounts": [keys.account_id for keys in fragments],
        "handls": [keys.handl_id for keys in fragments],
        "leads": [keys.lead_id for keys in fragments],
    }


async def _micros_ago(database: Database, time: timedelta) -> int:
    now = (await database.run("read_clock"))[0][0]
    return position(now - time, 0)[0]
