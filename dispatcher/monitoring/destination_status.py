"""The state of each destination, and how long its oldest delivery has been pending.

Pages, metrics, alerts, readiness and the doctor all take it from here, so that they agree. The rules are in
`schema/queries/monitoring/read_destination_status.sql`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec


class Age(msgspec.Struct, frozen=True):
    """For how many seconds the oldest entry of one queue has been pending; None: there is none.

    `paused`: among the deliveries of paused steps; `working`: among all others. `happened`: how long ago the oldest event
    of both happened, which is what the destination's window counts from.
    """

    working: float | None = None
    paused: float | None = None
    happened: float | None = None

    @property
    def longest(self) -> float | None:
        """For how many seconds the oldest entry has been pending, paused or not."""
        return max((age for age in (self.working, self.paused) if age is not None), default=None)


class DestinationStatus(msgspec.Struct, frozen=True):
    """The state of a destination, or of intake (id 0), from the reports of all dispatchers; None: no dispatcher reported.

    `seconds`: for how long it has been in that state. `reported_by`: how many dispatchers report it.
    """

    id: int
    name: str
    state: str | None
    reason: str | None
    since: datetime | None
    seconds: float | None
    reported_by: int
    age: Age = Age()


def destination_statuses(rows: Iterable[Any]) -> dict[int, DestinationStatus]:
    """Return the status by destination id (0: intake), from rows of the query `read_destination_status`. Pure."""
    return {
        row.id: DestinationStatus(
            id=row.id,
            name=row.name,
            state=row.state,
            reason=row.reason,
            since=row.since,
            seconds=row.seconds,
            reported_by=row.reported_by,
            age=Age(row.working, row.paused, row.happened),
        )
        for row in rows
    }
