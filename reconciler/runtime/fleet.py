"""The accounts that are fetched now, read from the applied state and swapped whole when a revision is applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from reconciler.core.account import Account
from reconciler.core.clash import mailbox_identity
from reconciler.core.errors import Invalid
from reconciler.core.registry import Registry
from reconciler.core.revision import AccountStatus, AppliedState
from reconciler.store.applied import read_applied
from reconciler.store.tables import accounts


@dataclass(frozen=True, slots=True)
class FetchAccount:
    """An account to fetch: its identity for life, its settings, and the instant `start: now` means."""

    key: int
    unit: str
    account: Account
    floor_at: datetime

    @property
    def tenant(self) -> str | None:
        """The tenant; None for a main account."""
        return None if self.unit == "main" else self.unit

    @property
    def label(self) -> str:
        """`unit/id`, as people write it."""
        return f"{self.unit}/{self.account.id}"

    @property
    def connection(self) -> tuple[Any, ...]:
        """What an open connection depends on; when it changes the connection is made anew."""
        return (self.account.protocol, self.account.block)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The accounts of one applied state, by key."""

    state: AppliedState
    accounts: Mapping[int, FetchAccount]


def read_fleet(connection: Connection, registry: Registry, state: AppliedState | None = None) -> Fleet:
    """The accounts to fetch: those that serve and are enabled, and those that drain.

    `state` is what is applied, if it has just been read. An address that drains may share its mailbox with an account
    that serves; a mailbox is fetched once.
    """
    state = state or read_applied(connection, registry)
    floors = {row.key: row.floor_at for row in connection.execute(select(accounts.c.key, accounts.c.floor_at))}
    serving = [a for a in state.accounts.values() if a.status is AccountStatus.SERVING and a.account.enabled]
    read = {mailbox_identity(a.account) for a in serving} - {None}
    draining = (a for a in state.accounts.values() if a.status is AccountStatus.DRAINING)
    fetched = [*serving, *(a for a in draining if mailbox_identity(a.account) not in read)]
    return Fleet(state, {a.key: FetchAccount(a.key, a.unit, a.account, floors[a.key]) for a in fetched})


def read_account(connection: Connection, registry: Registry, label: str) -> FetchAccount:
    """The applied account `unit/id`, retired or not. Raises Invalid if nothing of that name is applied."""
    unit, _, account_id = label.partition("/")
    found = read_applied(connection, registry).accounts.get((unit, account_id))
    if found is None:
        raise Invalid(f"no account {label} is applied; `reconciler status` lists them")
    floor = connection.execute(select(accounts.c.floor_at).where(accounts.c.key == found.key)).scalar_one()
    return FetchAccount(found.key, unit, found.account, floor)


def looking(account: FetchAccount, folder: str | None = None) -> FetchAccount:
    """The account with its folders, or one of them, to be left as they are: these are opened read-only."""
    block = read_only(account.account.block, folder)
    return replace(account, account=account.account.model_copy(update={account.account.protocol: block}))


def read_only(block: Any, folder: str | None = None) -> Any:
    """A protocol's settings with its folders, or one of them, to be left as they are; without folders as it is."""
    if not hasattr(block, "folders"):
        return block
    changes: dict[str, Any] = {"folders": (folder,)} if folder is not None else {}
    keep = type(block.after_fetch)("keep")
    return block.model_copy(update={"after_fetch": keep, "move_to": None, **changes})
