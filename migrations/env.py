"""Alembic's entry point: runs on the connection of `dispatcher.database.migration_scripts`, in the schema `outbox` only."""

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
