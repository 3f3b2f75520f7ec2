"""Retention: remove old events and persons from the database, in small batches.

- An event with its receipts, attempts and revisions is removed, in one statement, when nothing of it is pending and it
  is older than `OUTBOX_RETENTION_DAYS`.
- The event alone stays while a fragment refers to it as the last one with a field: its person may come back (a yearly
  renewal), and is then still known.
- Fragments are removed, with their sign-ins, when their person has had no event for `OUTBOX_PERSON_DAYS`. After that,
  nothing keeps their events.

Each batch is selected first, and then removed under the lock that excludes dispatchers, which takes some hundredths of a
second; recording never waits. The busier the database, the longer the pause between two batches.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

import msgspec
import structlog

from dispatcher.config.settings import Settings
from dispatcher.database.connections import Database, Queries, only_value, scalars
from dispatcher.identity.fragments import fragment_id
from dispatcher.identity.full_log import LoggedKeys
from dispatcher.identity.graph import last_seen
from dispatcher.identity.keys import Keys, position
from dispatcher.identity.resolver import PersonResolver
from dispatcher.maintenance.rebuild import OPEN

log = structlog.get_logger()

BATCH = 500
REST = 3.0
"""The pause after a batch, as a multiple of the time that the batch took."""
TIMEOUT = 5
"""Seconds that the removal of a batch may take or wait for the lock; after that the sweep ends until the next one."""


class Removed(msgspec.Struct):
    """What a sweep removed: fragments of persons without new events, events, and the receipts of events that stay."""

    fragments: int = 0
    events: int = 0
    receipts: int = 0


async def sweep(database: Database, settings: Settings, *, rest: float = REST) -> Removed:
    """Read persons and log once from the beginning; remove what is past its retention time."""
    age = max(timedelta(days=settings.retention_days), OPEN)
    silence = max(timedelta(days=settings.person_days), age)
    removed = Removed()
    async for silent in _find_silent(database, silence, rest):
        removed.fragments += await _remove_fragments(database, silent, silence)
    async for old in _find_expired(database, age, rest):
        gone, kept = await _remove_events(database, old, age)
        removed.events += gone
        removed.receipts += kept
    if removed != Removed():
        log.info("retention removed old data", **msgspec.structs.asdict(removed))
    return removed


async def _find_silent(database: Database, silence: timedelta, rest: float) -> AsyncIterator[list[UUID]]:
    """Yield the fragments of persons without an event for `silence`, one batch at a time."""
    after = UUID(int=0)
    while True:
        began = monotonic()
        before = await _microseconds_before_now(database, silence)
        rows = await database.run("read_fragments_after", {"after": after, "limit": BATCH})
        if not rows:
            return
        after = rows[-1].id
        quiet = [row for row in rows if row.seen_at < before]
        owners = await PersonResolver(database).owners_of([(_keys(row), (row.seen_at, row.event_id)) for row in quiet])
        silent = [
            row.id
            for row, owner in zip(quiet, owners, strict=True)
            if all(last_seen(fragment)[0] < before for fragment in owner.fragments)
        ]
        if silent:
            yield silent
        await asyncio.sleep(rest * (monotonic() - began))


async def _remove_fragments(database: Database, fragments: Sequence[UUID], silence: timedelta) -> int:
    before = await _microseconds_before_now(database, silence)
    async with database.transaction(seconds=TIMEOUT) as transaction:
        await transaction.run("exclude_dispatchers")
        rows = await transaction.run("remove_fragments", {"ids": list(fragments), "before": before})
    return int(only_value(rows))


async def _find_expired(database: Database, age: timedelta, rest: float) -> AsyncIterator[list[LoggedKeys]]:
    """Yield the events of which something is past its retention time, one batch at a time."""
    after = 0
    while True:
        began = monotonic()
        rows = await database.run("read_expired_events", {"after": after, "limit": BATCH, "age": age})
        if not any(row.is_old for row in rows):  # ids follow the time of recording closely
            return
        after = rows[-1].id
        expired = [(row.has_receipts, LoggedKeys.of(row)) for row in rows if row.is_expired]
        needed = await _needed(database, [event for has_receipts, event in expired if not has_receipts])
        if old := [event for has_receipts, event in expired if has_receipts or event.id not in needed]:
            yield old
        await asyncio.sleep(rest * (monotonic() - began))


async def _needed(queries: Queries, events: Sequence[LoggedKeys]) -> set[int]:
    """Return the ids of the events that identity rests on."""
    held = [(event.id, fragment) for event in events for fragment in _fragments(event)]
    params = {"ids": [event_id for event_id, _ in held], "fragments": [fragment for _, fragment in held]}
    return set(scalars(await queries.run("find_needed_events", params))) if held else set()


async def _remove_events(database: Database, events: Sequence[LoggedKeys], age: timedelta) -> tuple[int, int]:
    async with database.transaction(seconds=TIMEOUT) as transaction:
        await transaction.run("exclude_dispatchers")
        rows = await transaction.run("find_unfinished_events", {"ids": [event.id for event in events]})
        unfinished = [row.id for row in rows]
        rows = await transaction.run("find_pending_events", {"ids": unfinished}) if unfinished else []
        pending = {row.event_id for row in rows}
        old = [event for event in events if event.id not in pending]
        # Who was seen on a browser, and when, decides whose its other events are.
        unseen = [
            (fragment, *event.position) for event in old if not event.keys.handl_id for fragment in _fragments(event)
        ]
        params = {
            "ids": [event.id for event in old],
            "age": age,
            "needed": list(await _needed(transaction, old)),
            "fragment_ids": [fragment for fragment, _, _ in unseen],
            "ats": [at for _, at, _ in unseen],
            "fragment_events": [event_id for _, _, event_id in unseen],
        }
        (removed,) = await transaction.run("remove_events", params)
    return removed.gone, removed.kept


def _keys(row: Any) -> Keys:
    return Keys(row.account_id, row.handl_id, row.lead_id, row.emails, row.phones, row.is_public)


def _fragments(event: LoggedKeys) -> set[UUID]:
    """Return the fragments that an event is folded into."""
    return {fragment_id(keys) for keys in (event.keys, Keys(event.keys.account_id)) if not keys.is_empty}


async def _microseconds_before_now(database: Database, time: timedelta) -> int:
    now = only_value(await database.run("read_clock"))
    return position(now - time, 0)[0]
