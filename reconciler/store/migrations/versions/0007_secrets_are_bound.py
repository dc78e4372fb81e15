"""Secrets are bound to where they are sent; those in use to where the accounts applied so far send them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_PORTS = {
    "imap": {"tls": 993, "starttls": 143, "none": 143},
    "pop3": {"tls": 995, "starttls": 110, "none": 110},
    "smtp": {"tls": 465, "starttls": 587, "none": 25},
}


def upgrade() -> None:
    op.create_table(
        "bindings",
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("security", sa.String(), nullable=False),
        sa.Column("revision_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["revision_id"], ["revisions.id"], name=op.f("fk_bindings_revision_id")),
        sa.PrimaryKeyConstraint("unit", "secret", "host", "port", "username", name=op.f("pk_bindings")),
    )
    connection = op.get_bind()
    used = sa.text("SELECT unit, config, revision_id FROM accounts ORDER BY key")
    bound = {
        (row.unit, *place): {"security": security, "revision_id": row.revision_id}
        for row in connection.execute(used)
        for place, security in _places(json.loads(row.config))
    }
    names = ("unit", "secret", "host", "port", "username")
    rows = [dict(zip(names, place, strict=True)) | values for place, values in bound.items()]
    if rows:
        columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in (*names, "security", "revision_id")]
        connection.execute(sa.insert(sa.table("bindings", *columns)), rows)


def _places(config: dict[str, Any]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Secret, host, port and login name of each block with a password; blocks of plug-ins are bound when next used."""
    for name, ports in _PORTS.items():
        block = config.get(name)
        secret = ((block or {}).get("password") or {}).get("secret")
        if block and secret:
            security = block.get("security", "tls")
            port = block.get("port") or ports[security]
            yield (secret, block["host"].lower(), port, block.get("username") or ""), security
