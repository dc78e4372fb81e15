"""The tables of what people and rules asked for beside the mails: exceptions, errands, the audit, branches."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from reconciler.store.columns import Instant, Json, MailText
from reconciler.store.tables import metadata

__all__ = ["audit", "errands", "exceptions", "heads", "metadata", "rewrites"]

# SQLite numbers rows by itself only for a column of the very type INTEGER.
_KEY = BigInteger().with_variant(Integer, "sqlite")

exceptions = Table(
    "exceptions",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("tenant", String, nullable=False),
    Column("contact", MailText, nullable=False, comment="the address in lower case without subaddress"),
    Column("kind", String, nullable=False, comment="notification, list"),
    Column("mail_id", ForeignKey("mails.id"), comment="the held mail a person looked at"),
    Column("by", String, nullable=False),
    Column("at", Instant, nullable=False),
    UniqueConstraint("tenant", "contact", "kind"),
)

errands = Table(
    "errands",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("tenant", String, nullable=False),
    Column("case_id", ForeignKey("cases.id"), nullable=False),
    Column("mail_id", ForeignKey("mails.id"), nullable=False, comment="the mail whose rule asked for it"),
    Column("rule", String, nullable=False),
    Column("kind", String, nullable=False, comment="notify, refer"),
    Column("detail", Json, nullable=False, comment="what the rule says"),
    Column("hop", Integer, nullable=False, comment="how many mails came before by themselves"),
    Column("created_at", Instant, nullable=False),
    Column("done_at", Instant, comment="None: still to do"),
    Column("outcome", MailText, comment="why it was not done; None if it was"),
    Index("ix_errands_done_at", "done_at"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("by", String, nullable=False, comment="a person, or `system` for what the tenant's settings ask"),
    Column("act", String, nullable=False, comment="see core.audit.Act"),
    Column("tenant", String, comment="None: the operators' own"),
    Column("subject", String, nullable=False, comment="H4, M12, C17, or how many"),
    Column("reason", MailText, nullable=False, default=""),
    Column("detail", Json, nullable=False),
    Index("ix_audit_tenant_at", "tenant", "at"),
)

heads = Table(
    "heads",
    metadata,
    Column("source", String, primary_key=True, comment="URL, branch and folder, without credentials"),
    Column("commit", String, nullable=False, comment="the head that was followed last"),
    Column("at", Instant, nullable=False),
)

rewrites = Table(
    "rewrites",
    metadata,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("commit", String, nullable=False, comment="may be followed though it does not descend from the last head"),
    Column("reason", MailText, nullable=False),
    Column("by", String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("used_at", Instant, comment="None: not yet; it is good for once"),
)
