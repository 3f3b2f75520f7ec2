"""Dead letters: deliveries that failed for good, listed by group and requeued. For the console and `outbox dead`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from dispatcher.database.connections import Database, only_value, rows_as

REQUEUE_BATCH = 5000


class DeadLetterFilter(msgspec.Struct, frozen=True):
    """Which dead letters to take; None: any."""

    reason: str | None = None
    destination: str | None = None
    step: str | None = None

    def parameters(self) -> Mapping[str, Any]:
        """Return the filter as parameters of the queries."""
        return msgspec.structs.asdict(self)


class Group(msgspec.Struct):
    """Dead letters of one destination, step, reason and code; `example` is the id of an event."""

    destination: str
    step: str
    reason: str | None
    code: int | None
    subcode: int | None
    count: int
    first_at: datetime
    last_at: datetime
    example: int


async def groups(database: Database, letters: DeadLetterFilter) -> list[Group]:
    """Return the groups of dead letters that were not requeued, the largest first."""
    return rows_as(Group, await database.run_once("list_dead_letters", letters.parameters()))


async def requeue(
    database: Database, letters: DeadLetterFilter, on_progress: Callable[[int], None] = lambda _: None
) -> int:
    """Requeue dead letters, each as a new revision; return how many.

    `on_progress` is called with the number so far. Deliveries that fail meanwhile are left alone.
    """
    requeued, destination, event = 0, 0, 0
    before = only_value(await database.run_once("read_clock"))
    batch = {**letters.parameters(), "before": before, "limit": REQUEUE_BATCH}
    while rows := await database.run_once(
        "requeue_dead_letters", batch | {"destination_after": destination, "event_after": event}
    ):
        (last,) = rows
        destination, event = last.destination, last.event_id
        requeued += last.count
        on_progress(requeued)
    return requeued


async def requeue_one(database: Database, event: int, destination: str) -> bool:
    """Requeue the dead letter of one event at one destination; return False if there is none."""
    rows = await database.run_once("requeue_dead_letter", {"event": event, "destination": destination})
    return bool(only_value(rows))
