"""Gauges read from the database: at a scrape, with a few cheap statements, cached for some seconds."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import NamedTuple

import psycopg
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from dispatcher.database.connections import DATABASE_UNAVAILABLE, Database
from dispatcher.monitoring.alerts.conditions import KINDS
from dispatcher.monitoring.destination_status import destination_statuses
from dispatcher.monitoring.quality import of_kind, qualities

FRESH_SECONDS = 5.0
ANSWER_SECONDS = 3.0
"""How long the database may take; Prometheus gives up a scrape after ten seconds."""
MOST = 100_000
"""Rows of a queue are counted up to this number; above it, the planner's estimate is reported."""
STATES = ("running", "throttled", "failing", "paused", "disabled", "halted")


class Gauge(NamedTuple):
    """The help text and the labels of one gauge."""

    help: str
    labels: tuple[str, ...] = ()


GAUGES: Mapping[str, Gauge] = {
    "outbox_database_up": Gauge(
        "1 if the database responded within three seconds; else 0, and the other gauges are absent"
    ),
    "outbox_pending": Gauge(
        "Pending deliveries, queued and leased; destination intake: events waiting for intake, merges: merges waiting to be "
        "processed. Exact up to 100000; above, the planner's estimate of the table, shared among the destinations that have more",
        ("destination",),
    ),
    "outbox_oldest_pending_seconds": Gauge(
        "How long the oldest delivery has been pending (a re-send: since it was decided), those of paused steps included; "
        "0: nothing is pending",
        ("destination",),
    ),
    "outbox_destination_state": Gauge(
        "1 for the current state of the destination: as it was switched, else as a dispatcher reported it last",
        ("destination", "state"),
    ),
    "outbox_match_coverage_ratio": Gauge(
        "Share of the events delivered yesterday and today (UTC) that carried an identifier",
        ("destination", "event_name", "field"),
    ),
    "outbox_oldest_transaction_seconds": Gauge(
        "Age of the oldest open transaction in the database: vacuum removes no row that died since, and queues bloat. "
        "Only members of pg_read_all_stats see the transactions of other roles"
    ),
    "outbox_dispatchers": Gauge("Dispatchers seen within the lease time"),
    "outbox_alerts": Gauge("Active alerts", ("kind",)),
}

Values = dict[str, list[tuple[tuple[str, ...], float]]]


class Gauges(Collector):
    """The gauges of one database. `fresh`: how long after its last heartbeat a dispatcher counts as running."""

    def __init__(self, database: Database, *, fresh: timedelta) -> None:
        self._database = database
        self._fresh = fresh
        self._values: Values = {}
        self._read_at = -FRESH_SECONDS
        self._reading = asyncio.Lock()

    async def refresh(self) -> None:
        """Read the database unless that was done just now; never raise when it is unavailable."""
        async with self._reading:
            if monotonic() - self._read_at < FRESH_SECONDS:
                return
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    self._values = await self._read()
                self._values["outbox_database_up"] = [((), 1.0)]
            except (*DATABASE_UNAVAILABLE, psycopg.Error, TimeoutError):  # the metrics of this process are still served
                self._values = {"outbox_database_up": [((), 0.0)]}
            self._read_at = monotonic()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the values that were read last."""
        for name, gauge in GAUGES.items():
            family = GaugeMetricFamily(name, gauge.help, labels=gauge.labels)
            for labels, value in self._values.get(name, ()):
                family.add_metric(labels, value)
            yield family

    async def _read(self) -> Values:
        rows = await self._database.run_once("read_gauges", {"fresh": self._fresh, "most": MOST})
        numbers: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for row in rows:
            numbers[row.what][row.name or row.state] = row.number
        statuses = destination_statuses(
            await self._database.run_once("read_destination_status", {"fresh": self._fresh})
        )
        return {
            "outbox_pending": [((name,), count) for name, count in pending(numbers).items()],
            "outbox_oldest_pending_seconds": [((each.name,), each.age.longest or 0.0) for each in statuses.values()],
            "outbox_destination_state": [
                ((each.name, state), float(each.state == state))
                for each in statuses.values()
                if each.id
                for state in STATES
            ],
            "outbox_match_coverage_ratio": await self._coverage(),
            "outbox_oldest_transaction_seconds": [((), numbers["oldest_transaction"][""])],
            "outbox_dispatchers": [((), numbers["dispatchers"][""])],
            "outbox_alerts": [((kind,), numbers["alerts"].get(kind, 0.0)) for kind in KINDS],
        }

    async def _coverage(self) -> list[tuple[tuple[str, ...], float]]:
        today = datetime.now(UTC).date()
        found: dict[tuple[str, ...], list[int]] = {}
        for quality in await qualities(self._database, today - timedelta(days=1), today):
            # Only identifiers: a writer can invent any other field, and none of those may become a series.
            for identifier in of_kind(quality.kind).identifiers:
                # Several steps may share an event name: two forms are both a Lead.
                counts = found.setdefault((quality.destination, quality.event_name, identifier.field), [0, 0])
                counts[0] += quality.fields.get(identifier.field, 0)
                counts[1] += quality.events
        return [(labels, min(part / whole, 1.0)) for labels, (part, whole) in found.items() if whole]


def pending(numbers: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return how much is pending for each destination, from counted rows (up to `MOST`), leased rows and table estimates."""
    queued, rows = dict(numbers["queued"]), numbers["rows"]
    for name in ("intake", "merges"):
        if queued[name] >= MOST:
            queued[name] = max(queued[name], rows["intake" if name == "intake" else "merge"])
    many = [name for name, count in queued.items() if count >= MOST and name not in {"intake", "merges"}]
    few = sum(count for name, count in queued.items() if name not in {*many, "intake", "merges"})
    for name in many:
        queued[name] = max(queued[name], (rows["delivery"] - few) / len(many))
    return {name: round(count + numbers["leased"].get(name, 0.0)) for name, count in queued.items()}
