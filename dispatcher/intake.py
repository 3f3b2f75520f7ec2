"""Intake, what every event owes first: it seals what a SQL writer sent raw, folds, and owes the deliveries."""

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
from dispatcher.identity.facets import Fact, fold, keys_of
from dispatcher.queue import IDLE_REWIND_SECONDS, REWIND_SECONDS
from dispatcher.records import Event
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
    person: Any
    event: Event


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
        arrivals = [Arrival(row[2], row[3], Event(*row[4:])) for row in rows]
        sealed = seal_all(arrivals, self._region)
        facts = facts_of(arrivals, sealed)
        destinations = (await self._words.destinations()).values()
        owed, skipped = fan_out([arrival.event for arrival in arrivals], destinations, self._limits, now)
        await self._database.run(
            "settle_intake",
            {
                "lease": lease_id,
                "holder": self._holder,
                "sealed": Jsonb(sealed),
                "owed": Jsonb(owed),
                "skipped": Jsonb(skipped),
                "facets": Jsonb([{**keys._asdict(), "newest": newest} for keys, newest in fold(facts).items()]),
                "facts": Jsonb([{"event_id": fact.id, "at": fact.stamp[0], **fact.keys._asdict()} for fact in facts]),
            },
        )
        return len(arrivals)

    async def _claim(self) -> list[tuple[Any, ...]]:
        if monotonic() - self._rewound_at > REWIND_SECONDS:
            self._watermark = 0
            self._rewound_at = monotonic()
        rows = await self._claim_from(self._watermark)
        if rows:
            self._watermark = max(self._watermark, max(row[4] for row in rows) - SLACK)
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
            log.warning("a person could not be sealed and is left out", id=arrival.event.id)
            sealed.append(
                {"event_id": arrival.event.id, "sealed": None, "notes": ["person: could not be sealed, left out"]}
            )
        else:
            form = seal(arrival.person, region=region)
            sealed.append({"event_id": arrival.event.id, "sealed": form.to_json(), "notes": form.notes})
    return sealed


def facts_of(arrivals: Iterable[Arrival], sealed: Iterable[dict[str, Any]]) -> list[Fact]:
    """Give what folding needs of the events that carry a key, sealed."""
    forms = {row["event_id"]: row["sealed"] for row in sealed}
    return [
        Fact(event.id, event.occurred_at, keys, forms.get(event.id, event.sealed), event.visitor, event.consent)
        for event in (arrival.event for arrival in arrivals)
        if any(keys := keys_of(event))
    ]


def fan_out(
    events: Sequence[Event], destinations: Iterable[DestinationWords], limits: dict[str, Limits], now: datetime
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Give the deliveries that are owed, and the receipts of what nobody needs to be told. Pure."""
    owed: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    for destination in destinations:
        for event in events:
            row: dict[str, Any] = {"event_id": event.id, "destination": destination.id}
            if reason := _skip(event, destination, limits[destination.kind]):
                skipped.append(row | {"reason": reason})
            else:
                due_at = event.occurred_at if event.occurred_at > now + AHEAD else now
                owed.append(row | {"due_at": due_at})
    return owed, skipped


def _skip(event: Event, destination: DestinationWords, limits: Limits) -> str | None:
    mapping = destination.mappings.get(event.name)
    if mapping is None:
        return NO_MAPPING.reason
    if not (destination.enabled and mapping.enabled):
        return DISABLED.reason
    if event.recorded_at >= event.occurred_at + limits.window:
        return TOO_OLD.reason
    return None
