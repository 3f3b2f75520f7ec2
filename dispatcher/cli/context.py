"""What every command needs: the settings, and the address of the database."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
import typer
from sqlalchemy.exc import OperationalError

import migrations
from schema import embedded
from schema.settings import Settings

log = structlog.get_logger()

WAIT_SECONDS = 2.0
HOME = Path(".outbox")
"""Where the embedded PostgreSQL lives, below the current folder."""


def settings() -> Settings:
    """Read the settings from the environment."""
    return Settings.from_environment(os.environ)


@contextmanager
def migrated_database(*, wait: bool = False) -> Iterator[tuple[Settings, str]]:
    """Give the settings, and the address of a database whose schema is current; else say what to do.

    With `wait`, a database that does not answer is waited for.
    """
    known = settings()
    with database(known) as url:
        if pending := _pending(url, wait=wait):
            typer.echo(f"outbox: the database lacks {', '.join(pending)}; run `outbox migrate`", err=True)
            raise typer.Exit(2)
        yield known, url


def _pending(url: str, *, wait: bool) -> list[str]:
    for failures in itertools.count(1):
        try:
            return migrations.pending(url)
        except OperationalError as error:
            if not wait:
                raise
            if failures == 1:
                log.warning("database away, waiting for it", error=type(error.orig).__name__)
            time.sleep(WAIT_SECONDS)
    raise AssertionError


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Give the address of the database: the configured one, else the embedded PostgreSQL's."""
    if settings.database_url:
        yield settings.database_url.reveal()
    else:
        with embedded.running(HOME) as url:
            yield url
