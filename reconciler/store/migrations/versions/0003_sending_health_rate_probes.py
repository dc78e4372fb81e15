"""Sending has a health of its own; tries are dated for the account's rate; test mails are remembered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import reconciler.store.columns

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox", sa.Column("attempted_at", reconciler.store.columns.Instant(), nullable=True))
    op.create_index("ix_outbox_account_key_attempted_at", "outbox", ["account_key", "attempted_at"])
    op.create_table(
        "sending",
        sa.Column("account_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("condition", sa.String(), nullable=False),
        sa.Column("reason", reconciler.store.columns.MailText(), nullable=False),
        sa.Column("since", reconciler.store.columns.Instant(), nullable=False),
        sa.Column("attempted_at", reconciler.store.columns.Instant(), nullable=True),
        sa.Column("succeeded_at", reconciler.store.columns.Instant(), nullable=True),
        sa.ForeignKeyConstraint(["account_key"], ["accounts.key"], name=op.f("fk_sending_account_key")),
        sa.PrimaryKeyConstraint("account_key", name=op.f("pk_sending")),
    )
    op.create_table(
        "probes",
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("account_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sent_at", reconciler.store.columns.Instant(), nullable=False),
        sa.ForeignKeyConstraint(["account_key"], ["accounts.key"], name=op.f("fk_probes_account_key")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_probes")),
    )
