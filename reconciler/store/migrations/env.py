"""Alembic's environment: the connection is handed in by store.migrate, the tables are store.tables."""

from __future__ import annotations

from alembic import context

from reconciler.store.operator_tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=False,
    transactional_ddl=False,
)
context.run_migrations()
