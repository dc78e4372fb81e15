"""An acknowledgement remembers the revision it let pass; after that it lets nothing pass any more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("acks") as table:
        table.add_column(sa.Column("revision_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite")))
        table.create_foreign_key(op.f("fk_acks_revision_id"), "revisions", ["revision_id"], ["id"])
