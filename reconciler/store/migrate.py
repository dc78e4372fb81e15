"""Runs the migrations in `migrations/`; imported only when a store's schema is not the newest."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import insert, select

from reconciler.store.database import Store
from reconciler.store.tables import meta


def upgrade(store: Store) -> None:
    """Bring the schema to the newest version, in one transaction; a second program doing the same finds it done."""
    with store.write() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if connection.execute(select(meta.c.value).where(meta.c.name == "instance")).first() is None:
            name = base64.b32encode(secrets.token_bytes(5)).decode().lower()
            connection.execute(insert(meta).values(name="instance", value=name))
