"""How each destination is right now: its state, what it is owed, the last hour minute by minute, its last complaint.

Asks the queues, `minute`, `circuit`, `alert` and the switches only, so that it costs the same at any size of the log; and the
index of dead letters, 20 ms for a hundred thousand that were requeued.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from dispatcher.config import Config
from dispatcher.database.connections import Queries
from dispatcher.destinations import registry
from dispatcher.monitoring.destination_status import Age, DestinationStatus, destination_statuses
from dispatcher.reasons import Explanation, explain
from dispatcher.routing import DestinationRoutes, RoutingTable

GONE_SECONDS = 90.0
"""A dispatcher that was silent for longer is gone: whatever its lease, it gives a sign of life every 15 s."""
MOST_OWED = 100_000
MOST_DEAD = 1_000
HOUR = timedelta(minutes=60)
UNKNOWN = DestinationStatus(0, "", None, None, None, None, 0)
DAY = timedelta(days=1)

FAILED = frozenset({"transient", "throttled", "uncertain", "halted"})
"""Outcomes of tries that did not end a delivery."""
_SECRETS = {"meta": "META_CAPI_TOKEN", "ga4": "GA4_API_SECRET"}


class Minute(msgspec.Struct):
    """What became of deliveries in one minute."""

    at: datetime
    delivered: int = 0
    failed: int = 0
    failed_attempts: int = 0
    skipped: int = 0


class Pending(msgspec.Struct, frozen=True):
    """How much is owed, counted up to `MOST_OWED`, and since when."""

    count: int = 0
    is_due: bool = False
    age: Age = Age()

    @property
    def is_more(self) -> bool:
        """Tell whether there is more than was counted."""
        return self.count > MOST_OWED

    def __str__(self) -> str:
        return f"more than {MOST_OWED:,}" if self.is_more else f"{self.count:,}"


class LastError(msgspec.Struct, frozen=True):
    """What a destination complained about last."""

    outcome: str
    reason: str
    at: datetime
    explanation: Explanation


class Status(msgspec.Struct, frozen=True):
    """One destination. `told_by`: how many dispatchers say so, of `dispatchers`. `window`: its own, in seconds."""

    routes: DestinationRoutes
    state: str
    reason: str | None
    since: datetime | None
    reported_by: int
    explanation: Explanation
    pending: Pending
    minutes: list[Minute]
    mean: float | None
    longest: float | None
    last_error: LastError | None
    dead_letters: int
    window: float
    in_a_day: dict[str, int]

    @property
    def name(self) -> str:
        """The destination's name."""
        return self.routes.name

    def total(self, outcome: str) -> int:
        """Count the last hour: delivered, failed, failed_attempts or skipped."""
        return sum(getattr(minute, outcome) for minute in self.minutes)

    def steps(self, switch: str) -> list[str]:
        """Give the steps that are `paused`, or `disabled`, by themselves."""
        return [
            step
            for step, route in self.routes.routes.items()
            if (route.paused if switch == "paused" else not route.enabled)
        ]


class Dispatcher(msgspec.Struct, frozen=True):
    """A dispatcher that was heard of, and how many seconds ago."""

    holder: str
    since: datetime
    silent: float

    @property
    def is_here(self) -> bool:
        """Tell whether it is running, as far as anybody knows."""
        return self.silent <= GONE_SECONDS


class Alert(msgspec.Struct, frozen=True):
    """Something that somebody was alerted to."""

    kind: str
    subject: str
    message: str
    raised_at: datetime


class Situation(msgspec.Struct, frozen=True):
    """All of it; `now` is the database's clock."""

    now: datetime
    intake: Pending
    destinations: list[Status]
    dispatchers: list[Dispatcher]
    alerts: list[Alert]

    @property
    def here(self) -> list[Dispatcher]:
        """The dispatchers that are running."""
        return [dispatcher for dispatcher in self.dispatchers if dispatcher.is_here]


async def situation(queries: Queries, config: Config) -> Situation:
    """Ask for everything, a short question after the other."""
    now: datetime = (await queries.run("read_clock"))[0][0]
    words = await RoutingTable(queries).destinations()
    known = destination_statuses(
        await queries.run("read_destination_status", {"fresh": timedelta(seconds=GONE_SECONDS)})
    )
    pending = {
        id_: Pending(count, is_due, known.get(id_, UNKNOWN).age)
        for id_, count, is_due in await queries.run("count_pending_at_least", {"most": MOST_OWED + 1})
    }
    dead = dict(await queries.run("count_dead_letters", {"most": MOST_DEAD + 1}))
    rows = await queries.run("read_delivery_counts", {"since": DAY})
    complaints = {row[0]: row[1:] for row in await queries.run("read_last_errors", {"since": DAY})}
    alerts = [Alert(*row) for row in await queries.run("list_alerts")]
    statuses = []
    for each in words.values():
        standing = known.get(each.id, UNKNOWN)
        secret = _secret(config, each)
        told = [row for row in rows if row[1] == each.id]
        mean, longest = _latency(told, now)
        outcome_reason_at = complaints.get(each.id)
        statuses.append(
            Status(
                routes=each,
                state=standing.state or "unknown",
                reason=standing.reason,
                since=standing.since,
                reported_by=standing.reported_by,
                explanation=explain(standing.reason, secret=secret),
                pending=pending.get(each.id, Pending()),
                minutes=by_minute(told, now),
                mean=mean,
                longest=longest,
                last_error=_last_error(outcome_reason_at, secret),
                dead_letters=dead.get(each.id, 0),
                window=registry.LIMITS[each.kind].window.total_seconds() if each.kind in registry.LIMITS else 0.0,
                in_a_day=_in_all(told),
            )
        )
    dispatchers = [Dispatcher(*row) for row in await queries.run("read_dispatchers", {"since": DAY})]
    return Situation(now, pending.get(0, Pending()), statuses, dispatchers, alerts)


def by_minute(rows: Iterable[tuple[Any, ...]], now: datetime) -> list[Minute]:
    """Give the last sixty minutes, the current one last, from rows of the query `minutes`. Pure."""
    current = now.replace(second=0, microsecond=0)
    minutes = [Minute(current - timedelta(minutes=back)) for back in range(59, -1, -1)]
    for at, _, outcome, count, *_ in rows:
        back = int((current - at).total_seconds() // 60)
        if 0 <= back < 60:
            minute = minutes[59 - back]
            name = "failed_attempts" if outcome in FAILED else outcome
            setattr(minute, name, getattr(minute, name) + count)
    return minutes


def _latency(rows: Iterable[tuple[Any, ...]], now: datetime) -> tuple[float | None, float | None]:
    """Give mean and longest of the last hour's seconds from recorded to delivered."""
    told = [row for row in rows if row[2] == "delivered" and now - row[0] <= HOUR]
    count = sum(row[3] for row in told)
    if not count:
        return None, None
    return sum(row[4] for row in told) / count, max(row[5] for row in told)


def _in_all(rows: Iterable[tuple[Any, ...]]) -> dict[str, int]:
    totals: defaultdict[str, int] = defaultdict(int)
    for _, _, outcome, count, *_ in rows:
        totals["failed_attempts" if outcome in FAILED else outcome] += count
    return dict(totals)


def _last_error(told: tuple[Any, ...] | None, secret: str) -> LastError | None:
    if told is None:
        return None
    outcome, reason, at = told
    return LastError(outcome, reason, at, explain(reason, secret=secret))


def _secret(config: Config, words: DestinationRoutes) -> str:
    account = config.account(words.name)
    return (account and account.secret_variable) or _SECRETS.get(words.kind, "its token")
