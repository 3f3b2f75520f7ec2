"""In which state each destination is, and how long the oldest has been owed there.

Pages, metrics, alerts, readiness and the doctor all tell of it from here, so that none says otherwise than another. The
rules stand in `schema/queries/standings.sql`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec


class Age(msgspec.Struct, frozen=True):
    """How long the longest-waiting of one queue has been owed, in seconds; None: nothing is.

    `paused`: of what a paused step holds back; `working`: of all else. `happened`: how long ago the oldest of both
    happened, from which the destination's window counts.
    """

    working: float | None = None
    paused: float | None = None
    happened: float | None = None

    @property
    def longest(self) -> float | None:
        """How long the longest-waiting has been owed, paused or not."""
        return max((age for age in (self.working, self.paused) if age is not None), default=None)


class DestinationStatus(msgspec.Struct, frozen=True):
    """The state of a destination, or of intake (id 0), as all dispatchers together see it; None: none was heard of.

    `seconds`: for how long it is in it. `told_by`: how many dispatchers say so.
    """

    id: int
    name: str
    state: str | None
    reason: str | None
    since: datetime | None
    seconds: float | None
    reported_by: int
    age: Age = Age()


def destination_statuses(rows: Iterable[tuple[Any, ...]]) -> dict[int, DestinationStatus]:
    """Give the standings by destination's id (0: intake), from rows of the query `standings`. Pure."""
    return {row[0]: DestinationStatus(*(*row[:-3], Age(*row[-3:]))) for row in rows}
