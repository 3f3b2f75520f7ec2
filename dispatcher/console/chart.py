"""The last hour of one destination as a bar chart: deliveries point up, failures point down. Pure geometry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from dispatcher.console.status import Minute

WIDTH, UP, DOWN = 600.0, 88.0, 32.0
HEIGHT = UP + DOWN
LEAST = 3.0
"""The smallest height of a bar, so that one among many is still visible."""


class Bar(msgspec.Struct, frozen=True):
    """One bar, in the units of the chart. `kind`: delivered, failed or failed-attempts."""

    kind: str
    x: float
    y: float
    width: float
    height: float


class Chart(msgspec.Struct, frozen=True):
    """The chart, its content as a sentence, and as a table (only minutes in which something happened)."""

    bars: list[Bar]
    says: str
    peak: int
    first: datetime
    last: datetime
    rows: list[Minute]


def chart(minutes: Sequence[Minute], name: str) -> Chart:
    """Return the chart of `minutes`, oldest on the left."""
    up = max((minute.delivered for minute in minutes), default=0)
    down = max((minute.failed + minute.failed_attempts for minute in minutes), default=0)
    scale = min(UP / max(up, 1), DOWN / max(down, 1))
    delivered, failed, attempts = (
        sum(getattr(m, kind) for m in minutes) for kind in ("delivered", "failed", "failed_attempts")
    )
    return Chart(
        bars=list(_bars(minutes, scale)),
        says=(
            f"{name} in the last {len(minutes)} minutes: {delivered:,} delivered, {up:,} at most in a minute; "
            f"{failed:,} failed; {attempts:,} failed attempts."
        ),
        peak=up,
        first=minutes[0].at,
        last=minutes[-1].at,
        rows=[m for m in reversed(minutes) if m.delivered or m.failed or m.failed_attempts or m.skipped],
    )


def _bars(minutes: Sequence[Minute], scale: float) -> Iterator[Bar]:
    slot = WIDTH / len(minutes)
    width = slot * 0.7
    for number, minute in enumerate(minutes):
        x = round(number * slot + slot * 0.15, 1)
        if minute.delivered:
            height = max(LEAST, minute.delivered * scale)
            yield Bar("delivered", x, round(UP - height, 1), width, round(height, 1))
        top = UP + 1
        for kind, count in (("failed", minute.failed), ("failed-attempts", minute.failed_attempts)):
            if count:
                height = max(LEAST, count * scale)
                yield Bar(kind, x, round(top, 1), width, round(height, 1))
                top += height
