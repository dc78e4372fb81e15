"""A system account that moves to another mailbox or address: what it leaves drains, what it comes back to goes on.

An account's key stands for one mailbox, because the ledger of what was fetched hangs on it. Whatever an account leaves
keeps a row of its own, `ID~KEY`, which no file can name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, insert, select, update

from reconciler.core.account import AccountType, address_identity
from reconciler.core.clash import stored_mailbox
from reconciler.core.revision import AccountStatus, Slice, canonical
from reconciler.store.tables import accounts, health, referrals

WAITING = exists().where(referrals.c.account_key == accounts.c.key, referrals.c.state == "waiting")
"""Of a row of accounts: externals still have to answer to it."""


@dataclass(frozen=True, slots=True)
class _Move:
    connection: Connection
    unit: str
    revision: int
    now: datetime


def move_accounts(connection: Connection, wanted: Slice, revision: int, now: datetime) -> Mapping[str, datetime]:
    """Before a unit's accounts are written: set aside what its system accounts leave, take back what they return to.

    Returns the floor (the instant that `start: now` means) of each account whose row is to be written anew: when the
    mailbox it leaves was last read, so that a mailbox that moved to another server loses nothing.
    """
    move = _Move(connection, wanted.unit, revision, now)
    stored = {a["id"]: a for a in json.loads(canonical(wanted.document)).get("accounts", [])}
    floors: dict[str, datetime] = {}
    for account in wanted.document.accounts:
        row = _row(move, account.id)
        if row is None or not account.type.is_system or not AccountType(row.type).is_system:
            continue
        config = stored[account.id]
        here, there = stored_mailbox(row.config), stored_mailbox(config)
        if here is not None and there is not None and here != there:
            floors[account.id] = _leave_mailbox(move, row, there)
        elif _address(row.config) != _address(config) and row.waiting:
            _leave_address(move, row)
        _welcome_back(move, account.id, config)
    return floors


def _row(move: _Move, account_id: str) -> Any:
    query = select(accounts, WAITING.label("waiting"))
    return move.connection.execute(query.where(accounts.c.unit == move.unit, accounts.c.id == account_id)).first()


def _leave_mailbox(move: _Move, row: Any, there: tuple[str, str]) -> datetime:
    """The row keeps the mailbox it has; that of an earlier stay at the other one, if there was one, serves again.

    Returns when the mailbox was last read.
    """
    read = select(health.c.succeeded_at).where(health.c.account_key == row.key)
    earlier = [one for one in _left_behind(move, row.id) if stored_mailbox(one.config) == there]
    drains = row.waiting and row.status != AccountStatus.RETIRED
    status = AccountStatus.DRAINING if drains else AccountStatus.RETIRED
    _write(move, row.key, id=f"{row.id}~{row.key}", status=status)
    if earlier:
        _write(move, earlier[-1].key, id=row.id, status=AccountStatus.SERVING)
    last: datetime = move.connection.execute(read).scalar() or row.floor_at
    return last


def _leave_address(move: _Move, row: Any) -> None:
    """The mailbox stays; a row without mails of its own keeps the address, and the referrals that were sent with it."""
    values = {name: value for name, value in row._mapping.items() if name not in ("key", "waiting")}
    written = move.connection.execute(insert(accounts).values(values | {"id": f"{row.id}~~{row.key}"}))
    assert written.inserted_primary_key is not None
    key = int(written.inserted_primary_key[0])
    _write(move, key, id=f"{row.id}~{key}", status=AccountStatus.DRAINING)
    _hand_over(move, row.key, key)


def _welcome_back(move: _Move, account_id: str, config: Mapping[str, Any]) -> None:
    """An address that is offered again need not drain any longer."""
    row = _row(move, account_id)
    if row is None:
        return
    for left in _left_behind(move, account_id):
        same = (stored_mailbox(left.config), _address(left.config)) == (stored_mailbox(config), _address(config))
        if left.status == AccountStatus.DRAINING and same:
            _hand_over(move, left.key, row.key)
            _write(move, left.key, status=AccountStatus.RETIRED)


def _left_behind(move: _Move, account_id: str) -> list[Any]:
    """What an account has left so far, the oldest first."""
    query = select(accounts).where(accounts.c.unit == move.unit, accounts.c.id.startswith(f"{account_id}~"))
    return list(move.connection.execute(query.order_by(accounts.c.since, accounts.c.key)))


def _write(move: _Move, key: int, **values: Any) -> None:
    row = update(accounts).where(accounts.c.key == key)
    move.connection.execute(row.values(since=move.now, revision_id=move.revision, **values))


def _hand_over(move: _Move, key: int, to: int) -> None:
    waiting = update(referrals).where(referrals.c.account_key == key, referrals.c.state == "waiting")
    move.connection.execute(waiting.values(account_key=to))


def _address(config: Mapping[str, Any]) -> str:
    return address_identity(str(config.get("address", "")))
