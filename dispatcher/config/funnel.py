"""`[steps.<name>]`: the steps of the funnel, and the event name of each at each destination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dispatcher.config.kinds import kinds as all_kinds
from dispatcher.config.kinds import parameter_problem
from dispatcher.config.models import default_steps
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
from outbox.taxonomy import Step, Target

ACTION_SOURCES = (
    "email", "website", "app", "phone_call", "chat", "physical_store", "system_generated", "business_messaging", "other",
)  # fmt: skip
"""The values of action_source (Conversions API, "Server Event Parameters")."""

NOT_SENT = Target(event_name="")
"""Stands for `to.<destination> = false` until the routes copied with `like` are known."""


def read(table: FileTable, problems: Problems, kinds: Mapping[str, str], likes: Mapping[str, str]) -> list[Step]:
    """Return the steps. `kinds`: the kind of each destination; `likes`: the destination whose routes another one copies."""
    steps = {step.name: step for step in default_steps(kinds) if table.defaults}
    for name, value in table.steps.items():
        where: Path = ("steps", name)
        check_name(problems, where, "step")
        if step := _step(where, value, problems, kinds):
            steps[name] = step
    if not steps and not table.steps:
        problems.add(("steps",), "there are no steps; add one, or remove defaults = false")
    return [_with_copied_targets(step, likes) for step in steps.values()]


def _step(where: Path, value: object, problems: Problems, kinds: Mapping[str, str]) -> Step | None:
    table = problems.typed(where, value, StepTable)
    if table is None:
        return None
    check_money(problems, where, table.value, table.currency)
    _check_parameters((*where, "parameters"), table.parameters, problems)
    if table.action_source is not None and table.action_source not in ACTION_SOURCES:
        problems.add((*where, "action_source"), f"expected {one_of(ACTION_SOURCES)}")
    targets: dict[str, Target] = {}
    for destination, stated in table.to.items():
        if target := _target((*where, "to", destination), stated, problems, kinds):
            targets[destination] = replace(target, parameters={**table.parameters, **target.parameters})
    return Step(
        name=str(where[-1]),
        targets=targets,
        action_source=table.action_source,
        browser_pair=table.browser_pair,
        value=table.value,
        currency=table.currency,
    )


def _target(where: Path, stated: object, problems: Problems, kinds: Mapping[str, str]) -> Target | None:
    destination = str(where[-1])
    if destination not in kinds:
        problems.add(where, f"there is no destination {destination}; {suggestion(destination, kinds)}")
        return None
    if stated is False:
        return NOT_SENT
    if isinstance(stated, str):
        table: TargetTable | None = TargetTable(name=stated)
    elif isinstance(stated, dict):
        table = problems.typed(where, stated, TargetTable)
        where = (*where, "name")
    else:
        problems.add(where, "expected the event's name at this destination, a table with name and parameters, or false")
        table = None
    if table is None:
        return None
    kind = all_kinds().get(kinds[destination])
    if kind and (problem := kind.event_name_problem(table.name)):
        problems.add(where, problem)
    _check_parameters((*where[:-1], "parameters"), table.parameters, problems)
    return Target(event_name=table.name, parameters=table.parameters)


def _check_parameters(where: Path, parameters: Mapping[str, Any], problems: Problems) -> None:
    for name, value in parameters.items():
        if problem := parameter_problem(name):
            problems.add((*where, name), problem)
        check_scalar(problems, (*where, name), value)


def _with_copied_targets(step: Step, likes: Mapping[str, str]) -> Step:
    """Return `step` with the targets copied because of `like`, and without those set to false."""
    copied = {name: step.targets[other] for name, other in likes.items() if other in step.targets}
    targets = {name: target for name, target in {**copied, **step.targets}.items() if target.event_name}
    return replace(step, targets=targets)
