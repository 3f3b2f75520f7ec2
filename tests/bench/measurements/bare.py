"""The bare loop alone, as a reference for the machine's current speed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.bench import yardsticks
from tests.bench.measure import Measurement, Side
from tests.bench.world import World


@contextmanager
def _sides(world: World) -> Iterator[Mapping[str, Side]]:
    yield {"g2": lambda: yardsticks.g2(world, world.plan.events)}


G2 = Measurement("g2", "claim and settle of shape G2, and nothing else", "events/s", _sides, ())
