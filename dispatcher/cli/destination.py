"""`outbox destination list|pause|resume|enable|disable`: lists destinations and changes their state."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated

import msgspec
import typer

from dispatcher.cli import context, output
from dispatcher.config import Config, ConfigError
from dispatcher.config.settings import Settings, SettingsError
from dispatcher.database.connections import Database
from dispatcher.destinations import registry
from dispatcher.doctor.deliveries import FRESH_SECONDS
from dispatcher.routing import Action, DestinationRoutes, RoutingTable, set_state

app = typer.Typer(help="List, pause, resume, enable or disable destinations and their steps.", no_args_is_help=True)


class StepItem(msgspec.Struct, frozen=True):
    """One step at a destination: its event name there, and its state."""

    step: str
    event_name: str
    enabled: bool
    paused: bool


class DestinationItem(msgspec.Struct, frozen=True):
    """One destination.

    `missing`: the setting without which it is halted. `state`: running, throttled, failing or halted, from the latest
    report of a dispatcher, with its `reason`; None: no dispatcher has reported recently.
    """

    name: str
    kind: str
    enabled: bool
    paused: bool
    missing: str | None
    state: str | None
    reason: str | None
    steps: list[StepItem]


def add_to(parent: typer.Typer) -> None:
    """Register the commands."""
    parent.add_typer(app, name="destination")


def _names() -> Iterator[str]:
    """Return the configured destinations, for shell completion."""
    try:
        yield from (account.name for account in context.config().accounts)
    except (ConfigError, SettingsError):
        return


def _steps() -> Iterator[str]:
    try:
        yield from (step.name for step in context.config().steps)
    except (ConfigError, SettingsError):
        return


Name = Annotated[str, typer.Argument(help="The destination, e.g. meta.", autocompletion=_names)]
Step = Annotated[
    str | None,
    typer.Option(help="Only this step, e.g. lead_submitted.", autocompletion=_steps),
]


@app.command("list")
def list_(*, json: output.Json = False) -> None:
    """List each destination and its steps, with event names and what is paused, disabled or halted."""
    config = context.config()
    with context.migrated_database() as (settings, url):
        found = asyncio.run(_list(settings, url, config))
    if json:
        output.print_json(found)
        return
    output.print_table(["destination", "kind", "state"], [[item.name, item.kind, _state(item)] for item in found])
    typer.echo()
    rows = [[item.name, step.step, step.event_name, _own_state(step)] for item in found for step in item.steps]
    output.print_table(["destination", "step", "event name", "state"], rows)


@app.command()
def pause(name: Name, step: Step = None) -> None:
    """Hold deliveries until `resume`. A delivery fails once its event is older than the destination accepts."""
    _change(name, step, "pause", "deliveries wait, but their windows keep running")


@app.command()
def resume(name: Name, step: Step = None) -> None:
    """Continue deliveries after `pause`."""
    _change(name, step, "resume", "pending deliveries continue")


@app.command()
def enable(name: Name, step: Step = None) -> None:
    """Deliver from now on. What was skipped stays skipped."""
    _change(name, step, "enable", "conversions are delivered from now on")


@app.command()
def disable(name: Name, step: Step = None) -> None:
    """Skip pending and new deliveries for good (`skipped: disabled`). They are not sent later."""
    _change(name, step, "disable", "deliveries are skipped and never sent later")


def _change(name: str, step: str | None, action: Action, effect: str) -> None:
    with context.migrated_database() as (_, url):
        problem = asyncio.run(_set_state(url, name, step, action))
    subject = f"{step} at {name}" if step else name
    if problem is not None:
        typer.echo(f"outbox: {problem}", err=True)
        raise typer.Exit(2)
    typer.echo(f"{subject}: {action}d; {effect}. Running dispatchers apply this within seconds.")


async def _set_state(url: str, name: str, step: str | None, action: Action) -> str | None:
    """Change the state. Return an error that lists the valid names if the destination or step does not exist."""
    async with Database.connect(url, connections=1) as database:
        if await set_state(database, name, step, action):
            return None
        destinations = {routes.name: routes for routes in await _destinations(database)}
    if name not in destinations:
        return f"there is no destination of that name; choose one of: {', '.join(sorted(destinations))}"
    return f"{name} has no route for that step; choose one of: {', '.join(sorted(destinations[name].routes))}"


async def _list(settings: Settings, url: str, config: Config) -> list[DestinationItem]:
    async with Database.connect(url, connections=1) as database:
        rows = await database.run_once("read_states", {"since": timedelta(seconds=FRESH_SECONDS)})
        # The rows are newest first. Reversed, the newest report of each destination wins.
        states = {row.destination: (row.state, row.reason) for row in reversed(rows)}
        return [_item(routes, settings, config, states) for routes in await _destinations(database)]


async def _destinations(database: Database) -> list[DestinationRoutes]:
    async with database.transaction(is_reading=True) as transaction:
        return list((await RoutingTable(transaction).destinations()).values())


def _item(
    routes: DestinationRoutes, settings: Settings, config: Config, states: Mapping[int, tuple[str, str | None]]
) -> DestinationItem:
    missing = registry.create(routes.kind, routes.name, settings, config).missing()
    steps = [
        StepItem(step, route.event_name, route.enabled, route.paused) for step, route in sorted(routes.routes.items())
    ]
    state, reason = states.get(routes.id, (None, None))
    return DestinationItem(routes.name, routes.kind, routes.enabled, routes.paused, missing, state, reason, steps)


def _state(item: DestinationItem) -> str:
    if not item.enabled:
        return _own_state(item)
    if item.missing:
        return f"{_own_state(item)}; halted: {item.missing} is not set here"
    if item.state in {None, "running"}:
        return _own_state(item)
    return f"{_own_state(item)}; {item.state}: {item.reason or 'unknown reason'}"


def _own_state(item: DestinationItem | StepItem) -> str:
    return "disabled" if not item.enabled else "paused" if item.paused else "enabled"
