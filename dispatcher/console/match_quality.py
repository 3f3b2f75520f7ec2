"""Match quality: how much of what identifies a person is sent, per event name and over time, and what would help most."""

from __future__ import annotations

from datetime import date, timedelta
from time import monotonic

import msgspec
from aiohttp import web

from dispatcher.console.request import ConsoleRequest
from dispatcher.monitoring.quality import (
    EXPLANATION,
    IDENTIFIERS,
    Day,
    Identifier,
    MetaScores,
    Quality,
    daily,
    meta_scores,
    qualities,
)

PERIODS = (7, 28, 90)
SCORES_SECONDS = 900.0
"""How long Meta's own scores are kept before they are asked for again: it counts days."""
SCORES_TIMEOUT = 4.0


class Row(msgspec.Struct, frozen=True):
    """One step at one destination: coverage of each identifier, its estimate over time, Meta's own score."""

    quality: Quality
    identifiers: tuple[Identifier, ...]
    days: list[Day]
    score: float | None

    @property
    def line(self) -> str:
        """The estimates over time as the points of a line, 100 wide and 24 high."""
        known = [(day.day, day.estimate) for day in self.days if day.estimate is not None]
        if len(known) < 2:
            return ""
        first, length = known[0][0], max((known[-1][0] - known[0][0]).days, 1)
        return " ".join(f"{100 * (at - first).days / length:.1f},{24 - 2.4 * estimate:.1f}" for at, estimate in known)


async def show(visit: ConsoleRequest) -> web.Response:
    """Give the page, for the last `?days=`."""
    asked = visit.request.query.get("days", "")
    days = int(asked) if asked in map(str, PERIODS) else PERIODS[0]
    until: date = (await visit.run("read_clock"))[0][0].date()
    since = until - timedelta(days=days - 1)
    found = await qualities(visit, since, until)
    by_day = await daily(visit, since, until)
    scores = await _meta_scores(visit, {quality.destination for quality in found if quality.kind == "meta"})
    rows = [
        Row(
            quality,
            IDENTIFIERS.get(quality.kind, ()),
            [day for day in by_day if (day.destination, day.step) == (quality.destination, quality.step)],
            scores[quality.destination].scores.get(quality.event_name) if quality.destination in scores else None,
        )
        for quality in sorted(found, key=_order)
    ]
    return visit.page(
        "match_quality.html",
        rows=rows,
        days=days,
        periods=PERIODS,
        problems={name: told.problem for name, told in scores.items() if told.problem},
        explanation=EXPLANATION,
        best=_best(found),
    )


def _order(quality: Quality) -> tuple[bool, str, int]:
    return quality.kind != "meta", quality.destination, -quality.events


def _best(found: list[Quality]) -> Quality | None:
    """Give the one whose advice would help most: many events, far from 10."""
    advised = [quality for quality in found if quality.advice and quality.estimate is not None]
    return max(advised, key=lambda quality: quality.events * (10 - (quality.estimate or 0)), default=None)


async def _meta_scores(visit: ConsoleRequest, names: set[str]) -> dict[str, MetaScores]:
    """Ask Meta for its own scores, where it was not asked lately."""
    told: dict[str, MetaScores] = {}
    kept = visit.console.scores
    for name in names:
        account = visit.console.config.account(name)
        settings = account.apply(visit.console.settings) if account else visit.console.settings
        known = kept.get(name)
        if known is None or monotonic() - known[0] > SCORES_SECONDS:
            known = kept[name] = (monotonic(), await meta_scores(settings, timeout=SCORES_TIMEOUT))
        told[name] = known[1]
    return told
