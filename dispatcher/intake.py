"""Intake: what every event owes first. It seals what a SQL writer sent raw, and owes the deliveries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import msgspec
import structlog
from psycopg.types.json import Jsonb

from dispatcher.database import Database
from dispatcher.destinations import Limits
from dispatcher.eligibility import DISABLED, NO_MAPPING, TOO_OLD
from dispatcher.queue import IDLE_REWIND_SECONDS
from dispatcher.words import DestinationWords, Words
from outbox.sealing import seal

log = structlog.get_logger()

BATCH = 1000
SLACK = 100_000
"""How many ids behind the last claim a row may turn up: an id is drawn before its transaction commits."""
AHEAD = timedelta(seconds=60)
"""An event further ahead than this waits for its time (design, part 4)."""
GIVE_UP = 3
"""A person whose sealing took a process down with it this often is left out, so that it harms no other event."""


class Arrival(msgspec.Struct, frozen=True):
    """An event that owes intake; `person` is what a SQL writer sent raw."""

    tries: int
    id: int
    occurred_at: datetime
    recorded_at: datetime
    name: str
    person: Any


class Intake:
    """Takes events from the queue `outbox.intake`, a batch at a time."""

    def __init__(
        self,
        database: Database,
        words: Words,
        limits: dict[str, Limits],
        *,
        holder: str,
        lease: timedelta,
        region: str | None,
    ) -> None:
        self._database = database
        self._words = words
        self._limits = limits
        self._holder = holder
        self._lease = lease
        self._region = region
        self._watermark = 0
        self._rewound_at = monotonic()

    async def step(self) -> int:
        """Take in one batch; give how many events it held (0: nothing is owed)."""
        rows = await self._claim()
        if not rows:
            return 0
        lease_id, now = rows[0][:2]
        arrivals = [Arrival(*row[2:]) for row in rows]
        owed, skipped = fan_out(arrivals, (await self._words.destinations()).values(), self._limits, now)
        await self._database.run(
            "settle_intake",
            {
                "lease": lease_id,
                "holder": self._holder,
                "sealed": Jsonb(seal_all(arrivals, self._region)),
                "owed": Jsonb(owed),
                "skipped": Jsonb(skipped),
            },
        )
        return len(arrivals)

    async def _claim(self) -> list[tuple[Any, ...]]:
        rows = await self._claim_from(self._watermark)
        if rows:
            self._watermark = max(self._watermark, max(row[3] for row in rows) - SLACK)
        elif self._watermark and monotonic() - self._rewound_at > IDLE_REWIND_SECONDS:
            self._watermark = 0
            self._rewound_at = monotonic()
            rows = await self._claim_from(0)
        return rows

    async def _claim_from(self, since: int) -> list[tuple[Any, ...]]:
        return await self._database.run(
            "claim_intake", {"holder": self._holder, "lease": self._lease, "limit": BATCH, "since": since}
        )


def seal_all(arrivals: Iterable[Arrival], region: str | None) -> list[dict[str, Any]]:
    """Give the sealed form of every person that was sent raw."""
    sealed: list[dict[str, Any]] = []
    for arrival in arrivals:
        if arrival.person is None:
            continue
        if arrival.tries >= GIVE_UP:
            log.warning("a person could not be sealed and is left out", id=arrival.id)
            sealed.append({"event_id": arrival.id, "sealed": None, "notes": ["person: could not be sealed, left out"]})
        else:
            form = seal(arrival.person, region=region)
            sealed.append({"event_id": arrival.id, "sealed": form.to_json(), "notes": form.notes})
    return sealed


def fan_out(
    arrivals: Sequence[Arrival], destinations: Iterable[DestinationWords], limits: dict[str, Limits], now: datetime
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Give the deliveries that are owed, and the receipts of what nobody needs to be told. Pure."""
    owed: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    for destination in destinations:
        for arrival in arrivals:
            row: dict[str, Any] = {"event_id": arrival.id, "destination": destination.id}
            if reason := _skip(arrival, destination, limits[destination.kind]):
                skipped.append(row | {"reason": reason})
            else:
                due_at = arrival.occurred_at if arrival.occurred_at > now + AHEAD else now
                owed.append(row | {"due_at": due_at})
    return owed, skipped


def _skip(arrival: Arrival, destination: DestinationWords, limits: Limits) -> str | None:
    mapping = destination.mappings.get(arrival.name)
    if mapping is None:
        return NO_MAPPING.reason
    if not (destination.enabled and mapping.enabled):
        return DISABLED.reason
    if arrival.recorded_at >= arrival.occurred_at + limits.window:
        return TOO_OLD.reason
    return None
