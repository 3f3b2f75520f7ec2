"""The whole schema as it is declared: `dispatcher.database.tables`, the functions and triggers beside it, and the roles.

A production database comes here by migrations; a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection
from sqlalchemy.schema import CreateSchema

from dispatcher.database.data_files import data_folder
from dispatcher.database.tables import SCHEMA, metadata

# In this order: `clock` stands in column defaults; those after the tables use them and each other.
BEFORE_TABLES = ("clock", "size", "unusable", "merge_fragments")
AFTER_TABLES = (
    "parse_fields",
    "parse_event",
    "refuse",
    "record",
    "record_many",
    "stripe_remember",
    "event_recorded",
    "event_recorded_trigger",
    "event_notify",
    "event_notify_trigger",
)


def create_all(connection: Connection) -> None:
    """Create the schema in an empty database."""
    connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
    for statement in _functions(BEFORE_TABLES):
        connection.exec_driver_sql(statement)
    metadata.create_all(connection, checkfirst=False)
    for statement in (*_functions(AFTER_TABLES), roles()):
        connection.exec_driver_sql(statement)


def roles() -> str:
    """Give the statement that creates the roles and grants them what they may do."""
    return _read("roles.sql")


def _functions(names: tuple[str, ...]) -> Iterator[str]:
    return (_read(f"functions/{name}.sql") for name in names)


def _read(path: str) -> str:
    return (data_folder("schema") / path).read_text(encoding="utf-8").replace("%", "%%")
