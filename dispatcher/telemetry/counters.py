"""The counts that pages and alerts read, so that they never scan a log.

How many deliveries ended, by outcome and minute; which identifiers they carried; and the state of each destination. The
counts are kept in memory and written once a second if there is anything new. A killed process loses at most that second,
and a connection that breaks at the wrong moment counts it twice: the counts are for display, the receipts are the truth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from time import monotonic

import msgspec
from psycopg.types.json import Jsonb

from dispatcher.database.connections import Database
from dispatcher.models import Delivery, Lease, Settlement
from dispatcher.telemetry import prometheus

FLUSH_SECONDS = 1.0
Key = tuple[int, int]
"""A delivery at one destination: event, revision."""


class ReportedState(msgspec.Struct, frozen=True):
    """The state of a destination as one process sees it."""

    destination: int
    state: str
    reason: str | None = None


class Batch(msgspec.Struct, frozen=True):
    """A lease as it is counted: its destination, and the names of the identifiers that each delivery carries."""

    destination: int
    name: str
    deliveries: dict[Key, Delivery]
    identifiers: dict[Key, tuple[str, ...]]

    @classmethod
    def of(cls, destination: int, name: str, lease: Lease) -> Batch:
        """Return the batch of a lease of which nothing is built yet."""
        return cls(destination, name, {(each.event.id, each.revision): each for each in lease.deliveries}, {})


class Wait(msgspec.Struct):
    """Seconds from recorded to sent: their sum, and the longest."""

    seconds: float = 0.0
    longest: float = 0.0


class Counters:
    """The counts of one process since they were last written, and the states that it reported last."""

    def __init__(self, database: Database, holder: str, *, heartbeat: timedelta) -> None:
        self._database = database
        self._holder = holder
        self._heartbeat = heartbeat.total_seconds()
        self._outcomes: Counter[tuple[int, str, str]] = Counter()
        self._waits: dict[int, Wait] = {}
        self._coverage: Counter[tuple[int, str, str]] = Counter()
        self._reported: list[ReportedState] = []
        self._reported_at = 0.0

    def ended(self, destination: int, outcome: str, reason: str | None, count: int = 1) -> None:
        """Count deliveries that ended, or attempts that failed."""
        self._outcomes[destination, outcome, reason or ""] += count

    def settled(self, batch: Batch, settlements: Sequence[Settlement], seconds: float) -> None:
        """Count a settlement of some of a batch, which took the database `seconds`."""
        outcomes = Counter((settlement.outcome, settlement.reason or "") for settlement in settlements)
        prometheus.settled(batch.name, outcomes, seconds)
        for (outcome, reason), count in outcomes.items():
            if outcome != "returned":
                self._outcomes[batch.destination, outcome, reason] += count
        carried: Counter[tuple[str, tuple[str, ...]]] = Counter()
        waits: list[float] = []
        for settlement in settlements:
            if settlement.outcome != "delivered" or settlement.revision or settlement.sent_at is None:
                continue
            key = settlement.event_id, settlement.revision
            event = batch.deliveries[key].event
            carried[event.name, batch.identifiers[key]] += 1
            waits.append((settlement.sent_at - event.recorded_at).total_seconds())
        for (step, names), count in carried.items():
            for field in ("", *names):
                self._coverage[batch.destination, step, field] += count
        if waits:
            prometheus.waited(batch.name, waits)
            wait = self._waits.setdefault(batch.destination, Wait())
            wait.seconds += sum(waits)
            wait.longest = max(wait.longest, *waits)

    async def write(self, states: Iterable[ReportedState]) -> bool:
        """Write the counts, and the states if one has changed or a heartbeat is due; return False, as a step of the daemon."""
        states = list(states)
        is_due = states != self._reported or monotonic() - self._reported_at >= self._heartbeat
        if not (is_due or self._outcomes or self._coverage):
            return False
        outcomes, self._outcomes = self._outcomes, Counter()
        waits, self._waits = self._waits, {}
        coverage, self._coverage = self._coverage, Counter()
        await self._database.run(
            "add_counts",
            {
                "holder": self._holder,
                "counts": Jsonb([_count(*key, count, waits) for key, count in outcomes.items()]),
                "coverage": Jsonb(
                    [
                        {"destination": destination, "step": step, "field": field, "events": count}
                        for (destination, step, field), count in coverage.items()
                    ]
                ),
                "is_heartbeat": is_due,
                "states": Jsonb(states if is_due else []),
            },
        )
        if is_due:
            self._reported, self._reported_at = states, monotonic()
        return False

    async def leave(self) -> None:
        """Write what is left, and remove this process from the table of dispatchers."""
        await self.write(self._reported)
        await self._database.run("remove_dispatcher", {"holder": self._holder})


def _count(destination: int, outcome: str, reason: str, count: int, waits: Mapping[int, Wait]) -> dict[str, object]:
    wait = waits.get(destination, Wait()) if outcome == "delivered" else Wait()
    return {
        "destination": destination,
        "outcome": outcome,
        "reason": reason,
        "count": count,
        "seconds": wait.seconds,
        "longest": wait.longest,
    }
