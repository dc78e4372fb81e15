"""Fetching and sending can be suspended for a while."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import reconciler.store.columns

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "suspensions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("activity", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=True),
        sa.Column("account_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("reason", reconciler.store.columns.MailText(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("since", reconciler.store.columns.Instant(), nullable=False),
        sa.Column("until", reconciler.store.columns.Instant(), nullable=False),
        sa.Column("ended_at", reconciler.store.columns.Instant(), nullable=True),
        sa.Column("ended_by", sa.String(), nullable=True),
        sa.Column("end_reason", reconciler.store.columns.MailText(), nullable=True),
        sa.ForeignKeyConstraint(["account_key"], ["accounts.key"], name=op.f("fk_suspensions_account_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suspensions")),
    )
