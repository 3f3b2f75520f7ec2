"""What every command needs: the settings, and the address of the database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

import migrations
from schema import embedded
from schema.settings import Settings

HOME = Path(".outbox")
"""Where the embedded PostgreSQL lives, below the current folder."""


def settings() -> Settings:
    """Read the settings from the environment."""
    return Settings.from_environment(os.environ)


@contextmanager
def migrated_database() -> Iterator[tuple[Settings, str]]:
    """Give the settings, and the address of a database whose schema is current; else say what to do."""
    known = settings()
    with database(known) as url:
        if pending := migrations.pending(url):
            typer.echo(f"outbox: the database lacks {', '.join(pending)}; run `outbox migrate`", err=True)
            raise typer.Exit(2)
        yield known, url


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Give the address of the database: the configured one, else the embedded PostgreSQL's."""
    if settings.database_url:
        yield settings.database_url.reveal()
    else:
        with embedded.running(HOME) as url:
            yield url
