"""`outbox destination list|pause|resume|enable|disable`: an operator's switches."""

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

app = typer.Typer(help="Destinations: what each is told, and switching it on and off.", no_args_is_help=True)


class StepItem(msgspec.Struct, frozen=True):
    """One step at a destination: what it is called there, and its switches."""

    step: str
    event_name: str
    enabled: bool
    paused: bool


class DestinationItem(msgspec.Struct, frozen=True):
    """One destination and its switches.

    `missing`: the setting without which it is halted. `state`: running, throttled, failing or halted, as a
    dispatcher reported it last, with its `reason`; None: no dispatcher was seen lately.
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
    """Give the configured destinations, for the shell to complete."""
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
    typer.Option("--step", help="Only this step of the funnel there, e.g. lead_submitted.", autocompletion=_steps),
]


@app.command("list")
def list_(*, json: output.Json = False) -> None:
    """Show each destination, what each step is called there, and what is paused, disabled or halted."""
    config = context.config()
    with context.migrated_database() as (settings, url):
        found = asyncio.run(_list(settings, url, config))
    if json:
        output.print_json(found)
        return
    output.print_table(["destination", "kind", "state"], [[item.name, item.kind, _state(item)] for item in found])
    typer.echo()
    rows = [[item.name, step.step, step.event_name, _switches(step)] for item in found for step in item.steps]
    output.print_table(["destination", "step", "is called there", "state"], rows)


@app.command()
def pause(name: Name, step: Step = None) -> None:
    """Let deliveries wait until `resume`; their windows run on (Meta: 7 days after the event; GA4: 72 hours)."""
    _switch(name, step, "pause", "deliveries wait, and their windows run on")


@app.command()
def resume(name: Name, step: Step = None) -> None:
    """Let deliveries go on."""
    _switch(name, step, "resume", "what waits is delivered")


@app.command()
def enable(name: Name, step: Step = None) -> None:
    """Deliver from now on; what was skipped stays skipped."""
    _switch(name, step, "enable", "delivered from now on")


@app.command()
def disable(name: Name, step: Step = None) -> None:
    """Skip deliveries for good (`skipped: disabled`): what is owed and what comes; nothing is made up for later."""
    _switch(name, step, "disable", "skipped, and not made up for later")


def _switch(name: str, step: str | None, action: Action, effect: str) -> None:
    with context.migrated_database() as (_, url):
        known = asyncio.run(_switched(url, name, step, action))
    subject = f"{step} at {name}" if step else name
    if known is not None:
        typer.echo(f"outbox: {known}", err=True)
        raise typer.Exit(2)
    typer.echo(f"{subject}: {action}d, {effect}; running dispatchers take it up within seconds")


async def _switched(url: str, name: str, step: str | None, action: Action) -> str | None:
    """Switch; else say what there is to be switched."""
    async with Database.connect(url, connections=1) as database:
        if await set_state(database, name, step, action):
            return None
        words = {found.name: found for found in await _words(database)}
    if name not in words:
        return f"there is no destination of that name; there are {', '.join(sorted(words))}"
    return f"{name} is told of no such step; it is told of {', '.join(sorted(words[name].routes))}"


async def _list(settings: Settings, url: str, config: Config) -> list[DestinationItem]:
    async with Database.connect(url, connections=1) as database:
        rows = await database.run_once("read_states", {"since": timedelta(seconds=FRESH_SECONDS)})
        # The latest report comes first, and so stands last in the dictionary.
        states = {row[0]: (row[2], row[3]) for row in reversed(rows)}
        return [_item(words, settings, config, states) for words in await _words(database)]


async def _words(database: Database) -> list[DestinationRoutes]:
    async with database.transaction(is_reading=True) as transaction:
        return list((await RoutingTable(transaction).destinations()).values())


def _item(
    words: DestinationRoutes, settings: Settings, config: Config, states: Mapping[int, tuple[str, str | None]]
) -> DestinationItem:
    missing = registry.create(words.kind, words.name, settings, config).missing()
    steps = [
        StepItem(step, route.event_name, route.enabled, route.paused) for step, route in sorted(words.routes.items())
    ]
    state, reason = states.get(words.id, (None, None))
    return DestinationItem(words.name, words.kind, words.enabled, words.paused, missing, state, reason, steps)


def _state(item: DestinationItem) -> str:
    if not item.enabled:
        return _switches(item)
    if item.missing:
        return f"{_switches(item)}; halted: {item.missing} is not set here"
    if item.state in {None, "running"}:
        return _switches(item)
    return f"{_switches(item)}; {item.state}: {item.reason or 'for a reason unknown'}"


def _switches(item: DestinationItem | StepItem) -> str:
    return "disabled" if not item.enabled else "paused" if item.paused else "enabled"
