"""Recipients are counted; rules' errands, exceptions and the audit have tables; what was erased says so."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from reconciler.store.columns import Instant, Json, MailText

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _key() -> sa.BigInteger:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("referrals", sa.Column("escalated_at", Instant(), nullable=True))
    op.add_column("outbox", sa.Column("recipient_key", sa.String(), nullable=True))
    op.create_index("ix_outbox_recipient_key_created_at", "outbox", ["recipient_key", "created_at"])
    op.add_column("mails", sa.Column("erased_at", Instant(), nullable=True))
    op.add_column("cases", sa.Column("erased_at", Instant(), nullable=True))
    op.create_table(
        "exceptions",
        sa.Column("id", _key(), autoincrement=True, nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("contact", MailText(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("mail_id", _key(), nullable=True),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["mail_id"], ["mails.id"], name=op.f("fk_exceptions_mail_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exceptions")),
        sa.UniqueConstraint("tenant", "contact", "kind", name=op.f("uq_exceptions_tenant_contact_kind")),
    )
    op.create_table(
        "errands",
        sa.Column("id", _key(), autoincrement=True, nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("case_id", _key(), nullable=False),
        sa.Column("mail_id", _key(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("detail", Json(), nullable=False),
        sa.Column("hop", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("done_at", Instant(), nullable=True),
        sa.Column("outcome", MailText(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_errands_case_id")),
        sa.ForeignKeyConstraint(["mail_id"], ["mails.id"], name=op.f("fk_errands_mail_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_errands")),
    )
    op.create_index("ix_errands_done_at", "errands", ["done_at"])
    op.create_table(
        "audit",
        sa.Column("id", _key(), autoincrement=True, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=True),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("reason", MailText(), nullable=False),
        sa.Column("detail", Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_tenant_at", "audit", ["tenant", "at"])
