"""Revisions know when they were committed; the head of a branch that was followed last is remembered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import reconciler.store.columns

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("revisions", sa.Column("committed_at", reconciler.store.columns.Instant(), nullable=True))
    op.create_table(
        "heads",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("commit", sa.String(), nullable=False),
        sa.Column("at", reconciler.store.columns.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_heads")),
    )
    op.create_table(
        "rewrites",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("commit", sa.String(), nullable=False),
        sa.Column("reason", reconciler.store.columns.MailText(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", reconciler.store.columns.Instant(), nullable=False),
        sa.Column("used_at", reconciler.store.columns.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rewrites")),
    )
