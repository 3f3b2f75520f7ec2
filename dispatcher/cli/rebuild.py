"""`outbox rebuild`: rebuilds the queues and the identity graph from the logs."""

from __future__ import annotations

import asyncio

import typer

from dispatcher.cli import context
from dispatcher.cli.progress import progress
from dispatcher.database.connections import Database
from dispatcher.maintenance import rebuild as folding


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(rebuild)


def rebuild() -> None:
    """Drop the queues and the identity data, and rebuild them from the logs. Safe while dispatchers are running.

    Dispatchers wait until it is done; recording does not. What was being sent at that moment may be sent once more.
    """
    with context.migrated_database() as (_, url):
        done = asyncio.run(_rebuild(url))
    typer.echo(f"{done.events} events folded; {done.pending} deliveries pending, {done.taken} of them were being sent")


async def _rebuild(url: str) -> folding.Rebuilt:
    async with Database.connect(url, connections=1) as database:
        with progress("folding the log") as update:
            return await folding.rebuild(database, update)
