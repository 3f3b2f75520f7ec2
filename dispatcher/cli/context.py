"""What every command needs: the settings, the configuration, and the address of the database."""

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
"""The folder of the embedded PostgreSQL, relative to the current directory."""


def settings() -> Settings:
    """Return the settings from the environment."""
    return Settings.from_environment(os.environ)


@contextmanager
def migrated_database(*, wait: bool = False) -> Iterator[tuple[Settings, str]]:
    """Yield the settings and the address of a database whose schema is current. Otherwise print what to do, and exit.

    With `wait`, wait for a database that does not answer.
    """
    read = settings()
    with database(read) as url:
        if pending := _with_database(lambda: migrations.pending(url), wait=wait):
            typer.echo(f"outbox: the database lacks {', '.join(pending)}; run `outbox migrate`", err=True)
            raise typer.Exit(2)
        yield read, url


def config() -> Config:
    """Return the configuration in `outbox.toml`, or the default without a file."""
    return find(settings().config, os.environ)


def keep_in_step(url: str, config: Config, *, wait: bool) -> None:
    """Update the routing tables from `outbox.toml`, and log each change.

    Without a file, the tables stay as they are: a daemon started in the wrong folder must not replace a company's funnel
    by the default, because then its conversions would go nowhere.
    """
    is_file = config.path is not None
    changes = _with_database(lambda: migrations.keep_in_step(url, config, write=is_file), wait=wait)
    for change in changes if is_file else ():
        log.warning("the funnel has changed", change=change)
    if changes and not is_file:
        log.warning(
            "the funnel in the database differs from the default and is kept: there is no outbox.toml here",
            differences=len(changes),
        )


def _with_database(call: Callable[[], T], *, wait: bool) -> T:
    for failures in itertools.count(1):
        try:
            return call()
        except psycopg.OperationalError as error:
            if not wait:
                raise
            if failures == 1:
                log.warning("database unavailable, retrying", error=type(error).__name__)
            time.sleep(WAIT_SECONDS)
    raise AssertionError


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Yield the address of the configured database, or of the embedded PostgreSQL while it runs."""
    if settings.database_url:
        yield settings.database_url.reveal()
    else:
        with embedded_postgres.running(HOME) as url:
            yield url


@contextmanager
def explaining(host: str, port: int) -> Iterator[None]:
    """Say in a sentence that an address cannot be listened on, and exit with 1."""
    try:
        yield
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or "not a port"
        typer.echo(f"outbox: cannot listen on {host}, port {port} ({reason}); choose another with --port", err=True)
        raise typer.Exit(1) from None
