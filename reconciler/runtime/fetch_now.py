"""The command's side of `fetch --now`: asks the running process for steps, and waits until each was answered."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from reconciler.core.errors import Unavailable
from reconciler.core.fetch import StepLine
from reconciler.core.registry import Registry
from reconciler.core.suspension import Suspension, Target, fetchable, parse_target
from reconciler.runtime.clock import utc_now
from reconciler.runtime.fetch_requests import UNFETCHED, unfetched
from reconciler.runtime.fleet import read_fleet
from reconciler.store import fetch_requests as requests
from reconciler.store.database import Store
from reconciler.store.lease import Holder, Right, holder
from reconciler.store.suspensions import account_key, in_force

_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Chosen:
    """The accounts to ask for, by key, and what is told at once of those that were named and are not fetched."""

    keys: Sequence[int]
    unfetched: Sequence[StepLine]
    suspensions: tuple[Suspension, ...]


def choose_accounts(store: Store, registry: Registry, targets: Collection[str]) -> Chosen:
    """The accounts that these mean (TENANT/ID, TENANT, main, all; none: all), but for those that are not fetched.

    Raises Invalid for a target that nothing applied has the name of.
    """
    wanted = [parse_target(text) for text in targets] or [Target()]
    with store.read() as connection:
        fleet, suspensions = read_fleet(connection, registry), in_force(connection, utc_now())
        named = {account_key(connection, target): target for target in wanted}
    fetched = fetchable(fleet.accounts, suspensions)
    keys = [a.key for a in fetched.values() if any(_means(target, a.unit, a.account.id) for target in wanted)]
    known = {a.key: a for a in fleet.state.accounts.values()}
    idle = [
        unfetched(known[key].unit, known[key].account.id, known[key].account.protocol, UNFETCHED)
        for key in named
        if key is not None and key not in fetched and key in known
    ]
    return Chosen(keys, idle, suspensions)


def _means(target: Target, unit: str, account: str) -> bool:
    return target.unit in (None, unit) and target.account in (None, account)


def fetch_now(store: Store, keys: Collection[int], show: Callable[[StepLine], None], patience: float) -> None:
    """Ask for a step of each of these accounts and show each when it has had one that began after this.

    Raises Unavailable if no `reconciler run` is at work, none takes it up within `patience` seconds, or it ends.
    """
    with store.read() as connection:
        _at_work(connection)
    if not keys:
        return
    batch = secrets.token_hex(8)
    try:
        with store.write() as connection:
            requests.ask(connection, batch, keys, utc_now())
        _wait(store, batch, len(keys), show, patience)
    finally:
        with store.write() as connection:
            requests.withdraw(connection, batch)


def _wait(store: Store, batch: str, count: int, show: Callable[[StepLine], None], patience: float) -> None:
    shown: set[int] = set()
    deadline = time.monotonic() + patience
    while True:
        with store.read() as connection:
            found = requests.answered(connection, batch, shown)
            unseen = requests.unseen(connection, batch)
            is_over = len(shown) + len(found) == count
            running = None if is_over else _at_work(connection)
        for id_, line in found.items():
            show(line)
            shown.add(id_)
        if is_over:
            return
        if unseen and time.monotonic() > deadline:
            raise Unavailable(f"{running} did not take it up within {patience:g} s; look at its log and /healthz")
        time.sleep(_LOOK_SECONDS)


def _at_work(connection: Connection) -> Holder:
    """The running process. Raises Unavailable if there is none."""
    found = holder(connection, Right.MAIL, utc_now())
    if found is None:
        raise Unavailable("no `reconciler run` is at work on this state; fetch by yourself: reconciler fetch")
    if found.name != "run":
        raise Unavailable(f"{found} is at work on this state, which ends by itself; wait for its end")
    return found
