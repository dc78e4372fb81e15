"""Steps on a real mailbox: which mails they take, what they leave on the server, and what they hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.core.fetch import StepLine
from reconciler.runtime.cycle import Engine
from reconciler.runtime.fleet import read_fleet
from reconciler.runtime.writer import Writer
from tests.world import World, mail

pytestmark = pytest.mark.usefixtures("both_doors")

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def support(world: World, *, weight: int = 3, **imap: Any) -> str:
    """Apply acme with one account with these `imap` keys; its address."""
    address = world.fresh()
    world.unit("acme", world.account("support", address, weight=weight, imap=imap))
    world.apply()
    return address


def subjects(world: World, address: str, folder: str = "INBOX") -> list[str]:
    """The subjects of what lies in a folder."""
    return [str(m["Subject"]) for m in world.mailbox(address, folder)]


def taken(world: World, cycles: int | None = None, **settings: Any) -> int:
    """Fetch; how many mails were taken from the support account."""
    return sum(line.taken for line in world.steps(cycles, **settings) if line.account == "support")


def error(world: World, **settings: Any) -> str | None:
    """Fetch once; what the support account's step complained of."""
    [line] = [line for line in world.steps(1, **settings) if line.account == "support"]
    return line.error


@pytest.mark.parametrize(
    ("keys", "left", "seen", "moved"),
    [
        pytest.param({"after_fetch": "seen"}, 4, 4, 0, id="seen"),
        pytest.param({"after_fetch": "keep"}, 4, 0, 0, id="keep"),
        pytest.param({"after_fetch": "delete"}, 0, 0, 0, id="delete"),
        pytest.param({"after_fetch": "move", "move_to": "Erledigt/Prüfung"}, 0, 0, 4, id="move"),
    ],
)
def test_a_stored_mail_is_marked_kept_deleted_or_moved(
    world: World, keys: dict[str, Any], left: int, seen: int, moved: int
) -> None:
    address = support(world, **keys)
    world.dovecot.create_folder(address, "Erledigt/Prüfung")
    world.deliver(address, 4)
    assert taken(world) == 4
    assert len(world.mailbox(address)) == left
    assert len(world.seen(address)) == seen
    assert len(world.mailbox(address, "Erledigt/Prüfung")) == moved
    assert taken(world) == 0
    assert world.dovecot.bodies_fetched(address) == 4


def test_deleting_spares_mail_that_another_client_marked_as_deleted(world: World) -> None:
    address = support(world, after_fetch="delete", start="now")
    world.dovecot.deliver(address, mail("c@customer.example", address, "theirs"), internal_date=LONG_AGO)
    world.dovecot.flag(address, [1], "\\Deleted")
    world.deliver(address, 1)
    assert taken(world) == 1
    assert subjects(world, address) == ["theirs"]


def test_start_now_leaves_what_was_there_before_the_account_was_applied(world: World) -> None:
    address = support(world, start="now")
    world.deliver(address, 2, subject="old", internal_date=datetime.now(UTC) - timedelta(hours=1))
    world.deliver(address, 2, subject="new")
    assert taken(world) == 2
    assert [m.raw.split(b"Subject: ")[1][:5] for m in world.seen(address)] == [b"new 1", b"new 2"]
    assert world.dovecot.bodies_fetched(address) == 2


def test_start_unseen_leaves_seen_mail_at_first_contact_only(world: World) -> None:
    address = support(world, start="unseen", after_fetch="delete")
    world.deliver(address, 2, subject="seen before", seen=True)
    world.deliver(address, 1, subject="unseen")
    assert taken(world) == 1
    world.deliver(address, 1, subject="opened in a client", seen=True)
    assert taken(world) == 1
    assert subjects(world, address) == ["seen before 1", "seen before 2"]


def test_start_all_takes_everything_however_old_and_seen(world: World) -> None:
    address = support(world, start="all")
    world.deliver(address, 2, seen=True, internal_date=LONG_AGO)
    assert taken(world) == 2


def test_start_with_a_date_takes_what_came_since_that_day(world: World) -> None:
    address = support(world, start="2026-02-01", after_fetch="delete")
    midnight = datetime(2026, 2, 1, tzinfo=UTC)
    for name, seconds in (("old", -1), ("first", 0), ("later", 1_000_000)):
        world.deliver(address, 1, subject=name, internal_date=midnight + timedelta(seconds=seconds))
    assert taken(world) == 2
    assert subjects(world, address) == ["old 1"]


def test_a_mail_opened_in_a_client_is_still_fetched(world: World) -> None:
    address = support(world)
    world.deliver(address, 1)
    assert taken(world) == 1
    world.deliver(address, 2, subject="opened", seen=True)
    assert taken(world) == 2


def test_a_folder_with_an_umlaut_is_read(world: World) -> None:
    address = support(world, folders=["Anfragen/Größe & Maß"])
    world.dovecot.create_folder(address, "Anfragen/Größe & Maß")
    world.deliver(address, 2, folder="Anfragen/Größe & Maß")
    assert taken(world) == 2
    assert len(world.seen(address, "Anfragen/Größe & Maß")) == 2


def test_two_folders_share_the_weight_over_steps(world: World) -> None:
    address = support(world, folders=["INBOX", "Second"], weight=3)
    world.dovecot.create_folder(address, "Second")
    for folder in ("INBOX", "Second"):
        world.deliver(address, 20, folder=folder)
    assert taken(world, 2) == 6
    assert (len(world.seen(address)), len(world.seen(address, "Second"))) == (3, 3)


def test_what_one_folder_leaves_of_the_weight_goes_to_the_next(world: World) -> None:
    address = support(world, folders=["INBOX", "Second"], weight=5)
    world.dovecot.create_folder(address, "Second")
    world.deliver(address, 2)
    world.deliver(address, 9, folder="Second")
    assert taken(world, 1) == 5
    assert (len(world.seen(address)), len(world.seen(address, "Second"))) == (2, 3)


def test_the_same_uid_in_two_folders_is_two_mails(world: World) -> None:
    address = support(world, folders=["INBOX", "Second"])
    world.dovecot.create_folder(address, "Second")
    same = mail("c@customer.example", address, "the same")
    world.dovecot.deliver(address, same)
    world.dovecot.deliver(address, same, folder="Second")
    assert taken(world) == 2


def test_mails_with_one_message_id_are_all_taken(world: World) -> None:
    address = support(world, after_fetch="delete")
    for number in (1, 2):
        world.dovecot.deliver(address, mail("c@c.example", address, f"{number}", "?", "Message-ID: <same@c.example>"))
    assert taken(world) == 2
    assert world.mailbox(address) == []


def test_a_mail_above_the_limit_stays_and_the_others_are_fetched(world: World) -> None:
    address = support(world, after_fetch="delete")
    world.deliver(address, 1)
    world.dovecot.deliver(address, mail("c@customer.example", address, "huge", "x" * 70 + "\n" * 5_000))
    world.deliver(address, 1, subject="after it")
    told = error(world, mail_bytes=2_000)
    assert told == "MailTooLarge: 1 mails above 2000 bytes stay on the server"
    assert world.condition("support") == "MailTooLarge"
    assert subjects(world, address) == ["huge"]
    assert world.dovecot.bodies_fetched(address) == 2
    assert taken(world) == 1


def test_a_step_is_bounded_in_bytes_and_the_rest_comes_in_later_steps(world: World) -> None:
    address = support(world, weight=10)
    for number in range(4):
        world.dovecot.deliver(address, mail("c@customer.example", address, f"{number}", "x" * 1_000))
    lines = [s for s in world.steps(None, step_bytes=3_000) if s.account == "support"]
    assert [(s.taken, s.backlog) for s in lines] == [(2, 2), (2, 0)]


def test_a_mail_whose_acknowledgement_was_refused_is_not_fetched_again(world: World) -> None:
    address = support(world, after_fetch="move", move_to="Missing")
    world.deliver(address, 2)
    told = error(world)
    assert told is not None
    assert told.startswith("FolderMissing: ")
    assert "no folder Missing" in told
    world.dovecot.create_folder(address, "Missing")
    assert taken(world) == 0
    assert len(world.mailbox(address, "Missing")) == 2
    assert world.dovecot.bodies_fetched(address) == 2


@contextmanager
def refusing(world: World, uid: int) -> Iterator[None]:
    """For as long as the block the store refuses the mail with this UID."""
    with closing(sqlite3.connect(world.path / "state.db", isolation_level=None)) as store:
        action = "BEGIN SELECT RAISE(ABORT, 'never'); END"
        store.execute(f"CREATE TRIGGER refuses BEFORE INSERT ON mails WHEN NEW.uid = '{uid}' {action}")
        yield
        store.execute("DROP TRIGGER refuses")


@pytest.mark.parametrize("after_fetch", ["seen", "delete"])
def test_a_mail_that_the_store_refuses_stays_and_rests_and_the_others_are_taken(world: World, after_fetch: str) -> None:
    address = support(world, after_fetch=after_fetch)
    world.deliver(address, 5)
    with refusing(world, 2):
        lines = [line for line in world.steps(4) if line.account == "support"]
        assert [line.taken for line in lines] == [2, 2, 0, 0]
        assert {line.error for line in lines} == {
            "MailNotStored: the store refuses 1 mails, which stay on the server and are tried again now and then: "
            "INBOX/2 (IntegrityError: never)"
        }
        assert world.condition("support") == "MailNotStored"
        assert world.dovecot.bodies_fetched(address) == 5
        if after_fetch == "delete":
            assert subjects(world, address) == ["Mail 2"]
        assert len(world.seen(address)) == (4 if after_fetch == "seen" else 0)
    assert error(world) is None
    assert (taken(world), world.condition("support")) == (0, "Ok")
    assert world.dovecot.bodies_fetched(address) == 6
    assert len(world.seen(address) if after_fetch == "seen" else world.mailbox(address)) == (
        5 if after_fetch == "seen" else 0
    )


def test_a_mail_that_the_store_refused_is_not_named_any_more_once_it_is_gone(world: World) -> None:
    address = support(world)
    world.deliver(address, 2)
    with refusing(world, 1), world.house() as house:
        lines: list[StepLine] = []
        writer = Writer(house.store)
        engine = Engine(house.tools(writer), lines.append)
        with house.store.read() as connection:
            engine.set_accounts(read_fleet(connection, house.registry).accounts)
        engine.run_cycles(1)
        world.dovecot.flag(address, [1], "\\Deleted")
        with world.dovecot.client(address) as client:
            client.select_folder("INBOX")
            client.expunge()
        engine.run_cycles(1)
        engine.close()
        writer.close()
    named = [line.error and line.error.partition(":")[0] for line in lines if line.account == "support"]
    assert named == ["MailNotStored", None]


def put_files(world: World, address: str, raws: Sequence[bytes]) -> None:
    """Lay bytes into a mailbox that APPEND would refuse; the mailbox must have had a mail before."""
    maildir = world.dovecot.directory / "mail" / address / "Maildir"
    for number, raw in enumerate(raws):
        file = maildir / "tmp" / f"{number}"
        file.write_bytes(raw)
        file.chmod(0o644)
        file.rename(maildir / "new" / f"170000000{number}.M1P1.localhost")


def test_mails_that_cannot_be_read_are_stored_held_and_shown_and_the_others_go_on(world: World) -> None:
    broken = [bytes(range(128, 256)) * 20, b"\r\n\r\n", b"\x00" * 300, b"X-Nothing: at all\r\n\r\n"]
    address = support(world, weight=10)
    world.deliver(address, 1)
    put_files(world, address, broken)
    world.deliver(address, 1, subject="after them")
    world.command("fetch")
    assert len(world.seen(address)) == 2 + len(broken)
    held = [(h["reason"], h["account"]) for h in world.json("held")["held"]]
    assert held == [("unreadable", "acme/support")] * len(broken)
    assert sorted(c["subject"] for c in world.json("cases")["cases"]) == ["Mail 1", "after them 1"]
