"""How each account's mail servers last behaved, as fetching and sending saw them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, Table, insert, select, update

from reconciler.core.health import Condition
from reconciler.store.tables import health, sending


def write_health(
    connection: Connection,
    account_key: int,
    condition: Condition,
    reason: str,
    backlog: int | None,
    now: datetime,
    next_at: datetime | None = None,
) -> None:
    """Write how a step went and when the next one is due; `since` stays while the condition does.

    `backlog` or `next_at` None: unknown, the last one stays.
    """
    more: dict[str, object] = {"backlog": backlog, "next_at": next_at}
    known = {name: value for name, value in more.items() if value is not None}
    _write(connection, health, account_key, condition, reason, now, known)


def clear_next_steps(connection: Connection, account_keys: Collection[int] | None) -> None:
    """No step of these accounts is due; None: of no account."""
    statement = update(health).where(health.c.next_at.is_not(None)).values(next_at=None)
    if account_keys is None:
        connection.execute(statement)
        return
    for key in account_keys:
        connection.execute(statement.where(health.c.account_key == key))


def write_sending(connection: Connection, account_key: int, condition: Condition, reason: str, now: datetime) -> None:
    """Write how the account's submission server behaved; `since` stays while the condition does."""
    _write(connection, sending, account_key, condition, reason, now, {})


def _write(
    connection: Connection,
    table: Table,
    account_key: int,
    condition: Condition,
    reason: str,
    now: datetime,
    more: dict[str, object],
) -> None:
    row = connection.execute(select(table.c.condition).where(table.c.account_key == account_key)).first()
    values = {"condition": condition.value, "reason": reason, "attempted_at": now, **more}
    if condition is Condition.OK:
        values["succeeded_at"] = now
    if row is None:
        connection.execute(insert(table).values(account_key=account_key, since=now, **values))
        return
    if row.condition != condition.value:
        values["since"] = now
    connection.execute(update(table).where(table.c.account_key == account_key).values(**values))
