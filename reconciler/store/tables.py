"""The tables, one per noun; what each row means, and which uniqueness is a promise rather than a convenience."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    false,
    text,
)

from reconciler.store.columns import Compressed, Instant, Json, MailText

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only for a column of the very type INTEGER.
Key = BigInteger().with_variant(Integer, "sqlite")

meta = Table(
    "meta",
    metadata,
    Column("name", String, primary_key=True, comment="instance: this installation's id in Message-IDs"),
    Column("value", String, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False, comment="what the holder calls itself: run, apply, fetch, send"),
    Column("host", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_start", String, nullable=False, comment="tells a reused pid from the holder"),
    Column("fence", Integer, nullable=False, comment="grows with every new holder"),
    Column("expires_at", Instant, nullable=False),
)

revisions = Table(
    "revisions",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("unit", String, nullable=False, index=True),
    Column("digest", String(64), nullable=False),
    Column("document", Json, nullable=False, comment="canonical form, defaults left out"),
    Column("source", String, nullable=False),
    Column("commit", String),
    Column("author", String),
    Column("committed_at", Instant),
    Column("applied_at", Instant, nullable=False),
    Column("retired", Boolean, nullable=False, default=False),
)

units = Table(
    "units",
    metadata,
    Column("unit", String, primary_key=True),
    Column("revision_id", ForeignKey("revisions.id"), comment="None: never applied"),
    Column("sync", String, nullable=False, comment="see core.status.Sync"),
    Column("reason", MailText, nullable=False, default=""),
    Column("since", Instant, nullable=False),
    Column("attempted_digest", String(64), comment="what was last tried; differs from the applied one while held"),
    Column("attempted_at", Instant),
)

acks = Table(
    "acks",
    metadata,
    Column("digest", String(64), primary_key=True, comment="of the plan of one unit that a guard blocked"),
    Column("reason", MailText, nullable=False),
    Column("by", String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("revision_id", ForeignKey("revisions.id"), comment="the revision it let pass; None: not used yet"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("unit", String, nullable=False),
    Column("id", String, nullable=False),
    Column("type", String, nullable=False),
    Column("status", String, nullable=False, comment="serving, draining, retired"),
    Column("config", Json, nullable=False, comment="the account as applied, defaults left out"),
    Column("revision_id", ForeignKey("revisions.id"), nullable=False),
    Column("since", Instant, nullable=False, comment="of the status"),
    Column("floor_at", Instant, nullable=False, comment="the instant that `start: now` means"),
    Column("file", String, nullable=False),
    Column("line", Integer, nullable=False),
    Column("column", Integer, nullable=False),
    UniqueConstraint("unit", "id"),
)

bindings = Table(
    "bindings",
    metadata,
    Column("unit", String, nullable=False),
    Column("secret", String, nullable=False),
    Column("host", String, nullable=False),
    Column("port", Integer, nullable=False),
    Column("username", String, nullable=False),
    Column("security", String, nullable=False, comment="the protection it was last sent with"),
    Column("min_tls", String, nullable=False, server_default="1.2"),
    Column("trust", String, nullable=False, server_default="", comment="digest of own authorities and pins"),
    Column("revision_id", ForeignKey("revisions.id"), nullable=False),
    PrimaryKeyConstraint("unit", "secret", "host", "port", "username"),
)

health = Table(
    "health",
    metadata,
    Column("account_key", ForeignKey("accounts.key"), primary_key=True),
    Column("condition", String, nullable=False),
    Column("reason", MailText, nullable=False, default=""),
    Column("since", Instant, nullable=False),
    Column("attempted_at", Instant),
    Column("succeeded_at", Instant),
    Column("backlog", Integer, nullable=False, default=0),
    Column("next_at", Instant, comment="when `run` is to serve it next; None: nothing is scheduled"),
)

sending = Table(
    "sending",
    metadata,
    Column("account_key", ForeignKey("accounts.key"), primary_key=True),
    Column("condition", String, nullable=False, comment="of the submission server"),
    Column("reason", MailText, nullable=False, default=""),
    Column("since", Instant, nullable=False),
    Column("attempted_at", Instant),
    Column("succeeded_at", Instant),
)

probes = Table(
    "probes",
    metadata,
    Column("message_id", String, primary_key=True, comment="of a test mail that is to be discarded when it arrives"),
    Column("account_key", ForeignKey("accounts.key"), nullable=False),
    Column("sent_at", Instant, nullable=False),
)

folders = Table(
    "folders",
    metadata,
    Column("account_key", ForeignKey("accounts.key"), nullable=False),
    Column("folder", String, nullable=False),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("first_contact_at", Instant, nullable=False),
    Column("left_behind", Compressed, nullable=False, comment="UIDs the start rule left on the server, one a line"),
    PrimaryKeyConstraint("account_key", "folder"),
)

copy_marks = Table(
    "copy_marks",
    metadata,
    Column("account_key", ForeignKey("accounts.key"), nullable=False),
    Column("folder", String, nullable=False, comment="mails are copied from here, by servers without MOVE"),
    Column("move_to", String, nullable=False),
    Column("uidvalidity", BigInteger, nullable=False, comment="of move_to"),
    Column("next_uid", BigInteger, nullable=False, comment="of move_to, before the first copy that may be uncertain"),
    PrimaryKeyConstraint("account_key", "folder", "move_to"),
)

resyncs = Table(
    "resyncs",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("account_key", ForeignKey("accounts.key"), nullable=False, index=True),
    Column("folder", String, nullable=False),
    Column("uidvalidity_was", BigInteger, nullable=False),
    Column("uidvalidity_now", BigInteger, nullable=False),
    Column("matched", Integer, nullable=False, comment="mails that were known"),
    Column("unknown", Integer, nullable=False),
    Column("decision", String, nullable=False, comment="matched: nobody had to decide; adopt, fetch-unknown"),
    Column("reason", MailText, nullable=False),
    Column("by", String, nullable=False),
    Column("at", Instant, nullable=False),
)

mails = Table(
    "mails",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("account_key", ForeignKey("accounts.key"), nullable=False),
    Column("folder", String, nullable=False),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("uid", String, nullable=False, comment="UID@UIDVALIDITY#id once the server gives it to another mail"),
    Column("received_at", Instant, nullable=False),
    Column("internal_date", Instant),
    Column("size", Integer, nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("after_fetch", String, nullable=False, comment="what the server was to be told when this mail was stored"),
    Column("move_to", String),
    Column("acknowledged_at", Instant, comment="None: the server has still to be told"),
    Column("state", String, nullable=False, comment="received, routed, held"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("attempted_by", String, comment="the boot that counted the last attempt"),
    Column("interruptions", Integer, nullable=False, default=0, comment="attempts that ended with the whole program"),
    Column("routed_at", Instant),
    Column("tenant", String),
    Column("kind", String),
    Column("case_id", ForeignKey("cases.id")),
    Column("referral_id", ForeignKey("referrals.id")),
    Column("message_id", MailText),
    Column("sender", MailText),
    Column("subject", MailText),
    Column("decision", Json, comment="evidence, rules hit and missed, effects, the revision followed"),
    Column("erased_at", Instant, comment="when retention or erasure took its words"),
    UniqueConstraint("account_key", "folder", "uidvalidity", "uid"),
    Index(
        "ix_mails_waiting",
        "attempts",
        "id",
        sqlite_where=text("state = 'received'"),
    ),
    Index(
        "ix_mails_unacknowledged",
        "account_key",
        sqlite_where=text("acknowledged_at IS NULL"),
    ),
    Index("ix_mails_tenant_message_id", "tenant", "message_id"),
    Index("ix_mails_case_id", "case_id"),
)

raw_mails = Table(
    "raw_mails",
    metadata,
    Column("mail_id", ForeignKey("mails.id"), primary_key=True),
    Column("data", Compressed, nullable=False),
)

cases = Table(
    "cases",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("tenant", String, nullable=False),
    Column("account_key", ForeignKey("accounts.key"), nullable=False, comment="the inbound account it came in on"),
    Column("subject", MailText, nullable=False),
    Column("state", String, nullable=False, comment="open, closed"),
    Column("customer_name", MailText, nullable=False),
    Column("customer_address", MailText, nullable=False),
    Column("queue", String),
    Column("agent", String),
    Column("priority", String, nullable=False, default="normal"),
    Column("tags", Json, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("erased_at", Instant, comment="when retention or erasure took its words"),
    Index("ix_cases_tenant_state", "tenant", "state"),
)

entries = Table(
    "entries",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("kind", String, nullable=False, comment="see core.case.EntryKind"),
    Column("at", Instant, nullable=False),
    Column("author", MailText, nullable=False),
    Column("text", MailText, nullable=False),
    Column("mail_id", ForeignKey("mails.id")),
    Column("outbox_id", ForeignKey("outbox.id")),
    Column("referral_id", ForeignKey("referrals.id")),
)

referrals = Table(
    "referrals",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("tenant", String, nullable=False),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("kind", String, nullable=False, comment="forward, inquiry"),
    Column("state", String, nullable=False, comment="see core.referral.MOVES"),
    Column("contact_name", MailText, nullable=False),
    Column("contact_address", MailText, nullable=False),
    Column("agent", String, nullable=False),
    Column(
        "account_key", ForeignKey("accounts.key"), nullable=False, comment="the system account that takes the answer"
    ),
    Column("target_name", MailText, nullable=False, comment="to whom the answer goes: frozen when it was asked"),
    Column("target_address", MailText, nullable=False),
    Column("answer_from", String, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("answered_at", Instant),
    Column("out_of_office_until", String, comment="a date, `unknown`, or None if nobody is away"),
    Column("late", Boolean, nullable=False, default=False, server_default=false()),
    Column("reminders", Integer, nullable=False, default=0),
    Column("reminded_at", Instant),
    Column("group_id", Key, comment="the first referral of those that one command asked; itself for one alone"),
    Column("trouble", MailText, comment="why it bounced"),
    Column("escalated_at", Instant, comment="when the case went to another queue because nobody answered"),
    Index("ix_referrals_tenant_state", "tenant", "state"),
    Index("ix_referrals_account_key_state", "account_key", "state"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False, comment="63 random bits"),
    Column("tenant", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("case_id", ForeignKey("cases.id"), nullable=False),
    Column("referral_id", ForeignKey("referrals.id")),
    Column("contact", MailText, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

effects = Table(
    "effects",
    metadata,
    Column("referral_id", ForeignKey("referrals.id"), nullable=False),
    Column("effect", String, nullable=False),
    Column("fingerprint", String(64), nullable=False, comment="of Message-ID, From, Date and body"),
    Column("mail_id", ForeignKey("mails.id"), nullable=False),
    PrimaryKeyConstraint("referral_id", "effect", "fingerprint"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("tenant", String, nullable=False),
    Column("account_key", ForeignKey("accounts.key"), nullable=False, comment="through whose smtp it goes"),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("referral_id", ForeignKey("referrals.id")),
    Column("purpose", String, nullable=False, comment="forward, relay, reply"),
    Column(
        "revision_id", ForeignKey("revisions.id"), nullable=False, comment="the tenant's revision it was written under"
    ),
    Column("mail_from", String, nullable=False, comment="envelope sender"),
    Column("recipient", String, nullable=False),
    Column(
        "recipient_key", String, comment="lower case without subaddress; None of mails that are older than the column"
    ),
    Column("message_id", String, nullable=False, unique=True),
    Column("subject", MailText, nullable=False),
    Column("state", String, nullable=False, comment="see core.outbox.OutboxState"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_at", Instant, nullable=False),
    Column("claimed_by", String, comment="the boot that is sending it"),
    Column("possibly_twice", Boolean, nullable=False, default=False, server_default=false()),
    Column("answer", MailText, comment="the server's last words"),
    Column("bounced", MailText, comment="what a bounce said of it after it was accepted"),
    Column("created_at", Instant, nullable=False),
    Column("attempted_at", Instant, comment="of the last try, for the account's rate"),
    Column("sent_at", Instant),
    Index("ix_outbox_recipient_key_created_at", "recipient_key", "created_at"),
    Index("ix_outbox_account_key_attempted_at", "account_key", "attempted_at"),
    Index(
        "ix_outbox_due",
        "account_key",
        "next_at",
        sqlite_where=text("state = 'queued'"),
    ),
)

outbox_data = Table(
    "outbox_data",
    metadata,
    Column("outbox_id", ForeignKey("outbox.id"), primary_key=True),
    Column("data", Compressed, nullable=False),
)

held = Table(
    "held",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("mail_id", ForeignKey("mails.id"), nullable=False),
    Column("tenant", String, comment="None: for the operators"),
    Column("reason", String, nullable=False),
    Column("detail", MailText, nullable=False),
    Column("since", Instant, nullable=False),
    Column("resolution", String, comment="None while it waits for a person"),
    Column("resolved_at", Instant),
    Column("resolved_by", String),
)
