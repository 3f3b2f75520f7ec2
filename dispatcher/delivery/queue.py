"""The delivery queue as the daemon sees it, and its implementation on the tables in PostgreSQL.

Building and sending do not know where a batch came from; another implementation has the same methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from psycopg.types.json import Jsonb

from dispatcher.byte_budget import ByteBudget
from dispatcher.database.connections import Database, only_value
from dispatcher.destinations.base import Limits, Payload
from dispatcher.in_flight import HeldLease
from dispatcher.models import Lease, Settlement
from dispatcher.watermark import Watermark

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
SLACK = timedelta(minutes=2)
"""How far behind the last claim a row may appear: longer than any statement that fills a queue may run."""
EXPIRE_BATCH = 5000
NEWEST_SHARE = 5
"""While there is a backlog, one in so many of what is claimed is the newest: what is recorded now does not wait for all of it."""


class DeliveryQueue(Protocol):
    """Deliveries pending for one destination."""

    async def claim(self, limit: int, losses: int = 0) -> Lease | None:
        """Take up to `limit` due deliveries that have so many losses; None if there are none."""
        ...

    async def release(self, lease: Lease, *, is_suspect: bool, begun: Sequence[tuple[int, int]] = ()) -> None:
        """Give a lease back, with one more loss if it is suspect.

        Of `begun`, rows of event id and revision, it is unknown whether they were sent.
        """
        ...

    async def give_up(self, lease: Lease) -> None:
        """End all of a lease as *failed: cannot be processed*."""
        ...

    async def note(self, lease: Lease, payloads: Sequence[Payload]) -> bool:
        """Note as what a lease will be sent; return False if it was lost, so that nothing may be sent."""
        ...

    async def settle(self, lease: Lease, settlements: Sequence[Settlement]) -> int:
        """Settle some or all of a lease; return how many took effect (fewer than given: the lease was lost)."""
        ...

    async def extend(self, lease: Lease) -> bool:
        """Renew a lease; return False if it was lost."""
        ...

    async def expire(self, limits: Limits) -> int:
        """End deliveries whose window has closed, where nothing claims them, the longest due first; return how many."""
        ...


class PostgresQueue:
    """The queue `outbox.delivery` of one destination, held by `holder` for `lease` at a time."""

    def __init__(self, database: Database, destination: int, holder: str, lease: timedelta) -> None:
        self._database = database
        self.destination = destination
        self._holder = holder
        self._lease = lease
        self._watermark = Watermark(BEGINNING, lambda due_at: due_at - SLACK)
        self._budget = ByteBudget()
        self._is_behind = False

    @property
    def since(self) -> datetime:
        """The earliest time at which a due delivery can be expected."""
        return self._watermark.position

    async def claim(self, limit: int, losses: int = 0) -> Lease | None:
        """Take up to `limit` due deliveries that have so many losses; None if there are none.

        Those due longest come first; if the last claim was full, a share of this one is for the newest.
        """
        most = self._budget.limit(limit)
        newest = most // NEWEST_SHARE if self._is_behind and not losses else 0

        async def claim_from(since: datetime) -> Lease | None:
            rows = await self._database.run(
                "claim_deliveries",
                {
                    "destination": self.destination,
                    "holder": self._holder,
                    "lease": self._lease,
                    "limit": most - newest,
                    "newest": newest,
                    "losses": losses,
                    "since": since,
                },
            )
            if not losses:
                self._is_behind = bool(rows) and rows[0].count == most
            if not rows:
                return None
            lease = rows[0]
            if not losses and lease.latest is not None:
                self._watermark.advance(lease.latest)
            content = [row.deliveries for row in rows]
            self._budget.claimed(lease.count, content)
            return Lease(
                lease.id,
                lease.claimed_at,
                content=content,
                count=lease.count,
                losses=losses,
                is_full=lease.count == most,
            )

        return await (claim_from(BEGINNING) if losses else self._watermark.claim(claim_from))

    async def release(self, lease: Lease, *, is_suspect: bool, begun: Sequence[tuple[int, int]] = ()) -> None:
        """Give a lease back, with one more loss if it is suspect; of `begun`, it is unknown whether they were sent."""
        held = HeldLease(lease.id, list(begun), is_suspect)
        params = {"holder": self._holder, "lease": lease.id, "leases": Jsonb([held])}
        await self._database.run("release_leases", params)

    async def give_up(self, lease: Lease) -> None:
        """End all of a lease as *failed: cannot be processed*."""
        await self._database.run("give_up_lease", {"lease": lease.id, "holder": self._holder})

    async def note(self, lease: Lease, payloads: Sequence[Payload]) -> bool:
        """Note as what a lease will be sent."""
        sends = [
            {"event_id": each.delivery.event.id, "revision": each.delivery.revision, "sent_as": each.sent_as}
            for each in payloads
        ]
        params = {"lease": lease.id, "holder": self._holder, "sends": Jsonb(sends)}
        return bool(await self._database.run("note_sends", params))

    async def settle(self, lease: Lease, settlements: Sequence[Settlement]) -> int:
        """Settle some or all of a lease, in one statement."""
        rows = await self._database.run(
            "settle_deliveries", {"lease": lease.id, "holder": self._holder, "settlements": Jsonb(settlements)}
        )
        return int(only_value(rows))

    async def extend(self, lease: Lease) -> bool:
        """Renew a lease."""
        parameters = {"id": lease.id, "holder": self._holder, "lease": self._lease}
        return bool(await self._database.run("extend_lease", parameters))

    async def expire(self, limits: Limits) -> int:
        """End deliveries whose window has closed, the longest due first."""
        rows = await self._database.run(
            "expire_deliveries",
            {
                "destination": self.destination,
                "limit": EXPIRE_BATCH,
                "window": limits.window,
                "repeat": limits.repeat,
            },
        )
        return int(only_value(rows))
