"""How many mails of each account were stored lately, counted in the ledger itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from reconciler.store.tables import mails

_LAG = timedelta(minutes=1)
"""By how much mails of different accounts may stand in another order than they came: a step's time, with room."""


def stored_since(connection: Connection, since: datetime, now: datetime) -> Mapping[int, int]:
    """The number of mails by account key that were stored from `since` to `now`; accounts without one are left out.

    Mails get their ids in the order they are stored, so this reads from the newest backwards and touches the mails of
    the span alone, however many there are. No index on the instant is needed, which every mail would pay for.
    """
    older = select(mails.c.id).where(mails.c.received_at < since - _LAG).order_by(mails.c.id.desc()).limit(1)
    last = connection.execute(older).scalar()
    # A sum instead of the column: SQLite would walk a whole index to have the groups in order.
    key = (mails.c.account_key + 0).label("key")
    query = (
        select(key, func.count())
        .where(mails.c.id > (last or 0), mails.c.received_at >= since, mails.c.received_at <= now)
        .group_by(key)
    )
    return {row[0]: row[1] for row in connection.execute(query)}
