"""Re-send after merges on demand: the whole log since a time, or one account's events, in bounded memory.

The backfill decides with the same code as the daemon does after each merge, and enqueues through the same revisions. So
it is idempotent, and safe beside running dispatchers, which deliver what it enqueues.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import msgspec

from dispatcher.database.connections import Database, rows_as
from dispatcher.identity.keys import Keys
from dispatcher.identity.resolver import END, PersonResolver
from dispatcher.models import Event
from dispatcher.resend.planner import Assessment, Resender

BATCH = 1000


class Progress(msgspec.Struct, frozen=True):
    """One batch: how far the scan is (`done` of `total`), what was decided, and how many deliveries were enqueued."""

    done: int
    total: int
    assessments: Sequence[Assessment]
    merge_notices: int
    enqueued: int


async def backfill(
    database: Database, resender: Resender, *, since: datetime, account_id: str | None, dry_run: bool
) -> AsyncIterator[Progress]:
    """Go through the events recorded since `since` (of one account, if given), one batch at a time."""
    batches = _of_account(database, resender, account_id) if account_id else _since(database, since)
    async for done, total, batch in batches:
        events = [event for event in batch if event.recorded_at >= since]
        assessments = await resender.assess(events)
        merge_notices = await resender.merge_notices(await resender.merges_among(events))
        enqueued = 0 if dry_run else await resender.enqueue(assessments, merge_notices)
        yield Progress(done, total, assessments, len(merge_notices), enqueued)


async def _since(database: Database, since: datetime) -> AsyncIterator[tuple[int, int, list[Event]]]:
    (ids,) = await database.run("read_event_range")
    first, last = ids.first, ids.last
    if first is None:
        return
    start = await _first_since(database, since, first, last)
    after = start - 1
    while rows := await database.run("read_events_after", {"after": after, "limit": BATCH}):
        after = rows[-1].id
        yield min(after, last) - start + 1, last - start + 1, rows_as(Event, rows)


async def _first_since(database: Database, since: datetime, first: int, last: int) -> int:
    """Return the id at which the scan begins, by bisection: ids follow the time of recording closely."""
    while first < last:
        middle = (first + last) // 2
        rows = await database.run("find_first_event_at", {"id": middle})
        if rows and rows[0].recorded_at < since:
            first = middle + 1
        else:
            last = middle
    return first


async def _of_account(
    database: Database, resender: Resender, account_id: str
) -> AsyncIterator[tuple[int, int, list[Event]]]:
    (owner,) = await PersonResolver(database).owners_of([(Keys.of(account_id, None, None), END)])
    ids = sorted(await resender.events_of(owner))
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        yield start + len(batch), len(ids), await resender.events(batch)
