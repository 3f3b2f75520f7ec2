"""The results of a run as tables for the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tests.bench.measure import shown

GOAL_LABELS = {
    True: Text("met", style="green"),
    False: Text("missed", style="bold red"),
    None: Text("not measured", style="yellow"),
}


def table(found: dict[str, Any]) -> Group:
    """Return all measurements: the rates of each side, and the result of each goal."""
    sides = Table("measurement", "side", "median", "min to max", "unit", title="Measurements")
    goals = Table("measurement", "goal", "result", "min to max", "", title="Goals")
    notes = Text()
    for one in found["measurements"]:
        for number, (side, numbers) in enumerate(one["sides"].items()):
            name = one["name"] if number == 0 else ""
            sides.add_row(
                name, side, shown(numbers["median"]), _spread(numbers), one["unit"] if "." not in side else ""
            )
        for number, goal in enumerate(one["goals"]):
            name = one["name"] if number == 0 else ""
            goals.add_row(name, goal["goal"], _found(goal), _spread(goal), GOAL_LABELS[goal["met"]])
        if one["failed"]:
            notes.append(f"{one['name']} failed: {one['failed']}\n", style="bold red")
        elif one["note"] and any(goal["met"] is False for goal in one["goals"]):
            notes.append(f"{one['name']}: {one['note']}\n")
    return Group(sides, goals, notes, Text(_circumstances(found)))


def _circumstances(found: dict[str, Any]) -> str:
    machine, versions = found["machine"], found["versions"]
    libraries = ", ".join(f"{name} {number}" for name, number in versions.items())
    return (
        f"commit {found['commit']}, {found['plan']['rounds']} rounds; {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"shared by PostgreSQL, the sink and what is measured; {libraries}"
    )


def _found(goal: dict[str, Any]) -> str:
    if goal["met"] is None:
        return "-"
    shape = goal["shape"]
    return f"{goal['median']:.2f} x" if shape == "x" else f"{shown(goal['median'])} {shape}"


def _spread(numbers: dict[str, Any]) -> str:
    return f"{shown(numbers['min'])} to {shown(numbers['max'])}" if "min" in numbers else ""
