"""After a restore: what was sent since the backup is not sent again, what came since is not lost, a person decides."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.office import ANSWER, Office, text_of
from tests.world import World


@pytest.fixture
def office(world: World) -> Office:
    return Office(world)


def backed_up(office: Office) -> Path:
    """A backup of the state as it is now."""
    file = office.world.path / "backup.db"
    office.command("backup", str(file))
    return file


def restore(office: Office, file: Path) -> None:
    """Put the backup in the state's place, as one does after a lost disk."""
    state = Path(office.world.state.removeprefix("sqlite:///"))
    for lost in state.parent.glob(f"{state.name}*"):
        lost.unlink()
    file.rename(state)


def states(office: Office) -> list[str]:
    return [row["state"] for row in office.json("outbox")["outbox"]]


def test_a_backup_put_in_place_starts_only_when_somebody_says_so(office: Office) -> None:
    restore(office, backed_up(office))
    for words in (["run"], ["fetch"], ["send"]):
        done = office.world.command(*words, check=78)
        assert "run --after-restore" in done.stderr
    with office.world.running("--after-restore"):
        pass
    with office.world.running():
        pass


def test_what_waited_in_the_backup_is_not_sent_until_a_person_releases_it(office: Office) -> None:
    case = office.opened()
    office.command("reply", case, "--text", "one")
    office.command("reply", case, "--text", "two")
    file = backed_up(office)
    office.send()
    restore(office, file)
    with office.world.running("--after-restore") as run:
        run.until(lambda: run.events("outbox.restored", mails=2), "the two replies are held")
        office.command("reply", case, "--text", "three")
        run.until(lambda: len(office.received()) == 3, "what an agent writes now goes out")
    assert sorted(states(office)) == ["restored", "restored", "sent"]
    assert len(office.received()) == 3
    office.command("discard", "O1", "--reason", "it was sent")
    office.command("release", "O2")
    office.send()
    assert states(office) == ["failed", "sent", "sent"]
    assert [text_of(found).count("two") for found in office.received()].count(1) == 2
    assert office.outbox()[1].possibly_twice


def test_all_of_it_is_released_at_once(office: Office) -> None:
    case = office.opened()
    office.command("reply", case, "--text", "one")
    restore(office, backed_up(office))
    with office.world.running("--after-restore") as run:
        run.until(lambda: run.events("outbox.restored"), "the reply is held")
        assert office.json("release", "--restored") == {"format_version": 1, "released": 1}
        run.until(lambda: len(office.received()) == 1, "the reply is sent")


@pytest.mark.parametrize("words", [["release"], ["release", "H1", "--restored"]], ids=" ".join)
def test_release_wants_one_thing_or_all(office: Office, words: list[str]) -> None:
    assert office.command(*words, check=None).code == 64


@pytest.mark.parametrize("command", ["release", "discard"])
def test_a_mail_that_no_restore_holds_is_not_touched(office: Office, command: str) -> None:
    office.command("reply", office.opened(), "--text", "one")
    assert "not held after a restore" in office.command(command, "O1", check=1).err
    assert states(office) == ["queued"]


def test_an_answer_that_was_relayed_since_the_backup_is_not_relayed_again(office: Office) -> None:
    case = office.opened()
    asked = office.forwarded(case)
    file = backed_up(office)
    office.answers(asked)
    office.route()
    assert len(office.received()) == 1
    restore(office, file)
    with office.world.running("--after-restore") as run:
        run.until(lambda: office.held(), "the answer is held")
    assert office.held() == ["after-restore"]
    assert len(office.received()) == 1
    office.command("release", "H1")
    office.send()
    assert [ANSWER in text_of(found) for found in office.received()] == [True, True]


def test_a_customers_mail_since_the_backup_opens_its_case_again(office: Office) -> None:
    file = backed_up(office)
    office.opened(subject="Since the backup")
    restore(office, file)
    with office.world.running("--after-restore") as run:
        run.until(lambda: office.cases(), "the case is there again")
    assert [case["subject"] for case in office.cases()] == ["Since the backup"]


def test_an_answer_that_comes_well_after_the_restore_is_relayed_by_itself(office: Office) -> None:
    asked = office.forwarded(office.opened())
    restore(office, backed_up(office))
    with office.world.running("--after-restore"):
        pass
    with closing(sqlite3.connect(office.world.state.removeprefix("sqlite:///"))) as state:
        state.execute("UPDATE meta SET value = '2026-01-01T00:00:00+00:00' WHERE name = 'restored-at'")
        state.commit()
    office.answers(asked)
    office.route()
    assert (office.held(), len(office.received())) == ([], 1)


def test_nobody_is_reminded_before_a_person_has_released_what_is_held(world: World) -> None:
    world.environment |= {"RECONCILER_REMIND_SECONDS": "0.1"}
    office = Office(world, referrals={"remind": {"after": "1s", "repeat": "1s", "max": 1}})
    office.forwarded(office.opened())
    asked = time.monotonic()
    restore(office, backed_up(office))
    with world.running("--after-restore") as run:
        run.until(lambda: time.monotonic() - asked > 4, "the reminder is long due")
        assert len(office.received(office.expert)) == 1
        office.command("release", "--restored")
        run.until(lambda: len(office.received(office.expert)) == 2, "the reminder is sent")
