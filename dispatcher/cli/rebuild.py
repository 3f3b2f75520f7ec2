"""`outbox rebuild`: folds the logs again."""

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
    """Drop the queue and what is known of persons, and fold the logs again; safe beside running dispatchers.

    They wait until it is done, recording does not. What was being sent at that moment may be sent once more.
    """
    with context.migrated_database() as (_, url):
        done = asyncio.run(_rebuild(url))
    typer.echo(
        f"{done.events} events folded; {done.pending} deliveries owed, of which {done.taken} were just being sent"
    )


async def _rebuild(url: str) -> folding.Rebuilt:
    async with Database.connect(url, connections=1) as database:
        with progress("folding the log") as tell:
            return await folding.rebuild(database, tell)
