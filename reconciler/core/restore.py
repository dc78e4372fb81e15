"""Which mails may have had their effects already when a store is restored from a backup; knows no store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from reconciler.core.head import Head

CLOCKS_DIFFER = timedelta(minutes=5)
"""Servers' clocks may be ahead of ours by so much: the first minutes after a restore count as before it."""


def arrival(internal_date: datetime | None, head: Head) -> datetime | None:
    """When the mail came to its mailbox, as its server says: INTERNALDATE, or the topmost Received (RFC 5321 4.4).

    None if the server says nothing. The mail's own Date is its author's word and does not count.
    """
    if internal_date is not None:
        return internal_date
    stamp = (head.first("received") or "").rpartition(";")[2].strip()
    try:
        found = parsedate_to_datetime(stamp[:200])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def predates(arrived: datetime | None, restored_at: datetime | None) -> bool:
    """Whether a mail that came then may have been handled before the store was restored at `restored_at`."""
    if restored_at is None:
        return False
    return arrived is None or arrived < restored_at + CLOCKS_DIFFER
