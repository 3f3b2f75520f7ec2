"""A measurement, and how it is made: its sides in turn, round after round, so that noise affects all of them alike.

A side does its work once and returns a rate (or several numbers by name). A goal compares numbers of one round; the
median over the rounds decides.
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
    """A goal for a round's numbers. `shape` is the form of `of`: a ratio (`x`), or the unit of a number."""

    says: str
    of: Callable[[Values], float]
    least: float | None = None
    most: float | None = None
    shape: str = "x"

    def holds(self, value: float) -> bool:
        """Return whether a value meets the goal."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


def at_least(share: float, side: str, other: str, says: str = "") -> Goal:
    """Return the goal that `side` reaches at least `share` of the rate of `other`."""
    text = f"{side} ≥ {_share(share)} {other}"
    return Goal(says or text, lambda values: values[side] / values[other], least=share)


def at_most(limit: float, name: str, unit: str, says: str = "") -> Goal:
    """Return the goal that the number `name` is at most `limit`."""
    return Goal(says or f"{name} ≤ {limit:g} {unit}", lambda values: values[name], most=limit, shape=unit)


def _share(share: float) -> str:
    return f"{share:g} x" if share > 1 else f"{share:.0%} of"


@dataclass(frozen=True)
class Measurement:
    """One line or more of the table. `sides` prepares what the sides need, yields them, and cleans up.

    `note` names the limiting factor, if it is known.
    """

    name: str
    says: str
    unit: str
    sides: Callable[[World], AbstractContextManager[Mapping[str, Side]]]
    goals: Sequence[Goal]
    note: str = ""


@dataclass
class Measured:
    """The result of a measurement; `failed` is the reason if there are fewer rounds than planned."""

    measurement: Measurement
    rounds: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    failed: str | None = None


def shown(value: float) -> str:
    """Return a number for people: three significant digits, or all digits before the decimal point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def measure(measurement: Measurement, world: World, report: Callable[[str], None]) -> Measured:
    """Run all sides in turn, for the planned number of rounds. An error ends this measurement, not the run."""
    measured = Measured(measurement)
    began = time.monotonic()
    try:
        with measurement.sides(world) as sides:
            names = list(sides)
            for number in range(world.plan.rounds):
                values: dict[str, float] = {}
                # The order rotates, so that after-effects (such as a checkpoint) do not always hit the same side.
                shift = number % len(names)
                for name in names[shift:] + names[:shift]:
                    found = sides[name]()
                    several = found if isinstance(found, dict) else {"": found}
                    values |= {f"{name}.{key}" if key else name: value for key, value in several.items()}
                report(
                    f"  {measurement.name} {number + 1}: "
                    + ", ".join(f"{k} {shown(v)}" for k, v in sorted(values.items()))
                )
                measured.rounds.append(values)
    except Exception as error:  # noqa: BLE001 - reported, and shown in the table
        measured.failed = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        report(f"  {measurement.name} failed: {measured.failed}")
    measured.seconds = time.monotonic() - began
    return measured
