"""How each account's mail server last behaved, as the fetch engine saw it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from reconciler.core.health import Condition
from reconciler.store.tables import health


def write_health(
    connection: Connection, account_key: int, condition: Condition, reason: str, backlog: int | None, now: datetime
) -> None:
    """Write how a step went; `since` stays while the condition does. `backlog` None: unknown, the last one stays."""
    row = connection.execute(select(health.c.condition).where(health.c.account_key == account_key)).first()
    values: dict[str, object] = {"condition": condition.value, "reason": reason, "attempted_at": now}
    if condition is Condition.OK:
        values["succeeded_at"] = now
    if backlog is not None:
        values["backlog"] = backlog
    if row is None:
        connection.execute(insert(health).values(account_key=account_key, since=now, **values))
        return
    if row.condition != condition.value:
        values["since"] = now
    connection.execute(update(health).where(health.c.account_key == account_key).values(**values))
