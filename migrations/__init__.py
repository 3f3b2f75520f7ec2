"""Bringing a database to the current schema, and back. Touches nothing outside the PostgreSQL schema `outbox`.

Several may migrate at once: they wait for each other. All of one upgrade is one transaction: it is done, or nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateSchema

from schema.config import Config
from schema.declared import roles
from schema.seed import seed
from schema.settings import conninfo
from schema.tables import SCHEMA

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
    with _connection(database_url) as connection:
        before = _current(connection)
        connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
        command.upgrade(_config(connection), revision)
        if revision == "head":
            # Again each time: a restored cluster may have lost them, and a superuser may have made them since.
            connection.exec_driver_sql(roles())
            is_written = replace_words or not _has_words(connection)
            for change in _words(connection, config or Config(), write=is_written):
                if before:
                    tell(change)
        return before, _current(connection)


def keep_in_step(database_url: str, config: Config, *, write: bool = True) -> list[str]:
    """Bring the tables of words in step with `config`, if `write`; give what differed, a phrase each."""
    with _connection(database_url) as connection:
        return _words(connection, config, write=write)


def downgrade(database_url: str, revision: str = "base") -> None:
    """Take the database back to `revision`; at `base` nothing of ours is left but the roles, and all data is gone."""
    with _connection(database_url) as connection:
        if _current(connection) is None:
            return
        command.downgrade(_config(connection), revision)
        if _current(connection) is None:
            connection.execute(text(f"DROP TABLE IF EXISTS {SCHEMA}.alembic_version"))
            connection.execute(text(f"DROP SCHEMA {SCHEMA}"))


def pending(database_url: str) -> list[str]:
    """Give the revisions that the database lacks, oldest first."""
    scripts = ScriptDirectory.from_config(_config(None))
    with _connection(database_url) as connection:
        current = _current(connection)
    return [script.revision for script in scripts.iterate_revisions("head", current or "base")][::-1]


def _has_words(connection: Connection) -> bool:
    return bool(connection.scalar(text("SELECT EXISTS (SELECT FROM outbox.step)")))


def _words(connection: Connection, config: Config, *, write: bool) -> list[str]:
    with connection.begin_nested() as savepoint:
        differences = seed(connection, config.steps, config.destinations())
        if not write:
            savepoint.rollback()
        return differences


@contextmanager
def _connection(database_url: str) -> Iterator[Connection]:
    # psycopg reads the address itself: libpq knows several hosts, SQLAlchemy's address does not.
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo(database_url)), poolclass=NullPool
    )
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        yield connection


def _current(connection: Connection) -> str | None:
    if connection.scalar(text("SELECT to_regclass(:table)"), {"table": f"{SCHEMA}.alembic_version"}) is None:
        return None
    return MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA}).get_current_revision()


def _config(connection: Connection | None) -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
