"""The page of match quality: how many identifiers are sent with each event name, over time, and what would help most."""

from __future__ import annotations

from datetime import date, timedelta
from time import monotonic

import msgspec
from aiohttp import web

from dispatcher.console.request import ConsoleRequest
from dispatcher.database.connections import only_value
from dispatcher.destinations import registry
from dispatcher.destinations.match_quality import Identifier, OwnScores
from dispatcher.monitoring.quality import Day, Quality, daily, explanation, of_kind, own_scores, qualities

PERIODS = (7, 28, 90)
MOST_COUNTED = 10_000
"""Of how many of the last events refusals are counted."""
SCORES_SECONDS = 900.0
"""How long the destinations' own scores are cached. They change by the day."""
SCORES_TIMEOUT = 4.0


class Row(msgspec.Struct, frozen=True):
    """One step at one destination: coverage of each identifier, our estimate over time, the destination's own score.

    `owner`: the label of its kind.
    """

    quality: Quality
    identifiers: tuple[Identifier, ...]
    days: list[Day]
    score: float | None
    owner: str

    @property
    def line(self) -> str:
        """The estimates over time as the points of a polyline, 100 wide and 24 high."""
        points = [(day.day, day.estimate) for day in self.days if day.estimate is not None]
        if len(points) < 2:
            return ""
        (first, _), *_, (last, _) = points
        length = max((last - first).days, 1)
        return " ".join(f"{100 * (at - first).days / length:.1f},{24 - 2.4 * estimate:.1f}" for at, estimate in points)


async def show(request: ConsoleRequest) -> web.Response:
    """Return the page for the last `?days=`."""
    period = request.http.query.get("days", "")
    days = int(period) if period in map(str, PERIODS) else PERIODS[0]
    until: date = only_value(await request.run("read_clock")).date()
    since = until - timedelta(days=days - 1)
    found = await qualities(request, since, until)
    by_day = await daily(request, since, until)
    (refusals,) = await request.run("count_refusals", {"since": since, "most": MOST_COUNTED})
    scores = await _own_scores(request, {quality.destination for quality in found})
    rows = [
        Row(
            quality,
            of_kind(quality.kind).identifiers,
            [day for day in by_day if (day.destination, day.step) == (quality.destination, quality.step)],
            scores[quality.destination].scores.get(quality.event_name) if quality.destination in scores else None,
            registry.kinds()[quality.kind].label if quality.kind in registry.kinds() else quality.kind,
        )
        for quality in sorted(found, key=_order)
    ]
    return request.page(
        "match_quality.html",
        rows=rows,
        days=days,
        periods=PERIODS,
        problems={name: score.problem for name, score in scores.items() if score.problem},
        explanation=explanation(request.console.config),
        best=_best(found),
        refusals=refusals,
        counted=MOST_COUNTED,
    )


def _order(quality: Quality) -> tuple[bool, str, int]:
    return not of_kind(quality.kind).has_estimate, quality.destination, -quality.events


def _best(found: list[Quality]) -> Quality | None:
    """Return the step whose advice would help most: the one with many events and a score far from 10."""
    advised = [quality for quality in found if quality.advice and quality.estimate is not None]
    return max(advised, key=lambda quality: quality.events * (10 - (quality.estimate or 0)), default=None)


async def _own_scores(request: ConsoleRequest, names: set[str]) -> dict[str, OwnScores]:
    """Return the own scores of those destinations that report any, from the cache or from them."""
    console = request.console
    old = {name for name in names if name not in console.scores or _age(console.scores[name]) > SCORES_SECONDS}
    for name, scores in (await own_scores(console.settings, console.config, old, seconds=SCORES_TIMEOUT)).items():
        console.scores[name] = monotonic(), scores
    return {name: console.scores[name][1] for name in names if name in console.scores}


def _age(cached: tuple[float, OwnScores]) -> float:
    return monotonic() - cached[0]
