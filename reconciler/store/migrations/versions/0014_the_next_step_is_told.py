"""When an account is to be served next stands with its health."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import reconciler.store.columns

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("health", sa.Column("next_at", reconciler.store.columns.Instant(), nullable=True))
