"""The Maildir door, and steps on a Maildir through the engine."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.core.fetch import Fetched, Listing, StepLine
from reconciler.core.health import Condition, Refused, Trouble
from reconciler.protocol.base import Limits
from reconciler.protocol.maildir import MaildirSession, open_session
from reconciler.protocol.maildir_settings import MaildirSettings
from tests.world import World, mail

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def raw(number: int) -> bytes:
    return f"Message-ID: <{number}@c.example>\nSubject: mail {number}\n\ntext\n".encode()


class Maildir:
    """A Maildir on the disk, as a mail server delivers into it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for folder in ("new", "cur", "tmp"):
            (path / folder).mkdir(parents=True)

    def put(self, name: str, content: bytes, folder: str = "new", age: float = 0) -> Path:
        """Deliver a file; `age` in seconds."""
        file = self.path / "tmp" / name
        file.write_bytes(content)
        when = file.stat().st_mtime - age
        os.utime(file, (when, when))
        return file.rename(self.path / folder / name)

    def files(self) -> list[str]:
        """What lies in new and cur."""
        return sorted(f"{p.parent.name}/{p.name}" for folder in ("new", "cur") for p in (self.path / folder).iterdir())


@pytest.fixture
def box(tmp_path: Path) -> Maildir:
    """Three mails, 1 in new, 2 and 3 read in a client, oldest first."""
    made = Maildir(tmp_path / "box")
    made.put("1", raw(1), age=30)
    made.put("2:2,FS", raw(2), "cur", age=20)
    made.put("3:2,", raw(3), "cur", age=10)
    return made


def session_of(box: Maildir, **keys: Any) -> MaildirSession:
    return open_session(MaildirSettings.model_validate({"path": str(box.path), **keys}), None, Limits())


def uids(listing: Listing) -> list[str]:
    return [one.uid for one in listing.mails]


def taken(session: MaildirSession, listing: Listing) -> tuple[list[Fetched], Exception | None]:
    """What came of fetching all, and what then went wrong."""
    got: list[Fetched] = []
    try:
        got.extend(session.fetch(listing, uids(listing)))
    except Trouble as error:
        return got, error
    return got, None


def test_mails_of_new_and_cur_are_listed_oldest_first_by_the_unique_part_of_their_names(box: Maildir) -> None:
    session = session_of(box)
    listing = session.list("", {"3"}, None)
    assert [(one.uid, one.size, one.seen) for one in listing.mails] == [
        ("1", len(raw(1)), False),
        ("2", len(raw(2)), True),
    ]
    assert set(listing.present) == {"1", "2", "3"}
    assert [one.raw for one in session.fetch(listing, ["1", "2"])] == [raw(1), raw(2)]


@pytest.mark.parametrize(
    ("how", "files"),
    [
        ("seen", ["cur/1:2,S", "cur/2:2,FS", "cur/3:2,S"]),
        ("delete", []),
        ("keep", ["cur/2:2,FS", "cur/3:2,", "new/1"]),
        ("move", []),
    ],
)
def test_stored_mails_are_marked_removed_kept_or_moved(
    box: Maildir, tmp_path: Path, how: str, files: list[str]
) -> None:
    done, move_to = Maildir(tmp_path / "done"), str(tmp_path / "done") if how == "move" else None
    session = session_of(box, after_fetch=how, move_to=move_to)
    listing = session.list("", (), None)
    taken(session, listing)
    answer = session.acknowledge(listing, uids(listing), how, move_to)
    assert (answer.done, answer.refused) == ({"1", "2", "3"}, frozenset())
    assert box.files() == files
    assert done.files() == (["cur/1:2,S", "cur/2:2,FS", "cur/3:2,S"] if how == "move" else [])


def test_a_file_that_vanishes_or_is_moved_on_in_between_does_no_harm(box: Maildir) -> None:
    session = session_of(box)
    listing = session.list("", (), None)
    (box.path / "new/1").rename(box.path / "cur/1:2,")
    (box.path / "cur/2:2,FS").unlink()
    got, error = taken(session, listing)
    assert ([one.uid for one in got], error) == (["1", "3"], None)
    (box.path / "cur/3:2,").unlink()
    answer = session.acknowledge(listing, uids(listing), "delete", None)
    assert (answer.done, answer.refused) == ({"1", "2", "3"}, frozenset())
    assert box.files() == []


def test_a_file_that_was_replaced_after_it_was_read_is_not_removed(box: Maildir) -> None:
    session = session_of(box)
    listing = session.list("", (), None)
    taken(session, listing)
    box.put("1", raw(9))
    assert session.acknowledge(listing, ["1"], "delete", None).refused == {"1"}
    assert (box.path / "new/1").read_bytes() == raw(9)


def test_no_link_is_followed_out_of_the_folder(box: Maildir, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(raw(7))
    (box.path / "new/7").symlink_to(outside)
    os.mkfifo(box.path / "new/8")
    (box.path / "new/9").mkdir()
    (box.path / "new/.10").write_bytes(raw(10))
    session = session_of(box, after_fetch="delete")
    listing = session.list("", (), None)
    assert uids(listing) == ["1", "2", "3"]
    box.put("5", raw(5))
    listing = session.list("", ("1", "2", "3"), None)
    (box.path / "new/5").unlink()
    (box.path / "new/5").symlink_to(outside)
    got, error = taken(session, listing)
    assert (got, error) == ([], None)
    assert outside.read_bytes() == raw(7)


@pytest.mark.parametrize("folder", ["new", "cur"])
def test_a_maildir_whose_folder_is_a_link_is_refused(box: Maildir, tmp_path: Path, folder: str) -> None:
    (box.path / folder).rename(tmp_path / "elsewhere")
    (box.path / folder).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="no links"):
        session_of(box)


def test_what_is_no_maildir_is_never_taken_for_an_empty_one(box: Maildir) -> None:
    session = session_of(box)
    box.path.rename(box.path.with_name("gone"))
    for attempt in (lambda: session_of(box), lambda: session.list("", (), None)):
        with pytest.raises(Refused, match="is no Maildir") as caught:
            attempt()
        assert caught.value.condition is Condition.FOLDER_MISSING


def test_files_that_share_a_name_are_neither_taken_nor_removed(box: Maildir) -> None:
    box.put("1:2,S", raw(8), "cur")
    session = session_of(box, after_fetch="delete")
    listing = session.list("", (), None)
    assert (uids(listing), listing.ambiguous) == (["2", "3"], {"1"})
    assert session.acknowledge(listing, ["1"], "delete", None).refused == {"1"}
    assert len(box.files()) == 4


def test_an_empty_file_is_an_error_named_after_the_others_came(box: Maildir) -> None:
    box.put("0", b"", age=40)
    session = session_of(box)
    got, error = taken(session, session.list("", (), None))
    assert [one.uid for one in got] == ["1", "2", "3"]
    assert "new/0 (empty)" in str(error)


def test_a_target_on_another_file_system_is_refused_and_nothing_is_lost(
    box: Maildir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def across(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    done = Maildir(tmp_path / "done")
    session = session_of(box, after_fetch="move", move_to=str(done.path))
    listing = session.list("", (), None)
    monkeypatch.setattr(os, "rename", across)
    assert session.acknowledge(listing, ["1"], "move", str(done.path)).refused == {"1"}
    assert len(box.files()) == 3


@pytest.mark.parametrize(
    "keys",
    [
        {"path": "mail"},
        {"path": "/mail/../other"},
        {"path": "/mail/"},
        {"path": "/mail//box"},
        {"path": "/"},
        {"path": "/mail\nbox"},
        {"path": "/mail", "after_fetch": "move"},
        {"path": "/mail", "move_to": "/done"},
        {"path": "/mail", "after_fetch": "move", "move_to": "/mail"},
        {"path": "/mail", "host": "mail.acme.example"},
    ],
    ids=["relative", "..", "slash", "two slashes", "root", "newline", "no target", "no move", "onto itself", "host"],
)
def test_what_a_maildir_cannot_be_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MaildirSettings.model_validate(keys)


Pick = Callable[..., Maildir]


@pytest.fixture
def picked(world: World, tmp_path: Path) -> Pick:
    """Apply acme with one account that picks mail up from a Maildir with these settings."""

    def make(**maildir: Any) -> Maildir:
        box = Maildir(tmp_path / "pick-up")
        account = world.account("support", world.fresh())
        del account["imap"]
        account |= {"protocol": "maildir", "maildir": {"path": str(box.path), "start": "all", **maildir}}
        world.unit("acme", account)
        world.apply()
        return box

    return make


def steps(world: World, cycles: int | None = None) -> list[StepLine]:
    return [line for line in world.steps(cycles) if line.account == "support"]


def test_steps_take_a_maildirs_backlog_once(world: World, picked: Pick) -> None:
    box = picked(after_fetch="seen")
    for number in range(7):
        box.put(str(number), mail("c@customer.example", "support@acme.example", f"Mail {number}"))
    assert [(line.taken, line.error) for line in steps(world)] == [(3, None), (3, None), (1, None)]
    assert box.files() == [f"cur/{number}:2,S" for number in range(7)]
    assert [(line.taken, line.error) for line in steps(world)] == [(0, None)]
    world.command("fetch")
    assert sorted(case["subject"] for case in world.json("cases")["cases"]) == [f"Mail {n}" for n in range(7)]


def test_start_now_leaves_older_files_alone(world: World, picked: Pick) -> None:
    box = picked(after_fetch="delete", start="now")
    box.put("old", raw(1), age=timedelta(hours=1).total_seconds())
    box.put("new", raw(2))
    assert [line.taken for line in steps(world)] == [1]
    assert box.files() == ["new/old"]


def test_after_a_kill_a_file_is_removed_only_if_it_is_the_stored_mail(world: World, picked: Pick) -> None:
    box = picked(after_fetch="delete")
    box.put("1", raw(1))
    box.put("2", raw(2))
    world.command("fetch", check=None, RECONCILER_FAULTS="stored=kill")
    assert len(box.files()) == 2
    box.put("2", raw(9))
    [line] = steps(world)
    assert line.taken == 0
    assert line.error is not None
    assert line.error.startswith("ResyncNeedsDecision: ")
    assert box.files() == ["new/2"]


def test_two_accounts_may_not_pick_up_from_one_maildir(world: World, tmp_path: Path) -> None:
    accounts = []
    for name in ("one", "two"):
        account = world.account(name, world.fresh())
        del account["imap"]
        accounts.append({**account, "protocol": "maildir", "maildir": {"path": str(tmp_path / "box")}})
    world.unit("acme", *accounts)
    [finding] = [f for f in world.json("validate", check=1)["findings"] if f["severity"] == "error"]
    assert (finding["code"], finding["pointer"]) == ("E302", "/accounts/1/maildir/path")
