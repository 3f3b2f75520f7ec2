"""`outbox preview`: shows what would be sent to each destination for an event now, or why nothing would."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
import typer

from dispatcher.cli import context, output
from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.database.connections import Database, rows_as
from dispatcher.models import Event
from dispatcher.preview.payloads import Preview, find_events, previews


class Previewed(msgspec.Struct, frozen=True):
    """One event, and what would be sent to each destination."""

    id: int
    name: str
    event_id: str
    occurred_at: Any
    destinations: list[Preview]


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(preview)


def preview(
    event: Annotated[str, typer.Argument(help="The event's event_id, or its number.")],
    *,
    json: output.Json = False,
) -> None:
    """Show what would be sent to each destination for an event now and the source of each field, or why nothing would.

    Nothing is sent. Hashes are shortened. The IP address and the user agent are shown in part.

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
        typer.echo("outbox: there is no such event; give its number or its complete event_id", err=True)
        raise typer.Exit(1)


async def _previewed(settings: Settings, url: str, config: Config, text: str) -> list[Previewed]:
    async with Database.connect(url, connections=1) as database:
        ids = await find_events(database, text)
        events = rows_as(Event, await database.run_once("read_events", {"ids": ids}))
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
    for one in found.destinations:
        typer.echo()
        typer.echo(f"{one.destination}: {one.refusal or 'would be sent'}")
        if one.note:
            typer.echo(one.note)
        if one.fields:
            rows = [[field.name, _text(field.value), field.source] for field in one.fields]
            output.print_table(["field", "value", "source"], rows)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
