"""Referrals are reminded and grouped; outgoing mails remember a bounce."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import reconciler.store.columns

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("referrals", sa.Column("reminded_at", reconciler.store.columns.Instant(), nullable=True))
    op.add_column(
        "referrals", sa.Column("group_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True)
    )
    op.execute("UPDATE referrals SET group_id = id")
    op.add_column("outbox", sa.Column("bounced", reconciler.store.columns.MailText(), nullable=True))
