"""Owners of tenants are told what applying came to; what runs already is no news."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import reconciler.store.columns

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "told",
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("revision_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("detail", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["revision_id"], ["revisions.id"], name=op.f("fk_told_revision_id")),
        sa.PrimaryKeyConstraint("unit", name=op.f("pk_told")),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("account_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("mail_from", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("data", reconciler.store.columns.Compressed(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", reconciler.store.columns.Instant(), nullable=False),
        sa.Column("answer", reconciler.store.columns.MailText(), nullable=True),
        sa.Column("created_at", reconciler.store.columns.Instant(), nullable=False),
        sa.Column("sent_at", reconciler.store.columns.Instant(), nullable=True),
        sa.ForeignKeyConstraint(["account_key"], ["accounts.key"], name=op.f("fk_notices_account_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    op.execute(
        "INSERT INTO told (unit, state, revision_id, detail) "
        "SELECT unit, 'applied', revision_id, '' FROM units WHERE revision_id IS NOT NULL"
    )
