"""Who may take back an expired lease, and when: not before its holder could settle what was answered meanwhile.

A lease expires because its holder died, or because nobody could reach anybody for a while: the database was away, the
machine or this process stood still, a clock jumped. After that, sweeps and settlements race. So leases are taken back only
while two observers agree that nothing of the kind happened for one lease time:

    the row `lease_watch`   whether any dispatcher has swept without a gap, by the database's clock
    this process            whether its own clock and the database's went on together between its sweeps

Nobody takes back what its own tasks hold, whatever the time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from dispatcher.database.connections import Queries, only_value
from dispatcher.delivery.batch_settler import clock
from dispatcher.in_flight import InFlight
from dispatcher.quarantine import GIVEN_UP


class Sweep(msgspec.Struct, frozen=True):
    """What a sweep did: how many rows it took back, and how many expired leases have to wait."""

    reclaimed: int
    waiting: int


class LeaseWatch:
    """Takes back expired leases for one process, which sweeps at least every half `lease`."""

    def __init__(
        self, database: Queries, in_flight: InFlight, lease: timedelta, *, clock: Callable[[], float] = clock
    ) -> None:
        self._database = database
        self._in_flight = in_flight
        self._lease = lease
        self._clock = clock
        self._last: tuple[float, datetime] | None = None
        self._quiet_since: datetime | None = None

    async def sweep(self) -> Sweep:
        """Take back what may be taken back."""
        began = self._clock()
        params = {"lease": self._lease, "held": self._held()}
        (seen,) = await self._database.run("watch_leases", params)
        ended = self._clock()
        if not self._went_on(began, ended, seen.now):
            self._quiet_since = seen.now
        self._last = (ended, seen.now)
        quiet_since = max(filter(None, (seen.since, self._quiet_since)))
        if not seen.expired or quiet_since > seen.now - self._lease:
            return Sweep(0, seen.expired)
        # If this process stands still before the statement is executed, or the statement is repeated, the decision is void.
        params = {"most": GIVEN_UP - 1, "held": self._held(), "until": seen.now + self._tolerance}
        reclaimed: int = only_value(await self._database.run("reclaim_leases", params))
        return Sweep(reclaimed, 0 if reclaimed else seen.expired)

    @property
    def _tolerance(self) -> timedelta:
        """How far two clocks may drift apart between two sweeps; holders renew a lease long before so little is left of it."""
        return self._lease / 4

    def _held(self) -> list[int]:
        return sorted(self._in_flight.held)

    def _went_on(self, began: float, ended: float, now: datetime) -> bool:
        """Return whether nothing stood still or jumped since the last sweep."""
        if timedelta(seconds=ended - began) > self._tolerance:
            return False
        if self._last is None:
            return True  # nothing to compare with: the row decides
        own = timedelta(seconds=ended - self._last[0])
        return own <= self._lease / 2 and abs((now - self._last[1]) - own) <= self._tolerance
