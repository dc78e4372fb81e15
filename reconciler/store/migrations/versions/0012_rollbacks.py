"""An earlier revision of a tenant can run for a while although its files say otherwise."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import reconciler.store.columns

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rollbacks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("revision_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("files", sa.String(), nullable=False),
        sa.Column("reason", reconciler.store.columns.MailText(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("since", reconciler.store.columns.Instant(), nullable=False),
        sa.Column("until", reconciler.store.columns.Instant(), nullable=False),
        sa.Column("ended_at", reconciler.store.columns.Instant(), nullable=True),
        sa.Column("ended_by", sa.String(), nullable=True),
        sa.Column("end_reason", reconciler.store.columns.MailText(), nullable=True),
        sa.ForeignKeyConstraint(["revision_id"], ["revisions.id"], name=op.f("fk_rollbacks_revision_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollbacks")),
    )
