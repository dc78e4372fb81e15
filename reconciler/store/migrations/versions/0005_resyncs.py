"""What was decided when a folder's UIDs were given out anew is remembered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import reconciler.store.columns

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "resyncs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("account_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("folder", sa.String(), nullable=False),
        sa.Column("uidvalidity_was", sa.BigInteger(), nullable=False),
        sa.Column("uidvalidity_now", sa.BigInteger(), nullable=False),
        sa.Column("matched", sa.Integer(), nullable=False),
        sa.Column("unknown", sa.Integer(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("reason", reconciler.store.columns.MailText(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", reconciler.store.columns.Instant(), nullable=False),
        sa.ForeignKeyConstraint(["account_key"], ["accounts.key"], name=op.f("fk_resyncs_account_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resyncs")),
    )
    op.create_index("ix_resyncs_account_key", "resyncs", ["account_key"])
