"""A command asks the running process for a step of an account at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import reconciler.store.columns

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fetch_requests",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("batch", sa.String(16), nullable=False),
        sa.Column("account_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("asked_at", reconciler.store.columns.Instant(), nullable=False),
        sa.Column("seen_at", reconciler.store.columns.Instant(), nullable=True),
        sa.Column("answer", reconciler.store.columns.Json(), nullable=True),
        sa.ForeignKeyConstraint(["account_key"], ["accounts.key"], name=op.f("fk_fetch_requests_account_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fetch_requests")),
        sqlite_autoincrement=True,
    )
