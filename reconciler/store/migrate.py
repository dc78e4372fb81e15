"""Brings a store's schema to the newest version; imported only when it is not."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select, text

from reconciler.store.database import SCHEMA, Store
from reconciler.store.operator_tables import metadata
from reconciler.store.tables import meta


def upgrade(store: Store) -> None:
    """Bring the schema to the newest version, in one transaction; a second program doing the same finds it done."""
    with store.write() as connection:
        if inspect(connection).get_table_names():
            migrate(connection)
        else:
            _make(connection)
        if connection.execute(select(meta.c.value).where(meta.c.name == "instance")).first() is None:
            name = base64.b32encode(secrets.token_bytes(5)).decode().lower()
            connection.execute(insert(meta).values(name="instance", value=name))


def migrate(connection: Connection) -> None:
    """Run those of the steps in `migrations/` that the store has not seen."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _make(connection: Connection) -> None:
    # A new store needs none of the steps that led here (Alembic's cookbook, "Building an Up to Date Database from
    # Scratch"); that both ways end at the same tables is tested.
    metadata.create_all(connection)
    key = "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)"
    connection.execute(text(f"CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, {key})"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:version)"), {"version": SCHEMA})
