"""Rebuild the projections: drop the delivery queue and the identity graph, and fold the logs again.

A rebuild is one transaction under the lock that excludes dispatchers: killed halfway it changes nothing, and two at once
run one after the other. Dispatchers may keep running; their claims wait meanwhile, but recording never does. The log is
read in batches, so memory does not grow with it.

Retention removes receipts and events from the log. What the log no longer holds is therefore kept from the old
projections (`drop_projections`), and an event without a receipt is pending only as long as a window may be open for it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
import structlog

from dispatcher.database.connections import Database, Transaction, only_value, rows_as
from dispatcher.identity.fragments import Fact
from dispatcher.identity.keys import keys_of, position
from dispatcher.intake.folding import folded
from dispatcher.models import Event

log = structlog.get_logger()

BATCH = 5000
OPEN = timedelta(days=8)
"""An event older than this is outside every destination's window. Retention removes receipts only after that."""


class Rebuilt(msgspec.Struct):
    """What a rebuild did: events folded, deliveries pending now, and how many of these were taken out of leases."""

    events: int = 0
    pending: int = 0
    taken: int = 0


async def rebuild(database: Database, progress: Callable[[int, int], None] = lambda _done, _of: None) -> Rebuilt:
    """Fold the logs again; call `progress` with the ids of events done and to do."""
    async with database.transaction(seconds=0) as transaction:
        await transaction.run("exclude_dispatchers")
        rebuilt = Rebuilt()
        rebuilt.taken = only_value(await transaction.run("take_back_leases"))
        await transaction.run("drop_projections", {"open": OPEN})
        (ids,) = await transaction.run("read_event_range")
        after = 0
        while rows := await transaction.run("read_folded_events", {"after": after, "limit": BATCH}):
            events = rows_as(Event, rows)
            await _fold(transaction, events)
            pending = await transaction.run("enqueue_pending", {"ids": [event.id for event in events], "open": OPEN})
            rebuilt.events += len(events)
            rebuilt.pending += only_value(pending)
            after = events[-1].id
            progress(min(after, ids.last) - ids.first + 1, ids.last - ids.first + 1)
        await transaction.run("drop_empty_fragments")
    log.info("rebuilt", **msgspec.structs.asdict(rebuilt))
    return rebuilt


async def _fold(transaction: Transaction, events: list[Event]) -> None:
    facts = [
        Fact.of(position(event.occurred_at, event.id), keys, event.sealed, event.visitor, event.consent)
        for event in events
        if not (keys := keys_of(event)).is_empty
    ]
    await transaction.run("fold_events", folded(facts))
