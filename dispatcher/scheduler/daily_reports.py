"""The messages of once a day: the report of match quality, and the dead letters. Each is a text with a title."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import groupby

import msgspec

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.database.connections import Queries, rows_as
from dispatcher.destinations.registry import explain
from dispatcher.monitoring.report import as_text, report

DAY = timedelta(days=1)


class OutcomeCount(msgspec.Struct, frozen=True):
    """How many deliveries at one destination ended with one outcome and reason."""

    destination: str
    outcome: str
    reason: str
    count: int


async def quality_report(database: Queries, settings: Settings, config: Config) -> str:
    """Return how yesterday's deliveries ended (UTC), and the match quality of the conversions."""
    yesterday = datetime.now(UTC).date() - DAY
    quality = await report(database, settings, config, until=yesterday, days=1)
    outcomes = rows_as(OutcomeCount, await database.run("count_outcomes", {"since": DAY}))
    return "\n\n".join(("Conversions: daily report", outcomes_text(outcomes), as_text(quality, explained=False)))


async def dead_letters(database: Queries) -> str | None:
    """Return the dead letters of the last 24 hours by destination and reason, with what to do; None if there are none."""
    outcomes = rows_as(OutcomeCount, await database.run("count_outcomes", {"since": DAY}))
    return dead_letters_text([each for each in outcomes if each.outcome == "failed"])


def outcomes_text(outcomes: Iterable[OutcomeCount]) -> str:
    """Return a line for each destination: how many deliveries ended in 24 hours, by outcome. Pure."""
    lines = []
    for name, group in groupby(outcomes, key=lambda each: each.destination):
        counts = {"delivered": 0, "skipped": 0, "failed": 0}
        for each in group:
            counts[each.outcome] += each.count
        lines.append(f"{name}: " + ", ".join(f"{outcome} {count}" for outcome, count in counts.items()))
    return "\n".join(["In the last 24 hours:", *lines]) if lines else "In the last 24 hours nothing was due."


def dead_letters_text(failed: list[OutcomeCount]) -> str | None:
    """Return the text about dead letters, or None if there are none. Pure."""
    if not failed:
        return None
    total = sum(each.count for each in failed)
    lines = [f"Conversions: {total} dead letter{'' if total == 1 else 's'} in 24 hours"]
    lines += [
        f"{each.destination}: {each.count} failed ({each.reason or 'no reason'}). {explain(each.reason).do}".rstrip()
        for each in failed
    ]
    lines.append("See the console or `outbox dead list` for details.")
    return "\n".join(lines)
