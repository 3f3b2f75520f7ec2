"""Brings a database to the current schema. Touches nothing outside the PostgreSQL schema `outbox`.

Concurrent migrations wait for each other. An upgrade is one transaction: it happens completely or not at all.
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

REVISIONS = tuple(sorted(path.stem for path in (data_folder("migrations") / "versions").glob("*.py")))
"""All revisions, oldest first; each script is named after its revision."""
HEAD = REVISIONS[-1]
UNRELEASED = frozenset({"0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008"})
"""Revisions from before the first release; no script leads from them to the present schema."""

_LOCK = 0x6F7574626F78  # "outbox": an advisory lock of our own


class SchemaVersionError(RuntimeError):
    """The database has a schema that this version can neither use nor upgrade; the message says what to do."""


def upgrade(
    database_url: str,
    revision: str = "head",
    *,
    config: Config | None = None,
    replace_routing: bool = True,
    on_change: Callable[[str], object] = str,
) -> tuple[str | None, str | None]:
    """Bring the database to `revision`; at the head, also write the routing of `config` (None: the defaults) and the roles.

    Return the revision before and after (None: there was no schema). Without `replace_routing`, existing routing stays as it
    is. `on_change` is called with a phrase for each difference, whether it was written or not.

    Raise `SchemaVersionError` for a schema of an unreleased or a newer version.
    """
    with _scripts(database_url) as scripts:
        before = _current(scripts.driver)
        scripts.upgrade(revision)
        if revision == "head":
            # Every time: a restored cluster may have lost the roles, or a superuser may have created them since.
            scripts.grant_roles()
            is_written = replace_routing or not _has_routing(scripts.driver)
            for change in _routing(scripts.driver, config or Config(), write=is_written):
                if before:
                    on_change(change)
        return before, _current(scripts.driver)


def keep_in_step(database_url: str, config: Config, *, write: bool = True) -> list[str]:
    """Bring the routing tables in line with `config` if `write`; return the differences, a phrase each."""
    with _connection(database_url) as connection:
        return _routing(connection, config, write=write)


def pending(database_url: str) -> list[str]:
    """Return the revisions that the database lacks, oldest first.

    Raise `SchemaVersionError` for a schema of an unreleased or a newer version.
    """
    with _connection(database_url) as connection:
        current = _current(connection)
    if current == HEAD:
        return []
    return list(REVISIONS[REVISIONS.index(current) + 1 if current else 0 :])


def _has_routing(connection: psycopg.Connection[Any]) -> bool:
    return connection.execute("SELECT FROM outbox.step LIMIT 1").fetchone() is not None


def _routing(connection: psycopg.Connection[Any], config: Config, *, write: bool) -> list[str]:
    with connection.transaction(force_rollback=not write):
        return seed(connection, config.steps, config.destinations())


@contextmanager
def _scripts(database_url: str) -> Iterator[Scripts]:
    from dispatcher.database.migration_scripts import Scripts  # noqa: PLC0415 - it is large, and only needed to migrate

    # psycopg reads the address itself: libpq supports several hosts, SQLAlchemy does not.
    with Scripts.on(lambda: psycopg.connect(conninfo(database_url))) as scripts:
        _wait_for_others(scripts.driver)
        yield scripts


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
    row = connection.execute("SELECT version_num FROM outbox.alembic_version").fetchone()
    (version,) = row or (None,)
    if version in UNRELEASED:
        raise SchemaVersionError(
            f"the schema outbox in this database is of an unreleased version ({version}) and cannot be upgraded; if its events "
            "may go, recreate it: DROP SCHEMA outbox CASCADE, then outbox migrate"
        )
    if version is not None and version not in REVISIONS:
        raise SchemaVersionError(
            f"the schema outbox in this database is of a newer version ({version}; this program knows {HEAD}); run that version"
        )
    return version
