"""`outbox migrate`: brings the database to the current schema and funnel."""

from __future__ import annotations

import typer

from dispatcher.cli import context
from dispatcher.database import migrations


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(migrate)


def migrate() -> None:
    """Bring the database to the current schema and funnel; safe to repeat, and beside others that do.

    Without an outbox.toml here, a funnel that is in the database already is left as it is, as by `dispatch`.
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
            f"funnel: left as it is in the database, as there is no outbox.toml here; {len(changes)} differences from the "
            "default. Migrate where the file is, or with an empty one for the default.",
            err=True,
        )
    typer.echo(f"schema at {after}" if before == after else f"schema brought from {before or 'nothing'} to {after}")
