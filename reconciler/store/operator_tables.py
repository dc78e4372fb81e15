"""The tables of what operators and owners do with tenants: suspensions, requests, and what owners were told."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, String, Table

from reconciler.store.columns import Compressed, Instant, Json, MailText
from reconciler.store.oversight_tables import metadata
from reconciler.store.tables import Key

__all__ = ["fetch_requests", "metadata", "notices", "rollbacks", "suspensions", "told"]

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

fetch_requests = Table(
    "fetch_requests",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("batch", String(16), nullable=False, comment="of one command, which takes its rows away again"),
    Column("account_key", ForeignKey("accounts.key"), nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("seen_at", Instant, comment="when the running process took it up"),
    Column("answer", Json, comment="the step that it had, as core.fetch.StepLine; None: not yet"),
    # Rows go as they come: whoever knows that 7 was answered must not take a later one for it.
    sqlite_autoincrement=True,
)
