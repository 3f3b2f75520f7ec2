"""Coverage of each field by step, in total and by day, from the counts of settlements (`outbox.field_coverage`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

import msgspec

from dispatcher.database.connections import Queries
from dispatcher.destinations import registry
from dispatcher.destinations.match_quality import MatchQuality

ALL = ""
"""The field that counts all events."""


class Quality(msgspec.Struct, frozen=True):
    """One step at one destination over some days.

    `events`: how many were delivered as revision 0 (re-sends and requeues do not count). `fields`: how many of them carried
    each field. `estimate`: 0 to 10, where the kind of destination has one. `advice`: the one change that would help most.
    """

    destination: str
    kind: str
    step: str
    event_name: str
    events: int
    fields: dict[str, int]
    estimate: float | None
    advice: str | None


class Day(msgspec.Struct, frozen=True):
    """One step at one destination on one day (UTC); otherwise as `Quality`."""

    day: dt.date
    destination: str
    kind: str
    step: str
    event_name: str
    events: int
    fields: dict[str, int]
    estimate: float | None


async def qualities(database: Queries, since: dt.date, until: dt.date) -> list[Quality]:
    """Return the match quality of each step delivered from day `since` to day `until` (both included, UTC)."""
    rows = await database.run("read_field_coverage", {"since": since, "until": until})
    found: list[Quality] = []
    for first, events, fields in _grouped(rows, key=lambda row: (row.destination, row.step)):
        quality = of_kind(first.kind)
        has_browser = not first.is_system and first.event_name not in quality.browserless
        guess = quality.estimate(events, fields)
        advice = quality.advise(events, fields, has_browser=has_browser)
        found.append(
            Quality(first.destination, first.kind, first.step, first.event_name, events, fields, guess, advice)
        )
    return found


async def daily(
    database: Queries,
    since: dt.date,
    until: dt.date,
    *,
    destination: str | None = None,
    step: str | None = None,
) -> list[Day]:
    """Return the same by day; for one destination and one step if they are given."""
    rows = await database.run(
        "read_daily_coverage", {"since": since, "until": until, "destination": destination, "step": step}
    )
    return [
        Day(
            first.day,
            first.destination,
            first.kind,
            first.step,
            first.event_name,
            events,
            fields,
            of_kind(first.kind).estimate(events, fields),
        )
        for first, events, fields in _grouped(rows, key=lambda row: (row.day, row.destination, row.step))
    ]


def _grouped(rows: Iterable[Any], key: Callable[[Any], tuple[Any, ...]]) -> list[tuple[Any, int, dict[str, int]]]:
    """Return, of the rows with the same `key`, the first, and the number of events, in total and by field."""
    found: list[tuple[Any, int, dict[str, int]]] = []
    for _, group in groupby(rows, key):
        same = list(group)
        fields = {row.field: row.events for row in same}
        found.append((same[0], fields.pop(ALL, 0), fields))
    return found


def of_kind(kind: str) -> MatchQuality:
    """Return the identifiers and advice of a kind; none of one whose package is not installed."""
    known = registry.kinds().get(kind)
    return known.quality if known else MatchQuality()
