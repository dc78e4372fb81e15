"""A binding knows the version of TLS and the certificates that were trusted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("bindings", sa.Column("min_tls", sa.String(), nullable=False, server_default="1.2"))
    op.add_column("bindings", sa.Column("trust", sa.String(), nullable=False, server_default=""))
