"""Begins a run over a restored store: what may have been sent already waits for a person."""

from __future__ import annotations

from datetime import datetime

import structlog

from reconciler.store.backup import hold_restored
from reconciler.store.database import Store

log = structlog.get_logger()


def begin_restored(store: Store, now: datetime) -> None:
    """Hold all that waits in the outbox, and remember the moment; earlier mails are not passed on by themselves."""
    with store.write() as connection:
        mails = hold_restored(connection, now)
    log.warning("outbox.restored", mails=mails)
