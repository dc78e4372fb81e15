"""Where copies began is remembered, so that what was copied before a crash is not copied again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "copy_marks",
        sa.Column("account_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("folder", sa.String(), nullable=False),
        sa.Column("move_to", sa.String(), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("next_uid", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_key"], ["accounts.key"], name=op.f("fk_copy_marks_account_key")),
        sa.PrimaryKeyConstraint("account_key", "folder", "move_to", name=op.f("pk_copy_marks")),
    )
