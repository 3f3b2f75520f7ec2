"""Delivery to GA4, one request per event: compared with a bare client, and with latency at Google."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.bench import processes, yardsticks
from tests.bench.measure import Measurement, Side, at_least
from tests.bench.world import World

SECONDS_AWAY = 0.1
"""A latency such as Google's."""
SLOW = 1.0
"""Seconds of a response where GA4 is the bottleneck: long enough that even two dispatchers do not keep two cores busy."""


def drain(world: World, latency: float = 0.0, *, dispatchers: int = 1) -> float:
    """Deliver from a fresh database."""
    with world.database(world.after_intake(world.plan.events)) as url:
        events = min(world.plan.ga4_events, world.plan.events)
        rate = processes.drain(world, url, "ga4", events, latency=latency, dispatchers=dispatchers)
        taken, settled = world.sink.events("ga4"), processes.delivered(url, "ga4")
        assert settled == taken, f"{settled} receipts for {taken} events taken"
    return rate


@contextmanager
def _drain(world: World) -> Iterator[Mapping[str, Side]]:
    yield {
        "dispatcher": lambda: drain(world),
        "client": lambda: yardsticks.bare_client(world, "ga4", min(world.plan.ga4_events, world.plan.peer_jobs)),
        "pgqueuer": lambda: yardsticks.pgqueuer(world, "ga4", world.plan.peer_jobs),
    }


@contextmanager
def _latency(world: World) -> Iterator[Mapping[str, Side]]:
    yield {"near": lambda: drain(world), "far": lambda: drain(world, SECONDS_AWAY)}


@contextmanager
def _two(world: World) -> Iterator[Mapping[str, Side]]:
    yield {"one": lambda: drain(world, SLOW), "two": lambda: drain(world, SLOW, dispatchers=2)}


DRAIN = Measurement(
    "drain_ga4",
    "deliveries to GA4, one request each, one dispatcher",
    "events/s",
    _drain,
    (at_least(0.6, "dispatcher", "client"), at_least(1.5, "dispatcher", "pgqueuer")),
    "one Python process sends one request per event, and also claims, resolves, builds and settles",
)
LATENCY = Measurement(
    "latency_ga4",
    f"the drain to GA4 with {SECONDS_AWAY * 1000:.0f} ms latency there",
    "events/s",
    _latency,
    (at_least(0.8, "far", "near"),),
    "the number of concurrent requests: that number divided by the latency is the maximum rate",
)
TWO = Measurement(
    "two_dispatchers",
    f"two dispatchers against one, where GA4 takes {SLOW * 1000:.0f} ms to respond",
    "events/s",
    _two,
    (at_least(1.8, "two", "one"),),
    "the two cores, shared with PostgreSQL and the sink",
)
