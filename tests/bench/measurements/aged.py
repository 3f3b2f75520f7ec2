"""The drain to Meta in a used database: much is settled, much is pending, or a connection holds an old snapshot."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import median

import psycopg

from tests.bench import fill, processes
from tests.bench.measure import Goal, Measurement, Side, at_least, at_most
from tests.bench.measurements import meta
from tests.bench.world import World


@contextmanager
def _settled(world: World) -> Iterator[Mapping[str, Side]]:
    name = world.template(
        "settled", world.after_intake(world.plan.events), lambda url: fill.settle(url, world.plan.settled)
    )
    url, rounds = world.address(name), itertools.count()

    def drain() -> float:
        if number := next(rounds):  # the first time, the template's deliveries are pending
            processes.run_more_intake(world, url, [f"round{number}"])
        return processes.drain(world, url, "meta", world.plan.events)

    yield {"empty": lambda: meta.drain(world), "settled": drain}
    world.drop(name)


@contextmanager
def _pending(world: World) -> Iterator[Mapping[str, Side]]:
    more = -(-world.plan.pending // world.plan.events)
    copies = [f"copy{number}" for number in range(more)]
    name = world.template(
        "pending", world.after_intake(world.plan.events), lambda url: processes.run_more_intake(world, url, copies)
    )
    url, rounds = world.address(name), itertools.count()

    def drain() -> dict[str, float]:
        if number := next(rounds):
            processes.run_more_intake(world, url, [f"round{number}"])
        resident: list[float] = []

        def look(process: int) -> None:
            resident.append(sum(one.memory_info().rss for one in processes.family(process)) / 2**20)

        rate = processes.drain(world, url, "meta", world.plan.events, look=look)
        third = max(1, len(resident) // 3)
        return {
            "": rate,
            "MB": max(resident),
            "growth": median(resident[-third:]) / median(resident[third : 2 * third] or resident),
        }

    yield {"empty": lambda: meta.drain(world), "pending": drain}
    world.drop(name)


@contextmanager
def _snapshot(world: World) -> Iterator[Mapping[str, Side]]:
    def held() -> float:
        events = world.plan.events
        with world.database(world.after_intake(events)) as url, psycopg.connect(url) as other:
            other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            other.execute("SELECT count(*) FROM outbox.destination")
            return processes.drain(world, url, "meta", events)

    yield {"alone": lambda: meta.drain(world), "snapshot": held}


SETTLED = Measurement(
    "settled",
    "the drain to Meta with 5,000,000 settled events in the database",
    "events/s",
    _settled,
    (at_least(0.95, "settled", "empty"),),
    "the indexes of events, receipts and profile fragments are a level deeper, and less of them is in memory",
)
PENDING = Measurement(
    "pending",
    "the drain to Meta with 1,000,000 events pending, and the daemon's memory meanwhile",
    "events/s",
    _pending,
    (
        at_least(0.95, "pending", "empty"),
        at_most(150, "pending.MB", "MB", "memory ≤ 150 MB"),
        Goal("memory is flat: last third ≤ 1.1 x the one before", lambda values: values["pending.growth"], most=1.1),
    ),
    "the indexes of events and profile fragments are a level deeper",
)
SNAPSHOT = Measurement(
    "snapshot",
    "the drain to Meta while another connection holds an old snapshot throughout",
    "events/s",
    _snapshot,
    (at_least(0.9, "snapshot", "alone"),),
    "claimed rows cannot be vacuumed, and every claim scans over them",
)
