"""Applying a folder: what runs afterwards, what stays as it was, and that doing it twice changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from reconciler.core.errors import ExitCode, Unavailable
from reconciler.core.outcome import ApplyResult, Result
from reconciler.core.revision import AccountStatus, AppliedState
from reconciler.core.status import Sync, UnitStatus
from reconciler.runtime.apply import reconcile_once
from reconciler.runtime.desired import read_desired
from reconciler.store.applied import history, read_applied
from reconciler.store.database import Store, open_store
from reconciler.store.lease import Lease, Right, take
from reconciler.store.standing import acknowledge, read_units
from reconciler.store.tables import referrals
from tests.folders import Folder, system
from tests.full_disk import full_disk
from tests.referrals import add_referral
from tests.states import NOW, REGISTRY, account

HOUR = timedelta(hours=1)


class System:
    """A folder beside the store it is applied to."""

    def __init__(self, folder: Folder, store: Store, lease: Lease) -> None:
        self.folder, self.store, self.lease = folder, store, lease
        self.now = NOW

    def apply(self) -> ApplyResult:
        self.now += HOUR
        return reconcile_once(
            self.store,
            REGISTRY,
            read_desired(self.folder.root, REGISTRY, self.state),
            source="accounts.d",
            now=self.now,
            has_secret=lambda unit, name: True,
            lease=self.lease,
        )

    def results(self) -> dict[str, Result]:
        return {outcome.tenant: outcome.result for outcome in self.apply().tenants}

    @property
    def state(self) -> AppliedState:
        with self.store.read() as connection:
            return read_applied(connection, REGISTRY)

    def unit(self, name: str) -> UnitStatus:
        with self.store.read() as connection:
            return {unit.unit: unit for unit in read_units(connection)}[name]

    @property
    def revisions(self) -> int:
        with self.store.read() as connection:
            return len(history(connection, None))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[System]:
    """A system in which main and acme (three accounts) are applied."""
    store = open_store(f"sqlite:///{tmp_path}/state.db", create=True)
    folder = Folder(tmp_path / "accounts.d")
    folder.write("acme", account("a"), account("b"), system("reply"))
    with take(store, Right.APPLY, "apply", NOW) as lease:
        system_ = System(folder, store, lease)
        system_.apply()
        yield system_
    store.close()


def test_a_first_apply_brings_everything_with_the_main_accounts_first(running: System) -> None:
    assert set(running.state.accounts) == {
        ("main", "main-reply"),
        ("main", "main-second"),
        ("acme", "a"),
        ("acme", "b"),
        ("acme", "reply"),
    }
    assert running.state.units["main"].revision < running.state.units["acme"].revision
    assert (running.unit("acme").sync, running.unit("acme").reason) == (Sync.SYNCED, "")


def test_twice_changes_nothing(running: System, tmp_path: Path) -> None:
    before = (running.state, running.revisions, running.unit("acme"))
    assert running.results() == {"main": Result.UNCHANGED, "acme": Result.UNCHANGED}
    assert (running.state, running.revisions, running.unit("acme")) == before


@pytest.mark.field("disk full")
def test_on_a_full_disk_nothing_is_applied_and_later_everything(running: System) -> None:
    before = (running.state, running.revisions)
    running.folder.write("acme", account("a", weight=9), account("b"), system("reply"))
    with full_disk(), pytest.raises(Unavailable):
        running.apply()
    assert (running.state, running.revisions) == before
    assert running.results() == {"main": Result.UNCHANGED, "acme": Result.APPLIED}


def test_only_what_changed_gets_a_revision(running: System) -> None:
    running.folder.write("globex", account("g", address="g@globex.example", imap={"host": "globex.example"}))
    assert running.results() == {"main": Result.UNCHANGED, "acme": Result.UNCHANGED, "globex": Result.APPLIED}
    assert running.revisions == 3


@pytest.mark.field("one bad file")
def test_a_tenant_with_an_error_is_held_with_its_reason_and_goes_on_as_it_was(running: System) -> None:
    before = running.state
    running.folder.write("acme", account("a", weight=0))
    result = running.apply()
    assert (result.exit_code, running.state) == (ExitCode.FINDINGS, before)
    unit = running.unit("acme")
    assert (unit.sync, unit.since, unit.revision) == (Sync.HELD, running.now, before.units["acme"].revision)
    assert unit.reason.startswith("acme.yaml:")


@pytest.mark.field("one bad file")
def test_one_tenants_error_does_not_keep_another_from_being_applied(running: System) -> None:
    running.folder.write_text("acme", "{")
    running.folder.write("globex", account("g", address="g@globex.example", imap={"host": "globex.example"}))
    assert running.results() == {"main": Result.UNCHANGED, "acme": Result.HELD, "globex": Result.APPLIED}


def test_an_invalid_main_file_holds_the_main_accounts_and_tenants_advance(running: System) -> None:
    running.folder.write_text("main", "version: 2")
    running.folder.write("acme", account("a", weight=9), account("b"), system("reply"))
    assert running.results() == {"main": Result.HELD, "acme": Result.APPLIED}
    assert ("main", "main-reply") in running.state.accounts


@pytest.mark.field("unreadable is not empty")
def test_without_main_file_nothing_advances(running: System) -> None:
    before = (running.state, running.unit("acme"))
    running.folder.remove("main")
    running.folder.remove("acme")
    with pytest.raises(Unavailable, match=r"main\.yaml is missing"):
        running.apply()
    assert (running.state, running.unit("acme")) == before


@pytest.mark.field("back again")
def test_back_to_the_running_state_is_synced_again_without_a_revision(running: System) -> None:
    good = (running.folder.root / "acme.yaml").read_text()
    running.folder.write_text("acme", "{")
    running.apply()
    running.folder.write_text("acme", good)
    assert running.results()["acme"] is Result.UNCHANGED
    assert (running.unit("acme").sync, running.unit("acme").reason, running.revisions) == (Sync.SYNCED, "", 2)


@pytest.mark.field("back again")
def test_back_to_a_former_state_is_applied_at_once(running: System) -> None:
    good = (running.folder.root / "acme.yaml").read_text()
    digest = running.state.units["acme"].digest
    running.folder.write("acme", account("a", weight=9), account("b"), system("reply"))
    running.apply()
    running.folder.write_text("acme", good)
    assert running.results()["acme"] is Result.APPLIED
    assert running.state.units["acme"].digest == digest


@pytest.mark.field("mass removal")
def test_a_guarded_tenant_waits_for_an_acknowledgement_of_exactly_this_plan(running: System) -> None:
    before = running.state
    running.folder.remove("acme")
    result = running.apply()
    (outcome,) = (o for o in result.tenants if o.tenant == "acme")
    assert (outcome.result, result.exit_code, running.state) == (Result.BLOCKED, ExitCode.BLOCKED, before)
    assert running.unit("acme").sync is Sync.BLOCKED
    assert outcome.plan is not None
    assert outcome.plan in running.unit("acme").reason
    with running.store.write() as connection:
        acknowledge(connection, outcome.plan, "contract ended", "ops", NOW)
    assert running.results()["acme"] is Result.RETIRED
    assert (running.state.units["acme"].retired, running.unit("acme").sync) == (True, Sync.SYNCED)
    assert "acme" not in running.results()


@pytest.mark.field("mass removal")
def test_an_acknowledgement_does_not_cover_another_removal(running: System) -> None:
    running.folder.remove("acme")
    (outcome,) = (o for o in running.apply().tenants if o.tenant == "acme")
    assert outcome.plan is not None
    with running.store.write() as connection:
        acknowledge(connection, outcome.plan, "contract ended", "ops", NOW)
    running.folder.write("acme", account("a", weight=9), account("b"), system("reply"))
    running.apply()
    running.folder.remove("acme")
    assert running.results()["acme"] is Result.BLOCKED


def test_a_block_that_is_taken_back_leaves_the_tenant_synced(running: System) -> None:
    good = (running.folder.root / "acme.yaml").read_text()
    running.folder.remove("acme")
    running.apply()
    running.folder.write_text("acme", good)
    running.apply()
    assert running.unit("acme").sync is Sync.SYNCED


def test_a_tenant_that_never_ran_and_is_gone_leaves_no_trace(running: System) -> None:
    running.folder.write_text("globex", "{")
    assert running.results()["globex"] is Result.HELD
    running.folder.remove("globex")
    running.apply()
    with running.store.read() as connection:
        assert [unit.unit for unit in read_units(connection)] == ["acme", "main"]


def test_retired_accounts_come_back_with_their_file(running: System) -> None:
    keys = {label: a.key for label, a in running.state.accounts.items()}
    good = (running.folder.root / "acme.yaml").read_text()
    running.folder.write("acme", account("a"), system("reply"))
    running.apply()
    assert ("acme", "b") in running.state.retired
    running.folder.write_text("acme", good)
    running.apply()
    assert {label: a.key for label, a in running.state.accounts.items()} == keys
    assert {a.status for a in running.state.accounts.values()} == {AccountStatus.SERVING}


def test_a_reply_account_drains_until_its_last_answer_came(running: System) -> None:
    add_referral(running.store, running.state.accounts["acme", "reply"].key)
    running.folder.write("acme", account("a"), account("b"))
    (outcome,) = (o for o in running.apply().tenants if o.tenant == "acme")
    assert (outcome.result, outcome.plan is not None) == (Result.BLOCKED, True)
    with running.store.write() as connection:
        acknowledge(connection, str(outcome.plan), "the partner knows", "ops", NOW)
    running.apply()
    running.apply()
    assert running.state.accounts["acme", "reply"].status is AccountStatus.DRAINING
    with running.store.write() as connection:
        connection.execute(update(referrals).values(state="answered"))
    running.apply()
    assert ("acme", "reply") in running.state.retired


@pytest.mark.field("two at once")
def test_who_lost_the_lease_writes_nothing(running: System) -> None:
    before = running.state
    running.folder.write("acme", account("a", weight=9), account("b"), system("reply"))
    with (
        take(running.store, Right.APPLY, "run", NOW + timedelta(days=1)),
        pytest.raises(Unavailable, match="lost the writer lease"),
    ):
        running.apply()
    assert running.state == before
