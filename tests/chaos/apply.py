"""Kills `apply` at every statement boundary and compares: each tenant is at its old or its new revision, whole.

`python -m tests.chaos.apply` runs as a process without threads that forks one child for each kill. A child does what
`apply` does on a copy of one state, and dies by SIGKILL before or after its n-th statement or commit. Then every row of
every tenant must be as before or as afterwards, and applying again must lead to the very same end.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from reconciler.core.outcome import ApplyResult
from reconciler.runtime.apply import reconcile_once
from reconciler.runtime.desired import read_desired
from reconciler.store.applied import read_applied
from reconciler.store.database import open_store
from reconciler.store.lease import Right, take
from reconciler.store.standing import acknowledge
from tests.folders import Folder, system
from tests.referrals import add_referral
from tests.states import NOW, REGISTRY, account

TENANTS = 7
# SIGKILL loses nothing that was written, synced or not; so the campaign need not wait for a disk.
_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
_SHAPE = re.compile(r"(BEGIN IMMEDIATE|BEGIN|INSERT INTO \w+|UPDATE \w+|DELETE FROM \w+|SELECT|PRAGMA|\w+)")
_WRITES = {f"{verb} {table}" for verb in ("INSERT INTO", "UPDATE") for table in ("revisions", "units", "accounts")}
_BY_UNIT = {
    "revisions": "unit",
    "units": "unit",
    "accounts": "unit",
    "bindings": "unit",
    "referrals": "tenant",
    "acks": "digest",
}

Rows = tuple[tuple[Any, ...], ...]
State = dict[str, dict[str, Rows]]
"""By unit (`*` for what belongs to none) and table, the rows."""


@dataclass(frozen=True)
class Boundary:
    """A place to die: before or after the n-th statement, counted from 1; `shape` is what the statement does."""

    number: int
    after: bool
    shape: str

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} {self.shape}"


@dataclass
class Tally:
    """What was found at one kind of boundary."""

    kills: int = 0
    old: int = 0
    new: int = 0
    wrong: list[str] = field(default_factory=list)


class Statements:
    """Counts the statements and commits of this process, and dies where it is told to."""

    def __init__(self, dies: Callable[[int, bool, str], None]) -> None:
        self.count, self._dies = 0, dies
        event.listen(Engine, "before_cursor_execute", self._before)
        event.listen(Engine, "after_cursor_execute", self._after)
        event.listen(Engine, "commit", self._commit)

    def close(self) -> None:
        event.remove(Engine, "before_cursor_execute", self._before)
        event.remove(Engine, "after_cursor_execute", self._after)
        event.remove(Engine, "commit", self._commit)

    def _before(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self.count += 1
        self._dies(self.count, False, shape(statement))

    def _after(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self._dies(self.count, True, shape(statement))

    def _commit(self, _connection: Any) -> None:
        # What comes after it is the boundary before the next statement.
        self.count += 1
        self._dies(self.count, False, "COMMIT")


def shape(statement: str) -> str:
    """What a statement does, without its values: `UPDATE accounts`."""
    match = _SHAPE.match(statement.strip())
    return match[1] if match else statement[:20]


class Scene:
    """A state, and a folder that says something else, made by a seed: each tenant changes in another way."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.directory, self._random = directory, random.Random(seed)
        self.folder = Folder(directory / "accounts.d")
        self.base = directory / "base.db"
        self.acknowledged: dict[str, str] = {}
        """By the digest of a plan that may pass its guards, the unit it is of."""
        changes = list(_CHANGES)
        self._random.shuffle(changes)
        self.changes = dict(zip((f"t{n}" for n in range(TENANTS)), changes * TENANTS, strict=False))
        self._begin()

    def _begin(self) -> None:
        """Apply the old folder, ask externals, write the new folder, and let its plans pass their guards."""
        for tenant in self.changes:
            self.folder.write(tenant, *_accounts(tenant))
        self.folder.write_text("ghost", "{")
        apply(self.base, self.folder.root)
        store = open_store(f"sqlite:///{self.base}")
        with store.read() as connection:
            keys = [a.key for a in read_applied(connection, REGISTRY).accounts.values() if a.account.id == "reply"]
        for key in keys:
            add_referral(store, key)
        self.folder.remove("ghost")
        for tenant, change in self.changes.items():
            change(self.folder, tenant)
        main = system("main-reply", name=f"Main {self._random.randrange(9)}0")
        self.folder.write("main", main, system("main-second", "second-level-reply"))
        self.folder.write("newcomer", *_accounts("newcomer"))
        before = shutil.copy(self.base, self.directory / "acks.db")
        for outcome in apply(Path(before), self.folder.root).tenants:
            if outcome.plan is not None:
                self.acknowledged[outcome.plan] = outcome.tenant
                with store.write() as connection:
                    acknowledge(connection, outcome.plan, "chaos", "chaos", NOW)
        store.close()

    def read(self, state: Path) -> State:
        """Every row of a state that came of this scene."""
        return read_state(state, self.acknowledged)

    def copy(self, name: str) -> Path:
        """A copy of the base state."""
        return Path(shutil.copy(self.base, self.directory / name))


def _accounts(tenant: str, **reply: Any) -> list[dict[str, Any]]:
    def own(one: dict[str, Any]) -> dict[str, Any]:
        one["imap"] = {**one["imap"], "host": f"mail.{tenant}.example"}
        return {**one, "address": one["address"].replace("acme", tenant)}

    reply.setdefault("address", "reply@acme.example")
    return [own(account("a")), own(account("b")), own(account("c")), own(system("reply", **reply))]


def _reweighted(folder: Folder, tenant: str) -> None:
    a, *others = _accounts(tenant)
    folder.write(tenant, a | {"weight": 9}, *others)


def _renamed(folder: Folder, tenant: str) -> None:
    a, b, *others = _accounts(tenant)
    folder.write(tenant, b | {"id": "a", "moved_from": "b"}, a | {"id": "b", "moved_from": "a"}, *others)


def _without_reply(folder: Folder, tenant: str) -> None:
    folder.write(tenant, *_accounts(tenant)[:-1])


def _moved(folder: Folder, tenant: str) -> None:
    folder.write(tenant, *_accounts(tenant, imap={"username": "elsewhere", "password": {"secret": "elsewhere"}}))


def _readdressed(folder: Folder, tenant: str) -> None:
    folder.write(tenant, *_accounts(tenant, address="other@acme.example"))


def _broken(folder: Folder, tenant: str) -> None:
    folder.write_text(tenant, "{")


def _removed(folder: Folder, tenant: str) -> None:
    folder.remove(tenant)


_CHANGES = (_reweighted, _renamed, _without_reply, _moved, _readdressed, _broken, _removed)


def apply(state: Path, root: Path) -> ApplyResult:
    """What the command does, on this state."""
    store = open_store(f"sqlite:///{state}", create=True)
    try:
        with take(store, Right.APPLY, "apply", NOW) as lease:
            with store.read() as connection:
                applied = read_applied(connection, REGISTRY)
            reading = read_desired(root, REGISTRY, applied)
            return reconcile_once(
                store, REGISTRY, reading, source="accounts.d", now=NOW, has_secret=lambda u, n: True, lease=lease
            )
    finally:
        store.close()


def read_state(state: Path, acknowledged: Mapping[str, str]) -> State:
    """Every row of every table but leases, and that the database is whole; `acknowledged` tells whose plans were."""
    connection = sqlite3.connect(state)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'leases' ORDER BY name"
        found: State = {"*": {}}
        for (table,) in connection.execute(names).fetchall():
            cursor = connection.execute(f'SELECT * FROM "{table}" ORDER BY rowid')
            columns = [column[0] for column in cursor.description]
            rows = cursor.fetchall()
            if table not in _BY_UNIT:
                found["*"][table] = tuple(rows)
                continue
            owner = columns.index(_BY_UNIT[table])
            for row in rows:
                of_unit = found.setdefault(acknowledged.get(row[owner], row[owner]), {})
                of_unit[table] = (*of_unit.get(table, ()), row)
        return found
    finally:
        connection.close()


def boundaries(scene: Scene) -> list[Boundary]:
    """Every place to die on the way from the old state to the new one."""
    found: list[Boundary] = []
    statements = Statements(lambda number, after, what: found.append(Boundary(number, after, what)))
    try:
        apply(scene.copy("new.db"), scene.folder.root)
    finally:
        statements.close()
    return found


def die_at(place: Boundary, state: Path, root: Path) -> bool:
    """Apply in a child that dies there; whether it did."""
    child = os.fork()
    if child == 0:
        try:
            Statements(
                lambda number, after, _: (
                    os.kill(os.getpid(), signal.SIGKILL) if (number, after) == (place.number, place.after) else None
                )
            )
            apply(state, root)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def judge(place: Boundary, scene: Scene, old: State, new: State, tally: Tally) -> None:
    """Die there and look at what is left."""
    state = scene.copy("killed.db")
    for suffix in ("-wal", "-shm"):
        state.with_name(state.name + suffix).unlink(missing_ok=True)
    if not die_at(place, state, scene.folder.root):
        tally.wrong.append(f"{place} ({place.number}): did not die")
        return
    tally.kills += 1
    left = scene.read(state)
    for unit in sorted({*old, *new, *left}):
        rows = left.get(unit)
        if rows == new.get(unit):
            tally.new += rows != old.get(unit)
        elif rows == old.get(unit):
            tally.old += 1
        else:
            tally.wrong.append(f"{place} ({place.number}): {unit} is neither old nor new")
    apply(state, scene.folder.root)
    if scene.read(state) != new:
        tally.wrong.append(f"{place} ({place.number}): applying again does not lead to the same end")


def campaign(seed: int, each: int, most: int, *, writes: bool = False) -> Iterator[tuple[str, Tally]]:
    """Kill until each kind of boundary was hit `each` times, over at most `most` scenes; the kinds with their tallies.

    `writes`: only at what changes something of a tenant.
    """
    tallies: dict[str, Tally] = {}
    for number in range(most):
        with tempfile.TemporaryDirectory(prefix="chaos-apply-", dir=_MEMORY) as directory:
            scene = Scene(Path(directory), seed + number)
            places = [p for p in boundaries(scene) if not writes or p.shape in _WRITES]
            old, new = scene.read(scene.base), scene.read(scene.directory / "new.db")
            random.Random(seed + number).shuffle(places)
            for place in places:
                tally = tallies.setdefault(str(place), Tally())
                if tally.kills < each:
                    judge(place, scene, old, new, tally)
        if all(t.kills >= each for t in tallies.values()):
            break
    yield from sorted(tallies.items())


def main() -> int:
    """Print a table; 1 if anything was wrong, or some kind of boundary was hit too seldom."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=20, help="kills at each kind of boundary")
    parser.add_argument("--scenes", type=int, default=60, help="scenes at most")
    parser.add_argument("--writes", action="store_true", help="only where something of a tenant is written")
    wanted = parser.parse_args()
    found = Counter[str]()
    problems: list[str] = []
    print(f"{'boundary':36} {'kills':>6} {'old':>6} {'new':>6} {'wrong':>6}")
    for name, tally in campaign(wanted.seed, wanted.each, wanted.scenes, writes=wanted.writes):
        print(f"{name:36} {tally.kills:6} {tally.old:6} {tally.new:6} {len(tally.wrong):6}")
        found.update(kills=tally.kills, old=tally.old, new=tally.new)
        problems += tally.wrong
        if tally.kills < wanted.each:
            problems.append(f"{name}: only {tally.kills} kills of {wanted.each}")
    print(f"{'all':36} {found['kills']:6} {found['old']:6} {found['new']:6} {len(problems):6}")
    print("old and new: tenants found at their old or at their new revision, whole")
    for problem in problems[:20]:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
