"""Intake: claim, fold, fan out to both destinations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.bench import processes, yardsticks
from tests.bench.measure import Measurement, Side, at_least
from tests.bench.world import World


@contextmanager
def _sides(world: World) -> Iterator[Mapping[str, Side]]:
    events = world.plan.events

    def intake() -> float:
        with world.database(world.recorded(events)) as url:
            return processes.run_intake(world, url)

    yield {"intake": intake, "g2": lambda: yardsticks.g2(world, events)}


INTAKE = Measurement(
    "intake",
    "intake of events sealed by Python, to both destinations",
    "events/s",
    _sides,
    (at_least(0.25, "intake", "g2"),),
    "the rows of an event: two deliveries, a profile fragment and its indexes, where the bare loop writes one receipt",
)
