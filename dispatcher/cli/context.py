"""What every command needs: the settings, and the address of the database."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psycopg
import structlog
import typer

from dispatcher.config import Config, find
from dispatcher.config.settings import Settings
from dispatcher.database import embedded_postgres, migrations

T = TypeVar("T")

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
        if pending := _answer(lambda: migrations.pending(url), wait=wait):
            typer.echo(f"outbox: the database lacks {', '.join(pending)}; run `outbox migrate`", err=True)
            raise typer.Exit(2)
        yield known, url


def config() -> Config:
    """Read `outbox.toml`, where there is one."""
    return find(settings().config, os.environ)


def keep_in_step(url: str, config: Config, *, wait: bool) -> None:
    """Bring the tables of words in step with `outbox.toml`, and log what changes.

    Without a file the tables are left as they are: a daemon that was started in the wrong folder must not take another
    company's funnel back to the default, and so tell nobody of its conversions.
    """
    is_file = config.path is not None
    changes = _answer(lambda: migrations.keep_in_step(url, config, write=is_file), wait=wait)
    for change in changes if is_file else ():
        log.warning("the funnel has changed", change=change)
    if changes and not is_file:
        log.warning(
            "the funnel in the database is not the default, and there is no outbox.toml here: it is left as it is",
            differences=len(changes),
        )


def _answer(ask: Callable[[], T], *, wait: bool) -> T:
    for failures in itertools.count(1):
        try:
            return ask()
        except psycopg.OperationalError as error:
            if not wait:
                raise
            if failures == 1:
                log.warning("database unavailable, retrying", error=type(error).__name__)
            time.sleep(WAIT_SECONDS)
    raise AssertionError


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Give the address of the database: the configured one, else the embedded PostgreSQL's."""
    if settings.database_url:
        yield settings.database_url.reveal()
    else:
        with embedded_postgres.running(HOME) as url:
            yield url
