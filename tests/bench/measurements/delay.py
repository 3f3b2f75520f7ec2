"""The time from a commit until the destination has the event, at a low rate; by polling, and with NOTIFY."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import quantiles

import psycopg

import outbox
from tests.bench import fill, processes
from tests.bench.measure import Measurement, Side, at_most
from tests.bench.world import World

RATE = 50
POLL_MS = 250
SETTLE_IN_SECONDS = 3.0
"""Until the dispatcher has read the state of the destinations."""
LAST_SECONDS = 20.0


def delays(world: World, *, notify: bool) -> dict[str, float]:
    """Return the milliseconds from commit to acceptance."""
    with world.database(world.migrated) as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE outbox.destination SET paused = false")
        if notify:
            connection.execute("ALTER TABLE outbox.event ENABLE TRIGGER event_notify")
        with processes.dispatching(world, url) as dispatcher:
            processes.wait_until_ready(dispatcher)
            time.sleep(SETTLE_IN_SECONDS)
            world.sink.begin(tracing=True)
            committed = _write(world, connection)
            end = time.monotonic() + LAST_SECONDS
            while any(committed.keys() - dict(arrivals) for arrivals in world.sink.ask("arrivals").values()):
                assert time.monotonic() < end, "not all events arrived"
                time.sleep(0.2)
        found: dict[str, float] = {}
        for destination, arrivals in world.sink.ask("arrivals").items():
            # A sign-in enriches earlier events, which are sent to Meta again; only the first arrival counts.
            first = dict(reversed(arrivals))
            waited = [(first[event_id] - at) * 1000 for event_id, at in committed.items()]
            cuts = quantiles(waited, n=100, method="inclusive")
            found |= {f"{destination} p50": cuts[49], f"{destination} p99": cuts[98]}
    return found


def _write(world: World, connection: psycopg.Connection[object]) -> dict[str, float]:
    """Commit events at an even rate; return when each was committed."""
    conversions = [fill.conversion(number) for number in range(round(RATE * world.plan.latency))]
    committed: dict[str, float] = {}
    began = time.monotonic()
    for number, conversion in enumerate(conversions):
        time.sleep(max(0.0, began + number / RATE - time.monotonic()))
        outbox.record(connection, conversion)
        committed[str(conversion.event_id)] = time.time()
    return committed


@contextmanager
def _sides(world: World) -> Iterator[Mapping[str, Side]]:
    yield {"poll": lambda: delays(world, notify=False), "notify": lambda: delays(world, notify=True)}


DELAY = Measurement(
    "delay",
    f"commit to accepted by the destination, at {RATE} events/s",
    "ms",
    _sides,
    (
        at_most(POLL_MS, "poll.meta p50", "ms"),
        at_most(2 * POLL_MS, "poll.meta p99", "ms"),
        at_most(POLL_MS, "poll.ga4 p50", "ms"),
        at_most(2 * POLL_MS, "poll.ga4 p99", "ms"),
        at_most(20, "notify.meta p50", "ms"),
        at_most(100, "notify.meta p99", "ms"),
        at_most(20, "notify.ga4 p50", "ms"),
        at_most(100, "notify.ga4 p99", "ms"),
    ),
    "claim, intake, claim and request follow each other, a round trip or two each",
)
