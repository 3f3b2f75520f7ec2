"""`outbox migrate` and `outbox dispatch`."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer

import migrations
from dispatcher import daemon
from dispatcher.cli import context
from schema.settings import Settings

WORK_IS_LEFT = 3


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(migrate)
    app.command()(dispatch)


def migrate() -> None:
    """Bring the database to the current schema; safe to repeat, and beside others that do."""
    with context.database(context.settings()) as url:
        before, after = migrations.upgrade(url)
    typer.echo(f"schema at {after}" if before == after else f"schema brought from {before or 'nothing'} to {after}")


def dispatch(
    *,
    drain: Annotated[
        bool, typer.Option("--drain", help="Deliver what is due, then exit: 0, or 3 if work is left.")
    ] = False,
) -> None:
    """Deliver conversions until told to stop (SIGTERM or Ctrl-C; a second one ends at once)."""
    settings = context.settings()
    with context.database(settings) as url:
        if pending := migrations.pending(url):
            typer.echo(f"outbox: the database lacks {', '.join(pending)}; run `outbox migrate`", err=True)
            raise typer.Exit(2)
        left = asyncio.run(_dispatch(settings, url, drain=drain))
    if left:
        typer.echo(f"{left} deliveries wait for a later try", err=True)
        raise typer.Exit(WORK_IS_LEFT)


async def _dispatch(settings: Settings, url: str, *, drain: bool) -> int:
    async with daemon.running(settings, url) as running:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            running.stop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)  # a second signal ends at once

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        if drain:
            return await running.drain()
        await running.run()
        return 0
