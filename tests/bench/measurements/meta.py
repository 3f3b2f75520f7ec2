"""Delivery to Meta: a drain alone, together with intake, and with latency at Meta."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.bench import processes, yardsticks
from tests.bench.measure import Measurement, Side, at_least
from tests.bench.world import World

SECONDS_AWAY = 0.1
"""A latency such as Meta's."""


def drain(world: World, latency: float = 0.0) -> float:
    """Deliver the plan's events from a fresh database."""
    events = world.plan.events
    with world.database(world.after_intake(events)) as url:
        rate = processes.drain(world, url, "meta", events, latency=latency)
        taken, settled = world.sink.events("meta"), processes.delivered(url, "meta")
        assert settled == taken, f"{settled} receipts for {taken} events taken"
    return rate


@contextmanager
def _drain(world: World) -> Iterator[Mapping[str, Side]]:
    yield {
        "dispatcher": lambda: drain(world),
        "g2": lambda: yardsticks.g2(world, world.plan.events),
        "pgqueuer": lambda: yardsticks.pgqueuer(world, "meta", world.plan.peer_jobs),
        "procrastinate": lambda: yardsticks.procrastinate(world, "meta", world.plan.slow_peer_jobs),
    }


@contextmanager
def _together(world: World) -> Iterator[Mapping[str, Side]]:
    def together() -> float:
        events = world.plan.events
        with world.database(world.recorded(events)) as url:
            return processes.together(world, url, "meta", events)

    yield {
        "dispatcher": together,
        "pgqueuer": lambda: yardsticks.pgqueuer(world, "meta", world.plan.peer_jobs),
    }


@contextmanager
def _latency(world: World) -> Iterator[Mapping[str, Side]]:
    yield {"near": lambda: drain(world), "far": lambda: drain(world, SECONDS_AWAY)}


DRAIN = Measurement(
    "drain_meta",
    "deliveries to Meta, one dispatcher: claim, resolve, build, send, settle with receipts",
    "events/s",
    _drain,
    (
        at_least(0.25, "dispatcher", "g2"),
        at_least(5, "dispatcher", "pgqueuer"),
        at_least(5, "dispatcher", "procrastinate"),
    ),
    "one Python process: claiming (JSON to objects), building and settling share one core",
)
TOGETHER = Measurement(
    "together",
    "recorded to accepted by Meta: intake and delivery at once, one dispatcher (deliveries to GA4 are paused)",
    "events/s",
    _together,
    (at_least(3, "dispatcher", "pgqueuer"),),
    "one Python process does intake and delivery on one core",
)
LATENCY = Measurement(
    "latency_meta",
    f"the drain to Meta with {SECONDS_AWAY * 1000:.0f} ms latency there",
    "events/s",
    _latency,
    (at_least(0.8, "far", "near"),),
    "the number of concurrent requests",
)
