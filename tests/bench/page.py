"""The results of a run as the page `docs/benchmarks.md`:

python -m tests.bench.page tests/bench/results/<commit>.json […] > docs/benchmarks.md

Of several, each measurement is of the last that holds it: what was changed after a whole run is measured by itself.
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
# Measured

`scripts/bench` measures each line beside what it is compared with, in turn, in one run; read the ratios, as the machine is
small ({cores} cores, which PostgreSQL, the sink, the dispatcher and what it is compared with share) and noisy. Medians of {rounds}
rounds and, of the goals, the spread; where a goal is missed, the last column says what holds it. Peers run as their
documentation advises: pgqueuer on asyncpg in batches of 25, procrastinate with as many workers; a ready payload a job, one
request each, to the same sink.

**{met} of {goals} goals are met.** Drains are of {events:,} events or of what goes in {longest:.0f} seconds, if that is less;
`settled` is beside {settled:,}, `owed` with {owed:,}. With every round, by commit: {kept}.

| measured | medians | goal | found (min to max) | | what holds it |
|---|---|---|---|---|---|
"""
VERDICTS = {True: "met", False: "**missed**", None: "not measured"}


def page(kept: Mapping[str, dict[str, Any]]) -> str:
    """The results of runs, by the name under which they are kept, as Markdown."""
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
    """A line a goal; what was measured stands in the first of them."""
    what = f"`{one['name']}`: {one['says']}"
    what += f" ({one['unit']})" if one["unit"] else ""
    what += f"; **failed**: {one['failed']}" if one["failed"] else ""
    medians = ", ".join(f"{side} {shown(numbers['median'])}" for side, numbers in one["sides"].items())
    note = one["note"] if any(goal["met"] is False for goal in one["goals"]) else ""
    if not one["goals"]:
        yield what, medians, "-", "", "", ""
    for goal in one["goals"]:
        spread = f"{shown(goal['median'])} ({shown(goal['min'])} to {shown(goal['max'])})" if "median" in goal else "-"
        yield what, medians, goal["goal"], spread, VERDICTS[goal["met"]], note
        what = medians = note = ""


if __name__ == "__main__":
    paths = [Path(argument) for argument in sys.argv[1:]]
    sys.stdout.write(page({path.name: json.loads(path.read_text(encoding="utf-8")) for path in paths}))
