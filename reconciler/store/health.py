"""How each account's mail servers last behaved, as fetching and sending saw them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Table, insert, select, update

from reconciler.core.health import Condition
from reconciler.store.tables import health, sending


def write_health(
    connection: Connection, account_key: int, condition: Condition, reason: str, backlog: int | None, now: datetime
) -> None:
    """Write how a step went; `since` stays while the condition does. `backlog` None: unknown, the last one stays."""
    _write(connection, health, account_key, condition, reason, now, {} if backlog is None else {"backlog": backlog})


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
