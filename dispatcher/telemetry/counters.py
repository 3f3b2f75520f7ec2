"""What a process counts: for Prometheus, and for the pages and alerts, so that they never scan a log.

Whatever is counted is counted here, once; each metric of `telemetry.prometheus` is fed from this module only. For pages and
alerts: how many deliveries ended, by outcome and minute; which identifiers they carried; and the state of each destination. The
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
from dispatcher.models import ClaimedEvent, Lease, Settlement
from dispatcher.reasons import Refusal
from dispatcher.routing import DestinationRoutes
from dispatcher.telemetry import prometheus

FLUSH_SECONDS = 1.0


class ReportedState(msgspec.Struct, frozen=True):
    """The state of a destination as one process sees it."""

    destination: int
    state: str
    reason: str | None = None


class CountedLease:
    """A lease as it is counted: its destination, and each delivery (event id, revision) with the identifiers it carries."""

    def __init__(self, destination: DestinationRoutes, lease: Lease) -> None:
        self.destination = destination
        self._events = {(each.event.id, each.revision): each.event for each in lease.deliveries}
        self._identifiers: dict[tuple[int, int], tuple[str, ...]] = {}

    def add_identifiers(self, identifiers: Iterable[tuple[tuple[int, int], tuple[str, ...]]]) -> None:
        """Note which identifiers the payloads of some deliveries carry."""
        self._identifiers.update(identifiers)

    def delivered(self, settlement: Settlement) -> tuple[ClaimedEvent, tuple[str, ...]]:
        """Return the event of a settlement, and the identifiers that it carried."""
        key = settlement.event_id, settlement.revision
        return self._events[key], self._identifiers[key]


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

    def took_in(self, events: int, seconds: float) -> None:
        """Count a batch of intake."""
        prometheus.took_in(events, seconds)

    def requested(self, destination: str, events: int, outcome: str, seconds: float) -> None:
        """Count a request with `events` events that ended with `outcome` after `seconds`."""
        prometheus.requested(destination, events, outcome, seconds)

    def ended(self, destination: DestinationRoutes, refusal: Refusal, count: int) -> None:
        """Count deliveries that ended without a request."""
        prometheus.ended(destination.name, {(refusal.outcome, refusal.reason): count})
        self._outcomes[destination.id, refusal.outcome, refusal.reason] += count

    def settled(self, lease: CountedLease, settlements: Sequence[Settlement], seconds: float) -> None:
        """Count a settlement of some of a lease, which took the database `seconds`."""
        destination = lease.destination
        outcomes = Counter((settlement.outcome, settlement.reason or "") for settlement in settlements)
        prometheus.settled(destination.name, outcomes, seconds)
        for (outcome, reason), count in outcomes.items():
            if outcome != "returned":
                self._outcomes[destination.id, outcome, reason] += count
        carried: Counter[tuple[str, tuple[str, ...]]] = Counter()
        waits: list[float] = []
        for settlement in settlements:
            if settlement.outcome != "delivered" or settlement.revision or settlement.sent_at is None:
                continue
            event, identifiers = lease.delivered(settlement)
            carried[event.name, identifiers] += 1
            waits.append((settlement.sent_at - event.recorded_at).total_seconds())
        for (step, names), count in carried.items():
            for field in ("", *names):
                self._coverage[destination.id, step, field] += count
        if waits:
            prometheus.waited(destination.name, waits)
            wait = self._waits.setdefault(destination.id, Wait())
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
