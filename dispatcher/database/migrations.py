"""Bringing a database to the current schema, and back. Touches nothing outside the PostgreSQL schema `outbox`.

Several may migrate at once: they wait for each other. All of one upgrade is one transaction: it is done, or nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg

from dispatcher.config import Config
from dispatcher.config.settings import conninfo
from dispatcher.database.data_files import data_folder
from dispatcher.database.seed_routing import seed

if TYPE_CHECKING:
    from dispatcher.database.migration_scripts import Scripts

HEAD = max(path.name for path in (data_folder("migrations") / "versions").glob("*.py")).partition("_")[0]
"""The newest revision; the name of each script begins with its own."""

_LOCK = 0x6F7574626F78  # "outbox": an advisory lock of our own


def upgrade(
    database_url: str,
    revision: str = "head",
    *,
    config: Config | None = None,
    replace_words: bool = True,
    tell: Callable[[str], object] = str,
) -> tuple[str | None, str | None]:
    """Bring the database to `revision`, at the head with the words of `config` (None: the defaults), and with the roles.

    Without `replace_words`, words that are there already stay as they are.

    Gives the revision before and after (None: nothing of ours there). Each word that changes is told to `tell`; so is
    each that differs and stays.
    """
    with _scripts(database_url) as migration_scripts:
        before = _current(migration_scripts.driver)
        migration_scripts.upgrade(revision)
        if revision == "head":
            # Again each time: a restored cluster may have lost them, and a superuser may have made them since.
            migration_scripts.keep_roles()
            is_written = replace_words or not _has_words(migration_scripts.driver)
            for change in _words(migration_scripts.driver, config or Config(), write=is_written):
                if before:
                    tell(change)
        return before, _current(migration_scripts.driver)


def keep_in_step(database_url: str, config: Config, *, write: bool = True) -> list[str]:
    """Bring the tables of words in step with `config`, if `write`; give what differed, a phrase each."""
    with _connection(database_url) as connection:
        return _words(connection, config, write=write)


def downgrade(database_url: str, revision: str = "base") -> None:
    """Take the database back to `revision`; at `base` nothing of ours is left but the roles, and all data is gone."""
    with _scripts(database_url) as migration_scripts:
        if _current(migration_scripts.driver) is None:
            return
        migration_scripts.downgrade(revision)
        if _current(migration_scripts.driver) is None:
            migration_scripts.driver.execute("DROP TABLE IF EXISTS outbox.alembic_version")
            migration_scripts.driver.execute("DROP SCHEMA outbox")


def pending(database_url: str) -> list[str]:
    """Give the revisions that the database lacks, oldest first."""
    with _connection(database_url) as connection:
        current = _current(connection)
    if current == HEAD:
        return []
    from dispatcher.database import migration_scripts  # noqa: PLC0415 - it is large, and only needed where something is pending

    return migration_scripts.after(current)


def _has_words(connection: psycopg.Connection[Any]) -> bool:
    return connection.execute("SELECT FROM outbox.step LIMIT 1").fetchone() is not None


def _words(connection: psycopg.Connection[Any], config: Config, *, write: bool) -> list[str]:
    with connection.transaction(force_rollback=not write):
        return seed(connection, config.steps, config.destinations())


@contextmanager
def _scripts(database_url: str) -> Iterator[Scripts]:
    from dispatcher.database.migration_scripts import Scripts  # noqa: PLC0415 - it is large, and only needed where somebody migrates

    # psycopg reads the address itself: libpq knows several hosts, SQLAlchemy's address does not.
    with Scripts.on(lambda: psycopg.connect(conninfo(database_url))) as migration_scripts:
        _wait_for_others(migration_scripts.driver)
        yield migration_scripts


@contextmanager
def _connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(conninfo(database_url)) as connection:
        _wait_for_others(connection)
        yield connection


def _wait_for_others(connection: psycopg.Connection[Any]) -> None:
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))


def _current(connection: psycopg.Connection[Any]) -> str | None:
    if connection.execute("SELECT to_regclass('outbox.alembic_version')").fetchone() == (None,):
        return None
    version = connection.execute("SELECT version_num FROM outbox.alembic_version").fetchone()
    return version[0] if version else None
