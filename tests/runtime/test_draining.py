"""What becomes of accounts, mailboxes and addresses that the files no longer name, and of what hangs on them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from reconciler.core.revision import AccountStatus
from reconciler.runtime.fleet import read_fleet
from reconciler.store.applied import PURGE_AFTER, finish_draining, purge_retired
from reconciler.store.database import open_store
from reconciler.store.lease import Right, take
from reconciler.store.standing import acknowledge
from reconciler.store.tables import accounts, cases, folders, health, mails, referrals
from tests.folders import Folder, system
from tests.referrals import add_referral
from tests.runtime.test_apply import System
from tests.states import NOW, REGISTRY, account
from tests.store.ground import add_mail

SERVING, DRAINING = AccountStatus.SERVING, AccountStatus.DRAINING
# A secret is bound to the mailbox it logs in to, so each has its own.
MOVED = system("reply", imap={"username": "elsewhere", "password": {"secret": "elsewhere"}})
READDRESSED = system("reply", address="answers@acme.example")


def at(account_: dict[str, Any], mailbox: str) -> dict[str, Any]:
    """The account with another's mailbox, and what logs in to it."""
    login = {"username": mailbox, "password": {"secret": f"{mailbox}-imap"}}
    return {**account_, "imap": {**account_["imap"], **login}}


class Moving(System):
    """Acme has the inbound account a and the reply account `reply`."""

    def say(self, *accounts_: dict[str, object]) -> None:
        """Write acme's accounts, apply, and let the plan pass its guards."""
        self.folder.write("acme", account("a"), *accounts_)
        self.pass_guards()

    def pass_guards(self) -> None:
        for outcome in self.apply().tenants:
            if outcome.plan is not None:
                with self.store.write() as connection:
                    acknowledge(connection, outcome.plan, "known", "ops", NOW)
        self.apply()

    def key(self, name: str) -> int:
        return self.state.accounts["acme", name].key

    def statuses(self) -> dict[str, AccountStatus]:
        return {name: a.status for (unit, name), a in self.state.accounts.items() if unit == "acme" and name != "a"}

    def fetched(self) -> set[str]:
        with self.store.read() as connection:
            fleet = read_fleet(connection, REGISTRY)
        return {a.label for a in fleet.accounts.values() if a.unit == "acme"}

    def answers(self) -> None:
        with self.store.write() as connection:
            connection.execute(update(referrals).values(state="answered"))

    def asked_at(self) -> list[str]:
        query = select(accounts.c.id).join(referrals, referrals.c.account_key == accounts.c.key)
        with self.store.read() as connection:
            return list(connection.execute(query).scalars())


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Moving]:
    store = open_store(f"sqlite:///{tmp_path}/state.db", create=True)
    folder = Folder(tmp_path / "accounts.d")
    folder.write("acme", account("a"), system("reply"))
    with take(store, Right.APPLY, "apply", NOW) as lease:
        system_ = Moving(folder, store, lease)
        system_.apply()
        yield system_
    store.close()


def test_an_inbound_account_is_no_longer_fetched(running: Moving) -> None:
    running.folder.write("acme", system("reply"))
    running.pass_guards()
    assert running.fetched() == {"acme/reply"}
    assert ("acme", "a") in running.state.retired


def test_a_system_account_without_open_referral_retires_at_once(running: Moving) -> None:
    running.say()
    assert running.statuses() == {}


def test_a_system_account_drains_until_retire_after_is_over(running: Moving) -> None:
    add_referral(running.store, running.key("reply"))
    running.say(system("reply", retire_after="2d"))
    running.say()
    assert (running.statuses(), running.fetched()) == ({"reply": DRAINING}, {"acme/a", "acme/reply"})
    with running.store.write() as connection:
        assert finish_draining(connection, running.now + timedelta(days=1.9)) == ()
        assert finish_draining(connection, running.now + timedelta(days=2)) == ("acme/reply",)


def test_a_moved_mailbox_drains_under_its_own_key_and_the_new_one_begins_afresh(running: Moving) -> None:
    old = running.key("reply")
    add_referral(running.store, old)
    running.say(MOVED)
    assert running.statuses() == {"reply": SERVING, f"reply~{old}": DRAINING}
    assert running.key(f"reply~{old}") == old
    assert running.state.accounts["acme", f"reply~{old}"].account.block.username == "reply"  # type: ignore[union-attr]
    assert running.fetched() == {"acme/a", "acme/reply", f"acme/reply~{old}"}
    running.answers()
    running.apply()
    assert running.statuses() == {"reply": SERVING}


def test_a_moved_mailbox_nobody_answers_to_retires_at_once(running: Moving) -> None:
    running.say(MOVED)
    assert running.statuses() == {"reply": SERVING}


def test_what_came_since_the_mailbox_was_last_read_is_taken_from_the_new_one(running: Moving) -> None:
    read_at = NOW + timedelta(minutes=7)
    with running.store.write() as connection:
        row = insert(health).values(account_key=running.key("reply"), condition="Ok", since=NOW, succeeded_at=read_at)
        connection.execute(row)
    running.say(MOVED)
    with running.store.read() as connection:
        floor = select(accounts.c.floor_at).where(accounts.c.key == running.key("reply"))
        assert connection.execute(floor).scalar() == read_at


def test_moving_back_takes_up_the_old_mailbox_with_its_ledger(running: Moving) -> None:
    old = running.key("reply")
    add_referral(running.store, old)
    running.say(MOVED)
    running.say(system("reply"))
    assert (running.key("reply"), running.statuses()) == (old, {"reply": SERVING})
    assert running.asked_at() == ["reply"]


def test_moving_back_after_the_old_mailbox_has_retired_finds_its_ledger_too(running: Moving) -> None:
    old = running.key("reply")
    running.say(MOVED)
    running.say(system("reply"))
    assert running.key("reply") == old


def test_a_changed_address_drains_the_old_one_while_one_mailbox_is_fetched_once(running: Moving) -> None:
    key = running.key("reply")
    add_referral(running.store, key)
    running.say(READDRESSED)
    (left,) = running.statuses().keys() - {"reply"}
    assert (running.key("reply"), running.statuses()[left]) == (key, DRAINING)
    assert running.state.accounts["acme", left].account.address == "reply@acme.example"
    assert running.fetched() == {"acme/a", "acme/reply"}
    assert running.asked_at() == [left]
    running.answers()
    running.apply()
    assert running.statuses() == {"reply": SERVING}


def test_the_old_address_is_nobody_elses_while_it_drains(running: Moving) -> None:
    add_referral(running.store, running.key("reply"))
    running.say(READDRESSED)
    running.folder.write("globex", account("in", address="reply@acme.example"))
    (outcome,) = (o for o in running.apply().tenants if o.tenant == "globex")
    assert "E303" in outcome.reason
    running.answers()
    running.apply()
    running.apply()
    assert ("globex", "in") in running.state.accounts


def test_a_changed_address_that_is_taken_back_leaves_nothing_behind(running: Moving) -> None:
    add_referral(running.store, running.key("reply"))
    running.say(READDRESSED)
    running.say(system("reply"))
    assert running.statuses() == {"reply": SERVING}
    assert running.asked_at() == ["reply"]


def test_mailboxes_that_change_places_are_each_fetched_once(running: Moving) -> None:
    second = system("second", default=True)
    running.say(system("reply"), second)
    for name in ("reply", "second"):
        add_referral(running.store, running.key(name))
    swapped = [at(system("reply"), "second"), at(system("second", default=True), "reply")]
    running.say(*swapped)
    assert running.fetched() == {"acme/a", "acme/reply", "acme/second"}
    assert sorted(running.statuses().values()) == [DRAINING, DRAINING, SERVING, SERVING]


def test_another_host_for_a_removed_account_that_returns_reads_no_foreign_ledger(running: Moving) -> None:
    old = running.key("reply")
    running.say()
    running.say(MOVED)
    assert running.key("reply") != old


def test_a_purge_takes_cursor_and_schedule_and_nothing_else(running: Moving) -> None:
    key = running.key("a")
    add_mail(running.store, key)
    add_referral(running.store, key, state="answered")
    with running.store.write() as connection:
        connection.execute(insert(health).values(account_key=key, condition="Ok", since=NOW))
        connection.execute(
            insert(folders).values(
                account_key=key, folder="INBOX", uidvalidity=1, first_contact_at=NOW, left_behind=b"1"
            )
        )
    running.folder.write("acme", system("reply"))
    running.pass_guards()
    with running.store.write() as connection:
        retired_at = connection.execute(select(accounts.c.since).where(accounts.c.key == key)).scalar_one()
        assert purge_retired(connection, retired_at + PURGE_AFTER - timedelta(seconds=1)) == 0
        assert purge_retired(connection, retired_at + PURGE_AFTER) == 1
        assert purge_retired(connection, retired_at + PURGE_AFTER) == 0
        assert [connection.execute(select(table)).all() for table in (folders, health)] == [[], []]
        kept = [connection.execute(select(table)).all() for table in (accounts, cases, mails, referrals)]
        assert all(kept)
