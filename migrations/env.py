"""Alembic's entry: one connection, given by `dispatcher.database.migration_scripts`; everything of ours lives in the schema `outbox`."""

from __future__ import annotations

from alembic import context

from dispatcher.database.tables import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema=SCHEMA,
    include_schemas=True,
    include_name=lambda name, kind, _: kind != "schema" or name == SCHEMA,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
