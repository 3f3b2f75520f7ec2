"""Runs the scripts in `migrations/versions` with Alembic.

Separate from `migrations`, because it imports Alembic and SQLAlchemy: 30 MB of memory that a daemon with a current database
does not need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateSchema

from dispatcher.database.create_all import roles
from dispatcher.database.data_files import data_folder
from dispatcher.database.tables import SCHEMA


class Scripts:
    """The scripts on one connection; `driver` is the psycopg connection below it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]

    @classmethod
    @contextmanager
    def on(cls, connect: Callable[[], psycopg.Connection[Any]]) -> Iterator[Scripts]:
        """Open one transaction on a connection that `connect` makes; the driver's errors are raised unwrapped."""
        engine = create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)
        try:
            with engine.begin() as connection:
                yield cls(connection)
        except DBAPIError as error:
            raise error.orig or error from error

    def upgrade(self, revision: str) -> None:
        """Upgrade to `revision`."""
        self._connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
        command.upgrade(_config(self._connection), revision)

    def grant_roles(self) -> None:
        """Create the roles that are missing, and grant the rights of all."""
        self._connection.exec_driver_sql(roles())


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(data_folder("migrations")))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
