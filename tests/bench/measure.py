"""What a measurement is, and how it is made: its sides in turn, round after round, so that a noisy minute meets all alike.

A side does its work once and gives a rate (or several numbers by name). A goal compares numbers of one round; what
counts is the median over the rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bench.world import World

Values = Mapping[str, float]
"""The numbers of one round: by side, or by side and name (`idle.cpu`)."""
Side = Callable[[], "float | dict[str, float]"]


@dataclass(frozen=True)
class Goal:
    """What is promised of a round's numbers. `shape` says how `of` reads: a ratio (`x`), a number with its unit."""

    says: str
    of: Callable[[Values], float]
    least: float | None = None
    most: float | None = None
    shape: str = "x"

    def holds(self, value: float) -> bool:
        """Return whether a value is as promised."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


def at_least(share: float, side: str, other: str, says: str = "") -> Goal:
    """`side` makes at least `share` of what `other` makes."""
    text = f"{side} ≥ {_share(share)} {other}"
    return Goal(says or text, lambda values: values[side] / values[other], least=share)


def at_most(limit: float, name: str, unit: str, says: str = "") -> Goal:
    """The number `name` is at most `limit`."""
    return Goal(says or f"{name} ≤ {limit:g} {unit}", lambda values: values[name], most=limit, shape=unit)


def _share(share: float) -> str:
    return f"{share:g} x" if share > 1 else f"{share:.0%} of"


@dataclass(frozen=True)
class Measurement:
    """One line or a few of the table. `sides` prepares what they need, gives them, and clears up.

    `note` says what limits it, as far as that is known.
    """

    name: str
    says: str
    unit: str
    sides: Callable[[World], AbstractContextManager[Mapping[str, Side]]]
    goals: Sequence[Goal]
    note: str = ""


@dataclass
class Measured:
    """What came of a measurement; `failed` says why there are fewer rounds than asked for."""

    measurement: Measurement
    rounds: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    failed: str | None = None


def shown(value: float) -> str:
    """A number as people read it: three digits, more where it has them before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def measure(measurement: Measurement, world: World, say: Callable[[str], None]) -> Measured:
    """Take all sides in turn, as many rounds as planned. What goes wrong ends this measurement, not the run."""
    measured = Measured(measurement)
    began = time.monotonic()
    try:
        with measurement.sides(world) as sides:
            names = list(sides)
            for number in range(world.plan.rounds):
                values: dict[str, float] = {}
                # Each side comes first now and then: what one leaves behind (a checkpoint, say) must not always hit the same.
                shift = number % len(names)
                for name in names[shift:] + names[:shift]:
                    found = sides[name]()
                    several = found if isinstance(found, dict) else {"": found}
                    values |= {f"{name}.{key}" if key else name: value for key, value in several.items()}
                say(
                    f"  {measurement.name} {number + 1}: "
                    + ", ".join(f"{k} {shown(v)}" for k, v in sorted(values.items()))
                )
                measured.rounds.append(values)
    except Exception as error:  # noqa: BLE001 - told, and seen in the table
        measured.failed = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        say(f"  {measurement.name} failed: {measured.failed}")
    measured.seconds = time.monotonic() - began
    return measured
