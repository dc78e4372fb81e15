"""How the fetched mails of a step are made durable: together, or one by one where the store refuses one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from reconciler.core.errors import ReconcilerError
from reconciler.core.fetch import Fetched
from reconciler.runtime.asking import Asking, write
from reconciler.runtime.cursor import Told
from reconciler.store import ledger


def store(account_key: int, mails: Sequence[Fetched], now: datetime, told: Told) -> Asking[Mapping[str, str]]:
    """Make these mails durable; what the store refuses of them, by UID, with the reason: all others are durable.

    Raises Unavailable if the store takes nothing now.
    """
    try:
        yield from write(_storing(account_key, mails, now, told))
    except ReconcilerError:
        raise
    except Exception as error:
        if len(mails) == 1:
            return {mails[0].uid: _reason(error)}
    else:
        return {}
    refused: dict[str, str] = {}
    for mail in mails:
        refused.update((yield from store(account_key, [mail], now, told)))
    return refused


def _storing(account_key: int, mails: Sequence[Fetched], now: datetime, told: Told) -> Callable[[Connection], None]:
    after_fetch, move_to = told
    arrived = [ledger.Arrived(account_key, mail, now, after_fetch, move_to) for mail in mails]
    return lambda connection: ledger.store_mails(connection, arrived)


def _reason(error: Exception) -> str:
    """Why, without the statement's values, which SQLAlchemy puts into its texts."""
    if isinstance(error, DBAPIError):
        return f"{type(error).__name__}: {error.orig}"
    return type(error).__name__
