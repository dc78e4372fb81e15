"""Owners of tenants learn what became of their files: once for each change, by mail, and never a value of the files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path

import pytest
from sqlalchemy import select

from reconciler.core.notice import MOST_AN_HOUR
from reconciler.core.outbox import Delivery, OutboxState, Outcome
from reconciler.core.outcome import ApplyResult, Result
from reconciler.store import notices
from reconciler.store.database import Store, open_store
from reconciler.store.lease import Right, take
from reconciler.store.operator_tables import notices as rows
from reconciler.store.standing import acknowledge
from tests.folders import Folder, system
from tests.office import Office, header, text_of
from tests.runtime.test_apply import System
from tests.states import NOW, account
from tests.world import World

ADA, BOB = "ada@owners.example", "Bob@owners.example"


class Owned(System):
    """A system whose clock goes on by `step` from one apply to the next."""

    step = timedelta(hours=1)

    def apply(self) -> ApplyResult:
        self.now += self.step - timedelta(hours=1)
        return super().apply()

    def acknowledge(self) -> None:
        """Let every blocked plan pass."""
        for outcome in self.apply().tenants:
            if outcome.plan is not None:
                with self.store.write() as connection:
                    acknowledge(connection, outcome.plan, "known", "ops", NOW)
        self.apply()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Owned]:
    store = open_store(f"sqlite:///{tmp_path}/state.db", create=True)
    with take(store, Right.APPLY, "apply", NOW) as lease:
        system_ = Owned(Folder(tmp_path / "accounts.d"), store, lease)
        system_.apply()
        yield system_
    store.close()


def mails(store: Store, since: int = 0) -> list[tuple[str, str, str]]:
    """Recipient, subject and text of the mails that were written for owners, oldest first."""
    with store.read() as connection:
        found = list(connection.execute(select(rows).order_by(rows.c.id)))[since:]
    return [(r.recipient, header(m := message_from_bytes(r.data), "Subject"), text_of(m)) for r in found]


def owned(running: Owned, *owners: str, weight: int = 3) -> None:
    running.folder.write("acme", account("a", weight=weight), account("b"), system("reply"), owners=list(owners))
    running.apply()


def test_each_owner_is_told_once_what_was_applied(running: Owned) -> None:
    owned(running, ADA, BOB)
    told = mails(running.store)
    assert [(to, subject) for to, subject, _ in told] == [
        (ADA, "Mail accounts of acme: applied"),
        (BOB, "Mail accounts of acme: applied"),
    ]
    assert f"Revision {running.state.units['acme'].revision} runs." in told[0][2]
    running.apply()
    assert len(mails(running.store)) == 2


def test_held_is_told_with_the_errors_once_and_again_when_they_change_and_when_it_is_good(running: Owned) -> None:
    owned(running, ADA)
    good = (running.folder.root / "acme.yaml").read_text()
    for _ in range(2):
        running.folder.write_text("acme", good.replace('"weight": 3', '"weight": 0'))
        running.apply()
    (_, subject, text) = mails(running.store, 1)[0]
    assert subject == "Mail accounts of acme: held"
    assert "acme.yaml:" in text
    assert "E2" in text
    assert len(mails(running.store)) == 2
    running.folder.write_text("acme", "{")
    running.apply()
    assert len(mails(running.store)) == 3
    running.folder.write_text("acme", good)
    running.apply()
    assert [subject for _, subject, _ in mails(running.store, 3)] == ["Mail accounts of acme: applied"]


def test_blocked_is_told_with_the_way_out_and_retired_afterwards(running: Owned) -> None:
    owned(running, ADA)
    running.folder.remove("acme")
    running.apply()
    running.apply()
    ((_, subject, text),) = mails(running.store, 1)
    assert subject == "Mail accounts of acme: blocked"
    assert "reconciler ack " in text
    running.acknowledge()
    assert [subject for _, subject, _ in mails(running.store, 2)] == ["Mail accounts of acme: retired"]


def test_an_owner_of_many_tenants_gets_one_mail_with_the_bad_news_first(running: Owned) -> None:
    for name in ("x", "y", "z"):
        address, host = f"in@{name}.example", {"host": f"{name}.example"}
        running.folder.write(name, account("in", address=address, imap=host), owners=[ADA])
    running.apply()
    ((_, subject, _),) = mails(running.store)
    assert subject == "Mail accounts of 3 tenants: 3 applied"


def test_no_mail_of_ours_goes_to_an_address_of_ours(running: Owned) -> None:
    owned(running, "a+x@acme.example", ADA)
    assert [to for to, _, _ in mails(running.store)] == [ADA]


def test_a_file_that_breaks_and_heals_all_the_time_fills_no_mailbox(running: Owned) -> None:
    running.step = timedelta(minutes=1)
    for weight in range(1, MOST_AN_HOUR + 5):
        owned(running, ADA, weight=weight)
    assert len(mails(running.store)) == MOST_AN_HOUR
    running.now += timedelta(hours=1)
    running.apply()
    assert f"Revision {running.state.units['acme'].revision} runs." in mails(running.store)[-1][2]
    assert len(mails(running.store)) == MOST_AN_HOUR + 1


def test_who_has_no_owners_is_never_told(running: Owned) -> None:
    running.folder.write_text("acme", "{")
    running.apply()
    assert mails(running.store) == []


def test_a_secret_written_into_a_file_is_not_in_the_mail(running: Owned) -> None:
    owned(running, ADA)
    running.folder.write("acme", account("a", imap={"password": "canary-Xy9"}), account("b"), system("reply"))
    assert running.results()["acme"] is Result.HELD
    told = mails(running.store)
    assert len(told) == 2
    assert "canary" not in "".join(text for _, _, text in told)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [(Outcome.ACCEPTED, "sent"), (Outcome.TEMPORARY, "queued"), (Outcome.PERMANENT, "failed")],
)
def test_a_try_is_counted_before_it_is_made_and_ends_as_the_server_says(
    running: Owned, outcome: Outcome, state: str
) -> None:
    owned(running, ADA)
    with running.store.write() as connection:
        waiting = notices.claim(connection, running.now)
        assert waiting is not None
        assert notices.claim(connection, running.now) is None
        assert notices.finish(connection, waiting, Delivery(outcome, 250, "said"), running.now) is OutboxState(state)
        again = notices.claim(connection, running.now + timedelta(hours=1))
    assert (again is not None) == (state == "queued")


def test_the_mail_arrives_once_and_says_that_no_person_wrote_it(world: World) -> None:
    owner = world.fresh("owner").replace("acme.example", "owners.example")
    office = Office(world, owners=[owner])
    office.command("suspend", "sending", "main", "--reason", "not yet")
    office.send()
    assert office.received(owner) == []
    office.command("resume", "sending", "main")
    office.send()
    office.send()
    (told,) = office.received(owner)
    assert header(told, "Subject") == "Mail accounts of acme: applied"
    assert header(told, "From") == f"Main-Reply <{world.main_reply}>"
    assert header(told, "Auto-Submitted") == "auto-generated"


def test_a_running_system_tells_owners_and_leaves_its_result_as_a_file(world: World) -> None:
    owner, address = world.fresh("owner").replace("acme.example", "owners.example"), world.fresh("support")
    world.unit("acme", world.account("support", address), owners=[owner])
    report = world.path / "report.json"
    with world.running("--report", str(report)) as run:
        run.until(lambda: world.mailbox(owner), "the owner has a mail")
        assert [t["result"] for t in json.loads(report.read_text())["tenants"]] == ["applied", "applied"]
        world.folder.write_text("acme", "{")
        run.until(lambda: len(world.mailbox(owner)) == 2, "the owner knows that it is held")
        (_, acme) = json.loads(report.read_text())["tenants"]
        assert (acme["tenant"], acme["result"], [f["file"] for f in acme["findings"]]) == (
            "acme",
            "held",
            ["acme.yaml"],
        )
