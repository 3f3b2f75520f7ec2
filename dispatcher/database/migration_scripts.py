"""The scripts in `versions`, as Alembic runs them.

Apart from the rest, because Alembic and SQLAlchemy come with it: 30 MB, which a daemon that finds its database current
need not hold.
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
    """The scripts on one connection; `driver` is the same connection as psycopg has it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]

    @classmethod
    @contextmanager
    def on(cls, connect: Callable[[], psycopg.Connection[Any]]) -> Iterator[Scripts]:
        """Run what is run in one transaction of a connection that `connect` makes; the driver's errors come as they are."""
        engine = create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)
        try:
            with engine.begin() as connection:
                yield cls(connection)
        except DBAPIError as error:
            raise error.orig or error from error

    def upgrade(self, revision: str) -> None:
        """Go up to `revision`."""
        self._connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
        command.upgrade(_config(self._connection), revision)

    def keep_roles(self) -> None:
        """Create the roles that are missing, and grant all of them what they may do."""
        self._connection.exec_driver_sql(roles())


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(data_folder("migrations")))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
