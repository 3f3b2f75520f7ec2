"""`outbox preview`: what each destination would be sent of an event now, or why nothing would."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
import typer

from dispatcher.cli import context, output
from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.database.connections import Database
from dispatcher.models import Event
from dispatcher.preview.payloads import Preview, find_events, previews


class Previewed(msgspec.Struct, frozen=True):
    """One event, and what each destination would be sent of it."""

    id: int
    name: str
    event_id: str
    occurred_at: Any
    destinations: list[Preview]


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(preview)


def preview(
    event: Annotated[str, typer.Argument(help="The event's shared id (event_id), or the number of its row.")],
    *,
    json: output.Json = False,
) -> None:
    """Show what each destination would be sent of an event now, with where each field comes from, or why nothing would.

    Nothing is sent. Hashes are shortened, and the IP address and the user agent are shown in part.

    Exit code 1 if there is no such event.
    """
    config = context.config()
    with context.migrated_database() as (settings, url):
        found = asyncio.run(_previewed(settings, url, config, event))
    if json:
        output.print_json(found)
    for number, one in enumerate(found if not json else ()):
        if number:
            typer.echo()
        _print(one)
    if not found:
        typer.echo("outbox: there is no such event; is it a row's number, or an event_id in full?", err=True)
        raise typer.Exit(1)


async def _previewed(settings: Settings, url: str, config: Config, text: str) -> list[Previewed]:
    async with Database.connect(url, connections=1) as database:
        ids = await find_events(database, text)
        events = [Event(*row) for row in await database.run_once("read_events", {"ids": ids})]
        return [
            Previewed(
                event.id,
                event.name,
                event.event_id,
                event.occurred_at,
                await previews(database, settings, config, event.id),
            )
            for event in events
        ]


def _print(found: Previewed) -> None:
    typer.echo(f"{found.name} {found.event_id} (event {found.id}), {found.occurred_at:%Y-%m-%d %H:%M:%S} UTC")
    for there in found.destinations:
        typer.echo()
        typer.echo(f"{there.destination}: {there.refusal or 'would be sent'}")
        if there.note:
            typer.echo(there.note)
        if there.fields:
            rows = [[field.name, _text(field.value), field.source] for field in there.fields]
            output.print_table(["field", "value", "source"], rows)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
