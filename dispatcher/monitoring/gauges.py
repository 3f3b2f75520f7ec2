"""What the database knows, as gauges: asked at a scrape, with a few cheap statements, and cached for some seconds."""

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
from dispatcher.monitoring.quality import IDENTIFIERS, qualities

FRESH_SECONDS = 5.0
ANSWER_SECONDS = 3.0
"""How long the database may take; a scrape gives up after ten seconds."""
MOST = 100_000
"""So many rows of a queue are counted; of more, the planner's estimate is given."""
STATES = ("running", "throttled", "failing", "paused", "disabled", "halted")


class Gauge(NamedTuple):
    """What one gauge shows, and by which labels."""

    help: str
    labels: tuple[str, ...] = ()


GAUGES: Mapping[str, Gauge] = {
    "outbox_database_up": Gauge(
        "1 if the database answered within three seconds, else 0 and nothing else is known of it"
    ),
    "outbox_pending": Gauge(
        "Deliveries still owed, queued and leased; destination intake: events not taken in yet, merges: merges not dealt "
        "with yet. Exact up to 100000; above, the planner's estimate of the table, shared among the destinations that have more",
        ("destination",),
    ),
    "outbox_oldest_pending_seconds": Gauge(
        "How long the longest-waiting has been owed, a re-send since it was decided, what a paused step holds back included; "
        "0: nothing is owed",
        ("destination",),
    ),
    "outbox_destination_state": Gauge(
        "1 for the state that the destination is in: as it was switched, else the one that a dispatcher came to last",
        ("destination", "state"),
    ),
    "outbox_match_coverage_ratio": Gauge(
        "Share of the events delivered yesterday and today (UTC) that carried an identifier",
        ("destination", "event_name", "field"),
    ),
    "outbox_oldest_transaction_seconds": Gauge(
        "Age of the oldest open transaction in the database: vacuum clears nothing that ended since, and queues bloat. "
        "Those of other roles are seen by members of pg_read_all_stats only"
    ),
    "outbox_dispatchers": Gauge("Dispatchers that gave a sign of life within the lease time"),
    "outbox_alerts": Gauge("What somebody was alerted to and what has not passed yet", ("kind",)),
}

Values = dict[str, list[tuple[tuple[str, ...], float]]]


class Gauges(Collector):
    """The gauges of one database. `fresh`: how long after its last word a dispatcher counts as there."""

    def __init__(self, database: Database, *, fresh: timedelta) -> None:
        self._database = database
        self._fresh = fresh
        self._values: Values = {}
        self._asked_at = -FRESH_SECONDS
        self._asking = asyncio.Lock()

    async def refresh(self) -> None:
        """Ask the database, unless that was done just now; never raises for a database that is away."""
        async with self._asking:
            if monotonic() - self._asked_at < FRESH_SECONDS:
                return
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    self._values = await self._ask()
                self._values["outbox_database_up"] = [((), 1.0)]
            except (
                *DATABASE_UNAVAILABLE,
                psycopg.Error,
                TimeoutError,
            ):  # whatever it is, what this process counts is still told
                self._values = {"outbox_database_up": [((), 0.0)]}
            self._asked_at = monotonic()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Give what was asked last."""
        for name, gauge in GAUGES.items():
            family = GaugeMetricFamily(name, gauge.help, labels=gauge.labels)
            for labels, value in self._values.get(name, ()):
                family.add_metric(labels, value)
            yield family

    async def _ask(self) -> Values:
        rows = await self._database.run_once("read_gauges", {"fresh": self._fresh, "most": MOST})
        told: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for what, name, state, number in rows:
            told[what][name or state] = number
        known = destination_statuses(await self._database.run_once("read_destination_status", {"fresh": self._fresh}))
        return {
            "outbox_pending": [((name,), count) for name, count in pending(told).items()],
            "outbox_oldest_pending_seconds": [((each.name,), each.age.longest or 0.0) for each in known.values()],
            "outbox_destination_state": [
                ((each.name, state), float(each.state == state))
                for each in known.values()
                if each.id
                for state in STATES
            ],
            "outbox_match_coverage_ratio": await self._coverage(),
            "outbox_oldest_transaction_seconds": [((), told["oldest_transaction"][""])],
            "outbox_dispatchers": [((), told["dispatchers"][""])],
            "outbox_alerts": [((kind,), told["alerts"].get(kind, 0.0)) for kind in KINDS],
        }

    async def _coverage(self) -> list[tuple[tuple[str, ...], float]]:
        today = datetime.now(UTC).date()
        found: dict[tuple[str, ...], list[int]] = {}
        for quality in await qualities(self._database, today - timedelta(days=1), today):
            # Only identifiers: what else an event carries is for a writer to invent, and no series of ours.
            for identifier in IDENTIFIERS.get(quality.kind, ()):
                # Several steps may be called alike: two forms are both a Lead.
                both = found.setdefault((quality.destination, quality.event_name, identifier.field), [0, 0])
                both[0] += quality.fields.get(identifier.field, 0)
                both[1] += quality.events
        return [(labels, min(part / whole, 1.0)) for labels, (part, whole) in found.items() if whole]


def pending(told: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Give how much each destination is owed, from rows counted (up to `MOST`), rows leased, and the tables' estimates."""
    queued, rows = dict(told["queued"]), told["rows"]
    for name in ("intake", "merges"):
        if queued[name] >= MOST:
            queued[name] = max(queued[name], rows["intake" if name == "intake" else "merge"])
    many = [name for name, count in queued.items() if count >= MOST and name not in {"intake", "merges"}]
    few = sum(count for name, count in queued.items() if name not in {*many, "intake", "merges"})
    for name in many:
        queued[name] = max(queued[name], (rows["delivery"] - few) / len(many))
    return {name: round(count + told["leased"].get(name, 0.0)) for name, count in queued.items()}
