"""Render the results of a run as the page `docs/benchmarks.md`:

python -m tests.bench.page tests/bench/results/<commit>.json […] > docs/benchmarks.md

Of several files, the last one with a measurement counts: after a change, a measurement can be repeated separately.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.bench.catalog import MEASUREMENTS
from tests.bench.measure import shown

HEAD = """\
# Benchmarks

`scripts/bench` measures each line and its comparisons in turn, in one run. Read the ratios: the machine is noisy and small
({cores} cores, shared by PostgreSQL, the sink, the dispatcher and the systems it is compared with). The numbers are medians of
{rounds} rounds, with the spread for goals; where a goal is missed, the last column names the limiting factor. Other systems
run as their documentation advises: pgqueuer on asyncpg in batches of 25, procrastinate with as many workers; each job has a
prepared payload and sends one request to the same sink.

**{met} of {goals} goals are met.** Drains are of {events:,} events or of as many as are delivered in {longest:.0f} seconds;
`settled` has {settled:,} settled events, `pending` {pending:,} pending ones. Every round, by commit: {kept}.

| measured | medians | goal | result (min to max) | | limiting factor |
|---|---|---|---|---|---|
"""
GOAL_LABELS = {True: "met", False: "**missed**", None: "not measured"}


def page(kept: Mapping[str, dict[str, Any]]) -> str:
    """Return the results of runs, given by their file names, as Markdown."""
    runs = list(kept.values())
    measurements = {one["name"]: one for run in runs for one in run["measurements"]}
    goals = [goal for one in measurements.values() for goal in one["goals"]]
    head = HEAD.format(
        **runs[0]["plan"],
        cores=runs[0]["machine"]["cores"],
        goals=len(goals),
        met=sum(goal["met"] is True for goal in goals),
        kept="; ".join(_source(name, run) for name, run in kept.items()),
    )
    lines = [f"| {' | '.join(cells)} |" for one in measurements.values() for cells in _rows(one)]
    versions = ", ".join(f"{library} {number}" for library, number in runs[-1]["versions"].items())
    return head + "\n".join(lines) + f"\n\nWith {versions}.\n"


def _source(name: str, run: dict[str, Any]) -> str:
    link = f"[{run['commit']}](../tests/bench/results/{name})"
    measured = [f"`{one['name']}`" for one in run["measurements"]]
    return link if len(measured) == len(MEASUREMENTS) else f"{link}, of {', '.join(measured)}"


def _rows(one: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield one line per goal; the first also has the measurement and its medians."""
    what = f"`{one['name']}`: {one['says']}"
    what += f" ({one['unit']})" if one["unit"] else ""
    what += f"; **failed**: {one['failed']}" if one["failed"] else ""
    medians = ", ".join(f"{side} {shown(numbers['median'])}" for side, numbers in one["sides"].items())
    note = one["note"] if any(goal["met"] is False for goal in one["goals"]) else ""
    if not one["goals"]:
        yield what, medians, "-", "", "", ""
    for goal in one["goals"]:
        spread = f"{shown(goal['median'])} ({shown(goal['min'])} to {shown(goal['max'])})" if "median" in goal else "-"
        yield what, medians, goal["goal"], spread, GOAL_LABELS[goal["met"]], note
        what = medians = note = ""


if __name__ == "__main__":
    paths = [Path(argument) for argument in sys.argv[1:]]
    sys.stdout.write(page({path.name: json.loads(path.read_text(encoding="utf-8")) for path in paths}))
