"""`outbox migrate`: updates the database to the current schema and funnel."""

from __future__ import annotations

import typer

from dispatcher.cli import context
from dispatcher.database import migrations


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(migrate)


def migrate() -> None:
    """Update the database to the current schema and funnel. Safe to repeat, and to run several times at once.

    Without an outbox.toml in the current folder, a funnel that is already in the database is kept.
    """
    config = context.config()
    is_file = config.path is not None
    changes: list[str] = []
    with context.database(context.settings()) as url:
        before, after = migrations.upgrade(url, config=config, replace_routing=is_file, on_change=changes.append)
    if is_file:
        for change in changes:
            typer.echo(f"funnel: {change}")
    elif changes:
        typer.echo(
            f"funnel: the one in the database is kept, because there is no outbox.toml here ({len(changes)} differences "
            "from the default). Run `outbox migrate` where the file is, or with an empty file for the default.",
            err=True,
        )
    typer.echo(f"schema at {after}" if before == after else f"schema migrated from {before or 'nothing'} to {after}")
