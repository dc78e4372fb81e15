"""Folders whose UIDs were given out anew: what is known stays known, what is new is taken, the rest asks a person."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.world import World, mail

LONG_AGO = datetime(2026, 1, 1, 12, tzinfo=UTC)
SEVERAL = 8


def support(world: World, **imap: Any) -> str:
    """Apply acme with one account with these `imap` keys; its address."""
    address = world.fresh()
    world.unit("acme", world.account("support", address, weight=50, imap=imap))
    world.apply()
    return address


def fetched(world: World, **settings: Any) -> tuple[int, str | None]:
    """Fetch once; how many mails the support account took, and what its step complained of."""
    [line] = [line for line in world.steps(1, late_seconds=30, **settings) if line.account == "support"]
    return line.taken, line.error


def resync(world: World, *arguments: str, check: int = 0) -> Any:
    return world.json("resync", "acme/support", *arguments, check=check)


@pytest.mark.usefixtures("both_doors")
def test_known_mails_are_not_taken_again_and_new_ones_are(world: World) -> None:
    address = support(world, after_fetch="keep")
    world.deliver(address, SEVERAL)
    assert fetched(world) == (SEVERAL, None)
    # Another date: one that agrees in size and date is told apart by its body, and their sizes differ by chance.
    world.deliver(address, 3, subject="later", internal_date=LONG_AGO)
    world.dovecot.bump_uidvalidity(address)
    before = world.dovecot.bodies_fetched(address)
    assert fetched(world) == (3, None)
    assert world.dovecot.bodies_fetched(address) == before + 3
    assert fetched(world) == (0, None)


@pytest.mark.usefixtures("both_doors")
def test_mails_that_only_their_bodies_tell_apart_are_told_apart(world: World) -> None:
    address = support(world, after_fetch="keep")
    same = ("Message-ID: <same@c.example>", "Date: Thu, 1 Jan 2026 12:00:00 +0000")
    first, second, third = (mail("c@c.example", address, "same", text, *same) for text in ("one", "two", "six"))
    for raw in (first, second, first):
        world.dovecot.deliver(address, raw, internal_date=LONG_AGO)
    assert fetched(world) == (3, None)
    world.dovecot.deliver(address, third, internal_date=LONG_AGO)
    world.dovecot.bump_uidvalidity(address)
    assert fetched(world) == (1, None)


def test_what_was_stored_but_not_acknowledged_is_acknowledged_under_its_new_uid(world: World) -> None:
    address = support(world, after_fetch="move", move_to="Missing")
    world.deliver(address, 2)
    assert "FolderMissing" in str(fetched(world)[1])
    world.dovecot.bump_uidvalidity(address)
    world.dovecot.create_folder(address, "Missing")
    assert fetched(world) == (0, None)
    assert len(world.mailbox(address, "Missing")) == 2


def test_what_start_now_left_behind_stays_behind(world: World) -> None:
    address = support(world, start="now")
    world.deliver(address, SEVERAL, subject="old", internal_date=datetime.now(UTC) - timedelta(hours=1))
    world.deliver(address, 1)
    assert fetched(world) == (1, None)
    world.dovecot.bump_uidvalidity(address)
    assert fetched(world) == (0, None)


def test_what_start_unseen_left_behind_stays_behind(world: World) -> None:
    address = support(world, start="unseen", after_fetch="keep")
    old = datetime.now(UTC) - timedelta(hours=1)
    world.deliver(address, SEVERAL, subject="seen", seen=True, internal_date=old)
    world.deliver(address, 1)
    assert fetched(world) == (1, None)
    world.dovecot.bump_uidvalidity(address)
    assert fetched(world) == (0, None)


@pytest.mark.usefixtures("both_doors")
def test_back_to_the_first_uidvalidity_a_mail_under_an_old_uid_is_not_taken_for_the_old_one(world: World) -> None:
    address = support(world, after_fetch="delete")
    uidlist = world.dovecot.directory / "mail" / address / "Maildir" / "dovecot-uidlist"
    world.deliver(address, 2)
    assert fetched(world) == (2, None)
    empty = uidlist.read_bytes()
    world.dovecot.bump_uidvalidity(address)
    assert fetched(world) == (0, None)
    world.dovecot.kill_sessions(address)
    for index in uidlist.parent.glob("dovecot.index*"):
        index.unlink()
    # The old UIDVALIDITY, numbering from 1 again: what a restored server shows.
    head, *_ = empty.splitlines()
    uidlist.write_bytes(b" ".join(b"N1" if word.startswith(b"N") else word for word in head.split(b" ")) + b"\n")
    world.deliver(address, 2, subject="other")
    assert [m.uid for m in world.dovecot.messages(address)] == [1, 2]
    assert fetched(world) == (2, None)


@pytest.mark.usefixtures("both_doors")
@pytest.mark.field("UIDs reused")
def test_uids_given_out_again_under_the_same_uidvalidity_are_noticed(world: World) -> None:
    address = support(world, after_fetch="delete")
    uidlist = world.dovecot.directory / "mail" / address / "Maildir" / "dovecot-uidlist"
    world.deliver(address, 2)
    before = world.dovecot.uidvalidity(address)
    assert fetched(world) == (2, None)
    world.dovecot.kill_sessions(address)
    head, *_ = uidlist.read_bytes().splitlines()
    for index in uidlist.parent.glob("dovecot.index*"):
        index.unlink()
    uidlist.write_bytes(b" ".join(b"N1" if word.startswith(b"N") else word for word in head.split(b" ")) + b"\n")
    world.deliver(address, 1, subject="other")
    assert (world.dovecot.uidvalidity(address), world.dovecot.messages(address)[0].uid) == (before, 1)
    assert fetched(world) == (1, None)
    assert world.mailbox(address) == []


@pytest.mark.parametrize(
    ("choice", "then"),
    [pytest.param("--adopt", 0, id="adopt"), pytest.param("--fetch-unknown", SEVERAL, id="fetch-unknown")],
)
def test_more_than_a_few_unknown_mails_wait_for_a_decision(world: World, choice: str, then: int) -> None:
    address = support(world, after_fetch="delete")
    world.deliver(address, 1)
    assert fetched(world) == (1, None)
    world.deliver(address, SEVERAL, subject="unknown")
    world.dovecot.bump_uidvalidity(address)
    before = world.dovecot.bodies_fetched(address)
    taken, error = fetched(world)
    assert (taken, str(error).partition(":")[0]) == (0, "ResyncNeedsDecision")
    assert "see: reconciler resync acme/support" in str(error)
    assert (len(world.mailbox(address)), world.dovecot.bodies_fetched(address)) == (SEVERAL, before)

    [shown] = resync(world, check=4)["folders"]
    assert (shown["folder"], shown["matched"], shown["gone"], shown["decision"]) == ("INBOX", 0, 1, None)
    assert {one["subject"] for one in shown["unknown"]} == {f"unknown {n}" for n in range(1, SEVERAL + 1)}
    assert fetched(world)[0] == 0

    [decided] = resync(world, choice, "--reason", "the server was moved")["folders"]
    assert decided["decision"] == choice.removeprefix("--")
    assert fetched(world) == (then, None)
    assert fetched(world) == (0, None)
    assert resync(world)["folders"] == []
    assert "nothing to decide" in world.command("resync", "acme/support", "--adopt", "--reason", "x", check=1).stderr


def test_a_decision_needs_a_reason_and_is_one(world: World) -> None:
    support(world)
    for arguments in (("--adopt",), ("--adopt", "--fetch-unknown", "--reason", "x"), ("--reason", "x")):
        assert "reason" in world.command("resync", "acme/support", *arguments, check=64).stderr


def test_reused_ids_without_uidvalidity_are_decided(world: World, tmp_path: Any) -> None:
    maildir = tmp_path / "spool"
    for name in ("new", "cur", "tmp"):
        (maildir / name).mkdir(parents=True)
    account = world.account("support", world.fresh(), smtp=None)
    del account["imap"]
    block = {"path": str(maildir), "start": "all", "after_fetch": "keep"}
    world.unit("acme", account | {"protocol": "maildir", "maildir": block})
    world.apply()
    file = maildir / "new" / "1700000000.M1.host"
    file.write_bytes(mail("c@c.example", "a@acme.example", "first"))
    assert fetched(world) == (1, None)
    file.write_bytes(mail("c@c.example", "a@acme.example", "another, and longer"))
    assert str(fetched(world)[1]).startswith("ResyncNeedsDecision")
    [shown] = resync(world, check=4)["folders"]
    assert [one["subject"] for one in shown["unknown"]] == ["another, and longer"]
    resync(world, "--fetch-unknown", "--reason", "a new mail")
    assert fetched(world) == (1, None)
    assert fetched(world) == (0, None)


def audit(world: World, check: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.command("audit", "acme/support", "--format", "json", check=check).stdout)
    return found


def test_an_audit_finds_no_difference_after_a_fetch(world: World) -> None:
    address = support(world, start="now")
    world.deliver(address, 2, subject="old", internal_date=LONG_AGO)
    world.deliver(address, 3)
    fetched(world)
    [folder] = audit(world, 0)["folders"]
    assert folder["differences"] == []
    assert (folder["on_server"], folder["known"], folder["left_behind"]) == (5, 3, 2)


def test_an_audit_lists_what_server_and_ledger_do_not_share(world: World) -> None:
    address = support(world, after_fetch="move", move_to="Missing")
    world.deliver(address, 1)
    fetched(world)
    world.deliver(address, 1, subject="waits")
    [folder] = audit(world, 1)["folders"]
    told = [(d["uid"], d["difference"]) for d in folder["differences"]]
    assert told == [("1", "not_acknowledged"), ("2", "waiting")]
    text = world.command("audit", "acme/support", check=1).stdout
    assert "not_acknowledged" in text
    assert "2 differences" in text


def test_an_audit_sees_a_changed_uidvalidity(world: World) -> None:
    address = support(world, after_fetch="keep")
    world.deliver(address, 1)
    fetched(world)
    world.dovecot.bump_uidvalidity(address)
    [folder] = audit(world, 1)["folders"]
    assert [d["difference"] for d in folder["differences"]] == ["renumbered"]


def test_a_server_that_cannot_be_asked_is_no_difference(world: World) -> None:
    support(world)
    world.secret("acme", "support", None)
    assert world.command("audit", "acme/support", check=75).stdout == ""
    assert "no account acme/other is applied" in world.command("audit", "acme/other", check=1).stderr
