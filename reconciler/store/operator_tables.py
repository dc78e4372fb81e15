"""The tables of what operators and owners do with tenants: suspensions, and what owners were told."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, String, Table

from reconciler.store.columns import Compressed, Instant, MailText
from reconciler.store.oversight_tables import metadata
from reconciler.store.tables import Key

__all__ = ["metadata", "notices", "rollbacks", "suspensions", "told"]

told = Table(
    "told",
    metadata,
    Column("unit", String, primary_key=True),
    Column("state", String, nullable=False, comment="as its owners know it: applied, retired, held, blocked"),
    Column("revision_id", ForeignKey("revisions.id"), comment="None: none ran"),
    Column("detail", String, nullable=False, comment="tells one set of errors, or one blocked plan, from another"),
)

notices = Table(
    "notices",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("account_key", ForeignKey("accounts.key"), nullable=False, comment="through whose smtp it goes"),
    Column("mail_from", String, nullable=False),
    Column("recipient", String, nullable=False, comment="an owner of a tenant"),
    Column("data", Compressed, nullable=False),
    Column("state", String, nullable=False, comment="queued, sent, failed"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_at", Instant, nullable=False),
    Column("answer", MailText, comment="the server's last words"),
    Column("created_at", Instant, nullable=False),
    Column("sent_at", Instant),
)

rollbacks = Table(
    "rollbacks",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("unit", String, nullable=False),
    Column("revision_id", ForeignKey("revisions.id"), nullable=False, comment="that runs instead of the files"),
    Column("files", String, nullable=False, comment="what the files said: a digest, held or gone"),
    Column("reason", MailText, nullable=False),
    Column("by", String, nullable=False),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False, comment="it ends by itself; rows stay as the history"),
    Column("ended_at", Instant, comment="None: nobody, and no change of the files, ended it before its time"),
    Column("ended_by", String),
    Column("end_reason", MailText),
)

suspensions = Table(
    "suspensions",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("activity", String, nullable=False, comment="fetching, sending"),
    Column("unit", String, comment="None: everything"),
    Column("account_key", ForeignKey("accounts.key"), comment="None: the whole unit"),
    Column("reason", MailText, nullable=False),
    Column("by", String, nullable=False),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False, comment="it ends by itself; rows stay as the history"),
    Column("ended_at", Instant, comment="None: nobody ended it before its time"),
    Column("ended_by", String),
    Column("end_reason", MailText),
)
