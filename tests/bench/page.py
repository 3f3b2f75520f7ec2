"""The results of a run as the page `docs/benchmarks.md`:

python -m tests.bench.page tests/bench/results/<commit>.json > docs/benchmarks.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.measure import shown

HEAD = """\
# Measured

`scripts/bench` measures each line beside what it is compared with, in turn, in one run; read the ratios, as the machine is
small ({cores} cores, which PostgreSQL, the sink, the dispatcher and what it is compared with share) and noisy. Medians of {rounds}
rounds and, of the goals, the spread; where a goal is missed, the last column says what holds it. Peers run as their
documentation advises: pgqueuer on asyncpg in batches of 25, procrastinate with as many workers; a ready payload a job, one
request each, to the same sink.

Commit {commit}: **{met} of {goals} goals are met.** Drains are of {events:,} events or of what goes in {longest:.0f} seconds, if that is less;
`settled` is beside {settled:,}, `owed` with {owed:,}. All of it, with every round: [{name}](../tests/bench/results/{name}).

| measured | medians | goal | found (min to max) | | what holds it |
|---|---|---|---|---|---|
"""
VERDICTS = {True: "met", False: "**missed**", None: "not measured"}


def page(found: dict[str, Any], name: str) -> str:
    """The results of a run, kept under `name`, as Markdown."""
    goals = [goal for one in found["measurements"] for goal in one["goals"]]
    head = HEAD.format(
        **found["plan"],
        cores=found["machine"]["cores"],
        commit=found["commit"],
        goals=len(goals),
        met=sum(goal["met"] is True for goal in goals),
        name=name,
    )
    lines = [f"| {' | '.join(cells)} |" for one in found["measurements"] for cells in _rows(one)]
    versions = ", ".join(f"{library} {number}" for library, number in found["versions"].items())
    return head + "\n".join(lines) + f"\n\nWith {versions}.\n"


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
    kept = Path(sys.argv[1])
    sys.stdout.write(page(json.loads(kept.read_text(encoding="utf-8")), kept.name))
