"""Coverage of each field by step, in total and by day, from the counts of settlements (`outbox.field_coverage`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
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
    for (destination, kind, step, event_name, is_system), events, fields in _grouped(rows, 5):
        quality = of_kind(kind)
        has_browser = not is_system and event_name not in quality.browserless
        guess = quality.estimate(events, fields)
        advice = quality.advise(events, fields, has_browser=has_browser)
        found.append(Quality(destination, kind, step, event_name, events, fields, guess, advice))
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
        Day(day, name, kind, called, event_name, events, fields, of_kind(kind).estimate(events, fields))
        for (day, name, kind, called, event_name), events, fields in _grouped(rows, 5)
    ]


def _grouped(rows: Iterable[tuple[Any, ...]], width: int) -> list[tuple[tuple[Any, ...], int, dict[str, int]]]:
    """Return for each key (the first `width` values) the number of events, in total and by field."""
    found: dict[tuple[Any, ...], dict[str, int]] = {}
    for row in rows:
        found.setdefault(row[:width], {})[row[width]] = row[width + 1]
    return [(key, fields.pop(ALL, 0), fields) for key, fields in found.items()]


def of_kind(kind: str) -> MatchQuality:
    """Return the identifiers and advice of a kind; none of one whose package is not installed."""
    known = registry.kinds().get(kind)
    return known.quality if known else MatchQuality()
