"""Test mails that `reconciler probe` sent: remembered, so that they are known when they come in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, select

from reconciler.store.tables import mails, probes


def remember(connection: Connection, message_id: str, account_key: int, now: datetime) -> None:
    """A test mail with this Message-ID is about to be sent to the account's own address."""
    connection.execute(insert(probes).values(message_id=message_id, account_key=account_key, sent_at=now))


def has_come_in(connection: Connection, message_id: str, account_key: int) -> bool:
    """Whether a running system has taken the test mail from the account's mailbox."""
    query = select(mails.c.id).where(mails.c.message_id == message_id, mails.c.account_key == account_key).limit(1)
    return connection.execute(query).first() is not None
