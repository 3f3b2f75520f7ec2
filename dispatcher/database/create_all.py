"""The whole declared schema: `dispatcher.database.tables`, the functions and triggers of `schema/functions`, and the roles.

A production database gets it through migrations; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection
from sqlalchemy.schema import CreateSchema

from dispatcher.database.data_files import data_folder
from dispatcher.database.tables import SCHEMA, metadata

# In this order: column defaults use `clock`; the functions after the tables use the tables and each other.
BEFORE_TABLES = ("clock", "size", "unusable", "merge_fragments", "merge_known", "key_digest")
AFTER_TABLES = (
    "is_over_limit",
    "parse_fields",
    "parse_event",
    "refuse",
    "record",
    "record_many",
    "stripe_remember",
    "sent_as",
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
    """Return the statement that creates the roles and grants their rights."""
    return _read("roles.sql")


def _functions(names: tuple[str, ...]) -> Iterator[str]:
    return (_read(f"functions/{name}.sql") for name in names)


def _read(path: str) -> str:
    return (data_folder("schema") / path).read_text(encoding="utf-8").replace("%", "%%")
