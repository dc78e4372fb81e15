"""Statements that SQLAlchemy Core has per dialect only; the dialect that is not used is not imported."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table


def insert_new(dialect: str, table: Table) -> Any:
    """An INSERT that leaves a row alone whose key is there already (ON CONFLICT DO NOTHING)."""
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    return insert(table).on_conflict_do_nothing()
