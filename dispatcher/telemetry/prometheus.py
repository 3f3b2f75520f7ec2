"""The Prometheus metrics of this process."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

RECEIPTS = frozenset({"delivered", "skipped", "failed"})
"""Outcomes that end a delivery. Those that end only an attempt are counted separately; `returned` is neither."""
MOST_REASONS = 60
"""The most different reasons that become series. There are some thirty; free text must never become a series for each value."""
OTHER = "other"

disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the number of series and are of no use here

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

_RECEIPTS = Counter(
    "outbox_receipts",
    "Deliveries that ended, by outcome and reason",
    ["destination", "outcome", "reason"],
    registry=REGISTRY,
)
_ATTEMPTS = Counter(
    "outbox_attempts",
    "Attempts that did not end the delivery, by outcome",
    ["destination", "outcome"],
    registry=REGISTRY,
)
_REQUESTS = Counter(
    "outbox_requests", "Requests to a destination, by outcome", ["destination", "outcome"], registry=REGISTRY
)
_BATCH = Histogram(
    "outbox_batch_events",
    "Events that one request carried",
    ["destination"],
    registry=REGISTRY,
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000),
)
_SEND = Histogram(
    "outbox_send_seconds",
    "Time from a request to its response",
    ["destination"],
    registry=REGISTRY,
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
_SETTLE = Histogram(
    "outbox_settle_seconds",
    "Time that the database takes for one settlement",
    ["destination"],
    registry=REGISTRY,
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)
_TAKEN_IN = Counter("outbox_intake_events", "Events processed by intake", registry=REGISTRY)
_INTAKE = Histogram(
    "outbox_intake_seconds",
    "Time that intake takes for one batch",
    registry=REGISTRY,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)


class _Waits(Collector):
    """A histogram that takes many values at once, as it gets every event, thousands a second."""

    NAME = "outbox_delivered_latency_seconds"
    BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0, 604800.0)

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def add(self, destination: str, seconds: Sequence[float]) -> None:
        """Add waiting times, in any order."""
        ordered = sorted(seconds)
        counts = self._counts.setdefault(destination, [0] * (len(self.BOUNDS) + 1))
        for index, bound in enumerate(self.BOUNDS):
            counts[index] += bisect_right(ordered, bound)
        counts[-1] += len(ordered)
        self._sums[destination] = self._sums.get(destination, 0.0) + sum(ordered)

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Return the metric family as Prometheus expects it: each bucket includes those below it."""
        family = HistogramMetricFamily(
            self.NAME, "Time from recorded to delivered, of each event's first delivery", labels=["destination"]
        )
        bounds = [*(str(bound) for bound in self.BOUNDS), "+Inf"]
        for destination, counts in self._counts.items():
            family.add_metric([destination], list(zip(bounds, counts, strict=True)), self._sums[destination])
        return [family]


_WAITS = _Waits()
REGISTRY.register(_WAITS)

# Cached for every request: finding a series by its labels costs more than counting.
_requests_of = cache(_REQUESTS.labels)
_batch_of = cache(_BATCH.labels)
_send_of = cache(_SEND.labels)

_reasons: set[str] = set()


def requested(destination: str, events: int, outcome: str, seconds: float) -> None:
    """Count a request with `events` events that ended with `outcome` (`destinations.base.Outcome`) after `seconds`."""
    _requests_of(destination, outcome).inc()
    _batch_of(destination).observe(events)
    _send_of(destination).observe(seconds)


def settled(destination: str, outcomes: Mapping[tuple[str, str], int], seconds: float) -> None:
    """Count a settlement that took the database `seconds`; `outcomes`: deliveries by outcome and reason (empty: none)."""
    ended(destination, outcomes)
    _SETTLE.labels(destination).observe(seconds)


def ended(destination: str, outcomes: Mapping[tuple[str, str], int]) -> None:
    """Count deliveries that ended and attempts that did not end one, by outcome and reason (empty: none)."""
    for (outcome, reason), count in outcomes.items():
        if outcome in RECEIPTS:
            _RECEIPTS.labels(destination, outcome, _bounded(reason)).inc(count)
        elif outcome != "returned":
            _ATTEMPTS.labels(destination, outcome).inc(count)


def waited(destination: str, seconds: Sequence[float]) -> None:
    """Count the seconds that events waited from recorded to first delivered."""
    _WAITS.add(destination, seconds)


def took_in(events: int, seconds: float) -> None:
    """Count a batch of intake."""
    _TAKEN_IN.inc(events)
    _INTAKE.observe(seconds)


def _bounded(reason: str) -> str:
    if reason not in _reasons:
        if len(_reasons) >= MOST_REASONS:
            return OTHER
        _reasons.add(reason)
    return reason
