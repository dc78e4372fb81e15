"""An earlier revision runs although the files say otherwise: until they change or its time is over, by all rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from reconciler.cli.main import run
from reconciler.core.errors import Invalid
from reconciler.core.outcome import ApplyResult, Result
from reconciler.core.status import Sync
from reconciler.runtime.apply import reconcile_once
from reconciler.runtime.rolling import read_effective
from reconciler.source.files import Folder as Place
from reconciler.store import rollbacks
from reconciler.store.applied import history
from reconciler.store.database import open_store
from reconciler.store.lease import Right, take
from reconciler.store.standing import acknowledge
from reconciler.store.tables import bindings
from tests.folders import Folder, system
from tests.runtime.test_apply import System
from tests.states import NOW, REGISTRY, account
from tests.world import World

DAY = timedelta(days=1)


class Rolling(System):
    """Acme has revision 2 (weight 3) and revision 3 (weight 9), which its file says."""

    def apply(self) -> ApplyResult:
        self.now += timedelta(hours=1)
        with self.store.read() as connection:
            effective = read_effective(connection, Place(self.folder.root), REGISTRY, self.state, self.now)
        return reconcile_once(
            self.store,
            REGISTRY,
            effective.reading,
            source="accounts.d",
            now=self.now,
            has_secret=lambda unit, name: True,
            lease=self.lease,
            rolled_back=effective.rolled_back,
            over=effective.over,
        )

    def write(self, weight: int, *more: dict[str, object]) -> None:
        self.folder.write("acme", account("a", weight=weight), account("b"), system("reply"), *more)

    def back(self, wanted: str = "2", unit: str | None = None, until: timedelta = DAY) -> None:
        with self.store.write() as connection:
            number, of = rollbacks.find_revision(connection, wanted, unit)
            rollbacks.roll_back(
                connection, number, of, reason="it loses mail", by="ada", until=self.now + until, now=self.now
            )

    @property
    def weight(self) -> int:
        return self.state.accounts["acme", "a"].account.weight


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Rolling]:
    store = open_store(f"sqlite:///{tmp_path}/state.db", create=True)
    with take(store, Right.APPLY, "apply", NOW) as lease:
        system_ = Rolling(Folder(tmp_path / "accounts.d"), store, lease)
        for weight in (3, 9):
            system_.write(weight)
            system_.apply()
        yield system_
    store.close()


def test_it_is_applied_as_a_new_revision_that_names_it_and_shown_until_it_is_over(running: Rolling) -> None:
    running.back()
    assert running.results()["acme"] is Result.APPLIED
    assert running.weight == 3
    assert running.results()["acme"] is Result.UNCHANGED
    unit = running.unit("acme")
    assert (unit.sync, unit.revision) == (Sync.ROLLED_BACK, 4)
    assert "runs revision 2 until its files change" in unit.reason
    assert "by ada: it loses mail" in unit.reason
    with running.store.read() as connection:
        newest = history(connection, "acme")[0]
    assert (newest.source, newest.author) == ("rollback to revision 2", "ada")


def test_it_ends_by_itself_and_what_the_files_say_is_applied(running: Rolling) -> None:
    running.back(until=timedelta(hours=2))
    running.apply()
    assert running.weight == 3
    running.now += timedelta(hours=1)
    running.apply()
    assert (running.weight, running.unit("acme").sync) == (9, Sync.SYNCED)


def test_it_ends_when_the_files_change_and_does_not_come_back(running: Rolling) -> None:
    running.back()
    running.apply()
    running.write(7)
    running.apply()
    assert running.weight == 7
    running.write(9)
    running.apply()
    assert (running.weight, running.unit("acme").sync) == (9, Sync.SYNCED)


def test_a_neighbours_change_does_not_end_it(running: Rolling) -> None:
    running.back()
    running.folder.write("globex", account("g", address="g@globex.example", imap={"host": "globex.example"}))
    assert running.results() == {"main": Result.UNCHANGED, "acme": Result.APPLIED, "globex": Result.APPLIED}
    assert running.weight == 3


def test_it_ends_when_a_person_says_so(running: Rolling) -> None:
    running.back()
    running.apply()
    with running.store.write() as connection:
        assert rollbacks.end(connection, "acme", reason="mended", by="bob", now=running.now)
        assert not rollbacks.end(connection, "acme", reason="mended", by="bob", now=running.now)
    running.apply()
    assert running.weight == 9


def test_guards_hold(running: Rolling) -> None:
    running.write(9, *(account(f"x{n}") for n in range(8)))
    running.apply()
    running.back()
    (outcome,) = (o for o in running.apply().tenants if o.tenant == "acme")
    assert outcome.result is Result.BLOCKED
    assert ("acme", "x0") in running.state.accounts
    with running.store.write() as connection:
        acknowledge(connection, str(outcome.plan), "known", "ops", NOW)
    assert running.results()["acme"] is Result.APPLIED
    assert ("acme", "x0") not in running.state.accounts


def test_a_bound_secret_goes_nowhere_else_by_a_rollback(running: Rolling) -> None:
    """Acme's first revision sends the secret a-imap to mail.acme.example; meanwhile it is bound to another server."""
    with running.store.write() as connection:
        connection.execute(update(bindings).where(bindings.c.secret == "a-imap").values(host="new.acme.example"))
    running.back()
    (outcome,) = (o for o in running.apply().tenants if o.tenant == "acme")
    assert (outcome.result, running.weight) == (Result.BLOCKED, 9)


def test_what_another_tenant_has_taken_since_is_not_taken_back(running: Rolling) -> None:
    running.folder.write("acme", account("a", weight=9), system("reply"))
    running.apply()
    running.folder.write("globex", account("b", imap={"host": "globex.example"}))
    running.apply()
    assert ("globex", "b") in running.state.accounts
    running.back()
    (outcome,) = (o for o in running.apply().tenants if o.tenant == "acme")
    assert (outcome.result, "E303" in outcome.reason) == (Result.HELD, True)
    assert ("globex", "b") in running.state.accounts


def test_a_tenant_whose_files_are_broken_can_be_rolled_back_and_goes_on_once_they_are_mended(running: Rolling) -> None:
    running.folder.write_text("acme", "{")
    running.apply()
    running.back()
    assert running.results()["acme"] is Result.APPLIED
    assert running.weight == 3
    running.write(9)
    running.apply()
    assert (running.weight, running.unit("acme").sync) == (9, Sync.SYNCED)


ODD = "a\x7f\x85\xa0\u2028\u2029\ufeffz 🙂"


@pytest.mark.parametrize(
    "words", ["y" * 9_000, "y" * 20_000, "ü" * 6_000, ODD], ids=["many", "large", "umlauts", "odd"]
)
def test_a_large_tenant_is_rolled_back_whole_and_in_order(running: Rolling, words: str) -> None:
    many = [
        account(f"m{n:03}", address=f"m{n}@big.example", imap={"host": "big.example"}, settings={"x": words})
        for n in range(60)
    ]
    (running.folder.root / "big").mkdir()
    for first in range(0, 60, 5):
        name = "tenant" if first == 0 else f"z{first}"
        part = {"version": 1, "tenant": "big", "accounts": many[first : first + 5]}
        # Beyond the first 65,536 characters JSON writes two halves, which YAML does not put together.
        text = json.dumps(part).replace("\\ud83d\\ude42", "\\U0001f642")
        running.folder.write_text(f"big/{name}", text)
    running.apply()
    digest, revision = running.state.units["big"].digest, running.state.units["big"].revision
    file = running.folder.root / "big/tenant.yaml"
    file.write_text(file.read_text().replace('"version": 1', '"version": 1, "name": "Big"'))
    running.apply()
    running.back(str(revision))
    running.apply()
    assert running.state.units["big"].digest == digest


@pytest.mark.parametrize(
    ("wanted", "unit", "why"),
    [
        ("99", None, "no revision 99"),
        ("2", "main", "no revision 2 of main"),
        ("abcdef1", None, "name one with --tenant"),
        ("abcdef1", "acme", "no revision abcdef1 of acme"),
        ("3", None, "is what the files of acme say"),
    ],
)
def test_what_cannot_be_rolled_back_to_is_told(running: Rolling, wanted: str, unit: str | None, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        running.back(wanted, unit)


def test_a_running_system_follows_it_and_its_end_while_no_file_changes(world: World) -> None:
    address = world.fresh("support")
    for weight in (3, 9):
        world.unit("acme", world.account("support", address, weight=weight))
        world.apply()
    with world.running() as running:
        told = world.command("rollback", "2", "--tenant", "acme", "--reason", "it loses mail", "--for", "2h")
        assert "acme is to run revision 2 until its files change" in told.stdout
        running.until(lambda: running.events("unit.applied", unit="acme", revision=4), "the earlier revision runs")
        assert "RolledBack" in world.command("status", check=4).stdout
        planned = world.command("plan", "--exit-code")
        assert "acme runs revision 2 until its files change" in planned.stderr
        world.command("rollback", "--end", "--tenant", "acme", "--reason", "mended")
        running.until(lambda: running.events("unit.applied", unit="acme", revision=5), "the files run again")


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["2"], 64, "--reason"),
        (["2", "--reason", " "], 64, "write why"),
        (["--reason", "x"], 64, "name a revision"),
        (["--end", "--reason", "x"], 64, "name a revision"),
        (["2", "--end", "--tenant", "acme", "--reason", "x"], 64, "name a revision"),
        (["--end", "--tenant", "acme", "--reason", "x"], 1, "acme is not rolled back"),
        (["99", "--reason", "x"], 1, "no revision 99"),
        (["2", "--reason", "x", "--for", "31d"], 1, "would be forgotten"),
    ],
)
def test_a_command_that_is_wrong_says_why_and_rolls_nothing_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, why: str
) -> None:
    folder = Folder(tmp_path / "accounts.d")
    folder.write("acme", account("a"))
    state = ["--state", f"sqlite:///{tmp_path}/state.db"]
    assert run(["apply", str(folder.root), *state]) == 0
    assert run(["rollback", *arguments, *state]) == code
    assert why in capsys.readouterr().err
