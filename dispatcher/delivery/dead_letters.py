"""Dead letters: what will not be sent as it is, grouped, and owing it once more. For the console and `outbox dead`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from dispatcher.database.connections import Database

REQUEUE_BATCH = 5000


class DeadLetterFilter(msgspec.Struct, frozen=True):
    """Which dead letters are meant; None: whatever it is."""

    reason: str | None = None
    destination: str | None = None
    step: str | None = None

    def parameters(self) -> Mapping[str, Any]:
        """Give the filters of the queries."""
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


async def groups(database: Database, which: DeadLetterFilter) -> list[Group]:
    """Give the groups of those that nobody has requeued, the largest first."""
    return [Group(*row) for row in await database.run_once("list_dead_letters", which.parameters())]


async def requeue(database: Database, which: DeadLetterFilter, tell: Callable[[int], None] = lambda _: None) -> int:
    """Owe them once more, as a new revision each; give how many there were, which `tell` is told meanwhile. Those that die meanwhile are left."""
    requeued, destination, event = 0, 0, 0
    before = (await database.run_once("read_clock"))[0][0]
    batch = {**which.parameters(), "before": before, "limit": REQUEUE_BATCH}
    while rows := await database.run_once(
        "requeue_dead_letters", batch | {"destination_after": destination, "event_after": event}
    ):
        count, destination, event = rows[0]
        requeued += count
        tell(requeued)
    return requeued


async def requeue_one(database: Database, event: int, destination: str) -> bool:
    """Owe the dead letter of one event at one destination once more; False: there is none."""
    rows = await database.run_once("requeue_dead_letter", {"event": event, "destination": destination})
    return bool(rows[0][0])
