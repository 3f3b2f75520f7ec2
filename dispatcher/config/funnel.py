"""`[steps.<name>]`: the funnel, and what each step is called at each destination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dispatcher.config.event_names import ACTION_SOURCES, EVENT_NAMES, parameter_problem
from dispatcher.config.toml_lines import Path
from dispatcher.config.toml_tables import (
    FileTable,
    Problems,
    StepTable,
    TargetTable,
    check_money,
    check_name,
    check_scalar,
    one_of,
    suggestion,
)
from outbox.taxonomy import FUNNEL, Step, Target

NOT_TOLD = Target(event_name="")
"""Stands for `to.<destination> = false` until all that is told is known."""


def read(table: FileTable, problems: Problems, kinds: Mapping[str, str], likes: Mapping[str, str]) -> list[Step]:
    """Give the steps; `kinds` are those of the destinations, `likes` says which is told the same as which other."""
    steps = {step.name: step for step in FUNNEL if table.defaults}
    for name, value in table.steps.items():
        where: Path = ("steps", name)
        check_name(problems, where, "step")
        if step := _step(where, value, problems, kinds):
            steps[name] = step
    if not steps and not table.steps:
        problems.add(("steps",), "there is no step; add one, or leave out defaults = false")
    return [_spread(step, likes) for step in steps.values()]


def _step(where: Path, value: object, problems: Problems, kinds: Mapping[str, str]) -> Step | None:
    table = problems.typed(where, value, StepTable)
    if table is None:
        return None
    check_money(problems, where, table.value, table.currency)
    _check_parameters((*where, "parameters"), table.parameters, problems)
    if table.action_source is not None and table.action_source not in ACTION_SOURCES:
        problems.add((*where, "action_source"), f"expected {one_of(ACTION_SOURCES)}")
    targets: dict[str, Target] = {}
    for destination, told in table.to.items():
        if target := _target((*where, "to", destination), told, problems, kinds):
            targets[destination] = replace(target, parameters={**table.parameters, **target.parameters})
    return Step(
        name=str(where[-1]),
        targets=targets,
        action_source=table.action_source,
        browser_pair=table.browser_pair,
        value=table.value,
        currency=table.currency,
    )


def _target(where: Path, told: object, problems: Problems, kinds: Mapping[str, str]) -> Target | None:
    destination = str(where[-1])
    if destination not in kinds:
        problems.add(where, f"no destination is called {destination}; {suggestion(destination, kinds)}")
        return None
    if told is False:
        return NOT_TOLD
    if isinstance(told, str):
        table: TargetTable | None = TargetTable(name=told)
    elif isinstance(told, dict):
        table = problems.typed(where, told, TargetTable)
        where = (*where, "name")
    else:
        problems.add(where, "expected the event's name there, a table with name and parameters, or false")
        table = None
    if table is None:
        return None
    rule = EVENT_NAMES.get(kinds[destination])
    if rule and (problem := rule(table.name)):
        problems.add(where, problem)
    _check_parameters((*where[:-1], "parameters"), table.parameters, problems)
    return Target(event_name=table.name, parameters=table.parameters)


def _check_parameters(where: Path, parameters: Mapping[str, Any], problems: Problems) -> None:
    for name, value in parameters.items():
        if problem := parameter_problem(name):
            problems.add((*where, name), problem)
        check_scalar(problems, (*where, name), value)


def _spread(step: Step, likes: Mapping[str, str]) -> Step:
    """Give `step` with what a destination is told because it is like another, and without what is not told."""
    like = {name: step.targets[other] for name, other in likes.items() if other in step.targets}
    targets = {name: target for name, target in {**like, **step.targets}.items() if target.event_name}
    return replace(step, targets=targets)
