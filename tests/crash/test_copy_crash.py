"""Fetching is killed while a server without MOVE copies; in the end each mail lies once in the other folder."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rig.certificate import Certificate
from tests.rig.dovecot import WITHOUT_MOVE, Dovecot
from tests.rig.smtp_server import SmtpServer
from tests.world import World, mail

SUBJECTS = [f"Mail {number}" for number in range(1, 7)]
WEIGHT = 3

both_doors = pytest.mark.parametrize("door", ["thread", "fast"])
fast_door = pytest.mark.parametrize("door", ["fast"])


@pytest.fixture(scope="module")
def no_move(certificate: Certificate) -> Iterator[Dovecot]:
    """A Dovecot that cannot move mails in one command."""
    directory = Path(tempfile.mkdtemp(prefix="rig-"))
    server = Dovecot(directory, certificate, WITHOUT_MOVE)
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def world(
    tmp_path: Path, no_move: Dovecot, smtp_server: SmtpServer, fresh_address: Callable[[str], str], door: str
) -> World:
    """The program over the server without MOVE, through one door."""
    world = World(tmp_path, no_move, smtp_server, fresh_address)
    world.environment["RECONCILER_DOOR"] = door
    return world


def stage(world: World) -> str:
    """Apply acme with one account that moves, with mail in it and in the folder it moves to; its address."""
    address = world.fresh()
    imap = {"after_fetch": "move", "move_to": "Done"}
    world.unit("acme", world.account("support", address, weight=WEIGHT, imap=imap))
    world.apply()
    world.dovecot.create_folder(address, "Done")
    world.dovecot.deliver(address, mail("c@customer.example", address, "Mail 0"), folder="Done")
    world.deliver(address, len(SUBJECTS))
    return address


def killed(world: World, fault: str) -> None:
    """Fetch with a fault that kills the process."""
    done = world.command("fetch", "--drain", check=None, RECONCILER_FAULTS=fault)
    assert done.returncode == -signal.SIGKILL, done.stderr


def subjects(world: World, address: str, folder: str) -> list[str]:
    """The subjects of the mails of a folder, sorted."""
    return sorted(str(one["Subject"]) for one in world.mailbox(address, folder))


@both_doors
@pytest.mark.parametrize("faults", [["copied#2=kill"], ["copied=kill"] * 2], ids=["later", "twice"])
def test_a_kill_between_copy_and_deletion_leaves_one_copy(world: World, faults: list[str]) -> None:
    address = stage(world)
    for fault in faults:
        killed(world, fault)
    world.command("fetch", "--drain")
    assert subjects(world, address, "Done") == ["Mail 0", *SUBJECTS]
    assert subjects(world, address, "INBOX") == []
    assert world.dovecot.bodies_fetched(address) == len(SUBJECTS)


@fast_door
def test_of_two_mails_alike_each_is_copied_once(world: World) -> None:
    address = stage(world)
    (first, *_) = [one.raw for one in world.dovecot.messages(address)]
    world.dovecot.deliver(address, first)
    killed(world, "copied=kill")
    killed(world, "copied#2=kill")
    world.command("fetch", "--drain")
    assert subjects(world, address, "Done") == ["Mail 0", "Mail 1", *SUBJECTS]
    assert subjects(world, address, "INBOX") == []


@fast_door
def test_a_copy_is_found_in_a_folder_whose_uids_are_new(world: World) -> None:
    address = stage(world)
    killed(world, "copied=kill")
    world.dovecot.bump_uidvalidity(address, "Done")
    world.command("fetch", "--drain")
    assert subjects(world, address, "Done") == ["Mail 0", *SUBJECTS]
    assert subjects(world, address, "INBOX") == []
