"""What an account's own bounds leave of the mails a step would take; remembered with the account's cursor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from reconciler.core import pace
from reconciler.core.account import Account
from reconciler.core.fetch import Fetched, Listed
from reconciler.core.pace import Bounds
from reconciler.runtime.asking import Asking, read
from reconciler.runtime.cursor import Cursor
from reconciler.store import ledger


def bounds_of(account: Account) -> Bounds:
    """The account's bounds."""
    return Bounds(account.bytes_per_day, account.messages_per_second)


def paced(
    account_key: int, bounds: Bounds, cursor: Cursor, mails: Sequence[Listed], now: datetime
) -> Asking[Sequence[Listed]]:
    """As many of these mails, from the first, as may be taken now; what keeps the others stands in the cursor."""
    if not bounds or not mails:
        return mails
    if cursor.pace is None:
        since = pace.midnight_before(now)
        taken = yield from read(partial(ledger.bytes_since, account_key=account_key, since=since))
        cursor.pace = pace.begin(bounds, taken, now)
    allowance = pace.allowed(bounds, cursor.pace, [mail.size or 0 for mail in mails], now)
    if allowance.pause is not None and (cursor.pause is None or allowance.pause.until > cursor.pause.until):
        cursor.pause = allowance.pause
    return mails[: allowance.mails]


def count(bounds: Bounds, cursor: Cursor, mails: Sequence[Fetched], now: datetime) -> None:
    """These were fetched, whatever becomes of them."""
    if cursor.pace is not None:
        cursor.pace = pace.after(bounds, cursor.pace, len(mails), sum(len(mail.raw) for mail in mails), now)
