"""A password that logs in on real servers appears nowhere: no output, log, traceback, argument, file or stored byte."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli import main as cli
from reconciler.core.health import Trouble
from reconciler.source.secret import SecretStore
from tests.office import Office
from tests.world import World

CANARY = "rig-password"
"""What every mailbox and submission server of the rig takes for a password; here every secret holds it."""

WRONG = "canary-Wr0ng-0815"
"""A password that servers refuse, and what stands in files that are no secrets."""

Leaks = Callable[[str | bytes], list[str]]


def forms(value: str) -> Iterator[bytes]:
    """A value as it is, and as base64 shows it inside something longer, whatever stands before it."""
    yield value.encode()
    for before in range(3):
        encoded = base64.b64encode(b"\x00" * before + value.encode())
        yield encoded[4 if before else 0 : len(encoded) - 4]


def leaked(text: str | bytes, *values: str) -> list[bytes]:
    """The forms of the values that stand in it."""
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return [form for value in values or (CANARY, WRONG) for form in forms(value) if form in data]


def test_a_leak_would_be_seen() -> None:
    assert leaked(f"AUTH PLAIN {base64.b64encode(f'{chr(0)}user{chr(0)}{CANARY}'.encode()).decode()}")
    assert leaked(f"{{'password': '{CANARY}'}}")
    assert not leaked("nothing of it")


@pytest.fixture
def office(world: World) -> Office:
    """An office with a case, a forward, an inquiry and a held mail, whose secrets are the canary."""
    assert world.dovecot.password == world.smtp_server.password == CANARY
    made = Office(world, reply={})
    made.opened()
    made.forwarded("C1")
    made.asked("C1")
    world.customer_writes(made.outside("stranger", "stranger.example"), made.reply_account, "Pay me")
    made.fetch()
    world.environment["RECONCILER_SECRET__ACME__SUPPORT"] = CANARY
    return made


def commands() -> Mapping[str, Any]:
    """Every command by the words that call it."""
    found: dict[str, Any] = {}
    for listed in cli.COMMANDS:
        inner = getattr(listed.command, "commands", {"": listed.command})
        found |= {f"{listed.name} {name}".rstrip(): command for name, command in inner.items()}
    return found


ELSEWHERE = {
    "run": "a process of its own, below",
    "demo": "has servers and secrets of its own",
}
LIST = f"""\
Name;E-Mail-Adresse;Typ;Protokoll;Server;Benutzer;Passwort;Mandant
In;in@umbrella.example;Eingangskonto;IMAP;mail.umbrella.example;in;{WRONG};Umbrella
Old;old@umbrella.example;Eingangskonto;EWS;mail.umbrella.example;old;{WRONG};Umbrella
"""
"""A list to carry over, with passwords in it; the one file that a person wrote them into."""

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "plan": ("--out", "plan-out.json"),
    "apply": ("--report", "report.json"),
    "ack": ("a" * 64, "--reason", "because"),
    "accept-rewrite": ("a" * 40, "--reason", "because"),
    "snapshot": ("--out", "snapshot.json"),
    "suspend": ("fetching", "acme/support", "--reason", "because", "--for", "1h"),
    "resume": ("fetching", "acme/support", "--reason", "because"),
    "probe": ("acme/support",),
    "inspect": ("mail.eml",),
    "resync": ("acme/support",),
    "audit": ("acme/support",),
    "case": ("C1",),
    "reply": ("C1", "--text", "Dear customer"),
    "note": ("C1", "--text", "a note"),
    "close": ("C1",),
    "reopen": ("C1",),
    "forward": ("C1", "--to", "x@partner.example"),
    "inquire": ("C1", "--to", "y@partner.example", "--text", "Do you know?"),
    "remind": ("R1",),
    "withdraw": ("R2",),
    "release": ("H1",),
    "discard": ("H1",),
    "reclassify": ("M1", "notification"),
    "erase": ("x@partner.example", "--reason", "because"),
    "rollback": ("1", "--tenant", "acme", "--reason", "because"),
    "backup": ("backup.db",),
    "init": ("repository",),
    "new": ("--tenant", "acme", "--help"),
    "import csv": ("list.csv", "--into", "imported"),
    "explain account": ("acme/support",),
    "explain serving": ("acme", "reply"),
    "explain message": ("M1",),
    "explain code": ("E205",),
}


def formats(command: Any) -> list[tuple[str, ...]]:
    """`--format` with each value that the command knows."""
    option = next((p for p in command.params if "--format" in p.opts), None)
    return [("--format", str(choice)) for choice in type(option.default)] if option is not None else [()]


def everything(office: Office, caplog: pytest.LogCaptureFixture) -> str:
    """What every command says in every format, and what is logged at debug meanwhile."""
    caplog.set_level(logging.DEBUG)
    (office.world.path / "mail.eml").write_text("From: a@b.example\n\ntext\n")
    (office.world.path / "list.csv").write_text(LIST)
    (office.world.path / "imported").mkdir(exist_ok=True)
    said, refused = [], []
    for words, command in commands().items():
        if words in ELSEWHERE:
            continue
        for form in formats(command):
            done = office.command(*words.split(), *ARGUMENTS.get(words, ()), *form, check=None)
            refused += [f"{words}: {done.err}"] if done.code == 64 else []
            said.append(f"{words} {form}: {done.code}\n{done.out}\n{done.err}")
    assert refused == []
    return "\n".join([*said, caplog.text])


def written(world: World) -> Iterator[tuple[Path, bytes]]:
    """Every file the program may have written: the state with its WAL, plans, snapshots, backups, repositories."""
    for path in world.path.rglob("*"):
        if path.is_file() and world.secrets not in path.parents and path.name != "list.csv":
            yield path, path.read_bytes()


@pytest.mark.slow
@pytest.mark.field("secrets")
def test_no_command_shows_it_in_any_format_or_file(
    office: Office, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(office.world.path)
    assert leaked(everything(office, caplog)) == []
    assert {path.name for path, data in written(office.world) if leaked(data)} == set()
    names = {path.name for path, _ in written(office.world)}
    assert {"state.db", "plan-out.json", "report.json", "snapshot.json", "backup.db"} <= names


@pytest.mark.slow
@pytest.mark.field("secrets")
@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param(WRONG.encode(), id="refused by the server"),
        pytest.param(WRONG.encode() + b"\xff", id="no UTF-8"),
        pytest.param(WRONG.encode() + b"\r\nA LOGOUT", id="two lines"),
        pytest.param(WRONG.encode() * 5000, id="too large"),
        pytest.param(WRONG.encode() + b"\x00", id="NUL"),
        pytest.param("canary-Wr0ng-0815-ü".encode(), id="not ASCII"),
    ],
)
def test_no_failure_shows_it(office: Office, caplog: pytest.LogCaptureFixture, spoilt: bytes) -> None:
    caplog.set_level(logging.DEBUG)
    world = office.world
    del world.environment["RECONCILER_SECRET__ACME__SUPPORT"]
    for file in (world.secrets / "acme").iterdir():
        file.write_bytes(spoilt)
    office.command("reply", "C1", "--text", "Dear customer")
    tried = (("fetch",), ("send", "--drain"), ("probe", "acme/support"), ("status",), ("plan",), ("apply",))
    said = [office.command(*words, check=None) for words in tried]
    assert "SecretMissing" in said[3].out or "AuthFailed" in said[3].out
    assert leaked("".join(done.out + done.err for done in said) + caplog.text) == []
    try:
        SecretStore(world.secrets, {}).resolve("acme", "support")
    except Trouble:
        assert leaked(traceback.format_exc()) == []
    assert {path.name for path, data in written(world) if leaked(data)} == set()


@pytest.mark.slow
@pytest.mark.field("secrets")
def test_a_running_system_shows_it_neither_in_its_log_nor_in_its_arguments(office: Office) -> None:
    world = office.world
    del world.environment["RECONCILER_SECRET__ACME__SUPPORT"]
    with world.running("--debug") as run:
        world.customer_writes(f"Carla <{office.customer}>", office.support, "Again")
        run.until(lambda: run.events("mail.routed"), "a mail is routed")
        world.secret("globex", "in", WRONG)
        world.unit("globex", world.account("in", world.fresh("in")))
        run.until(lambda: run.events("step.trouble"), "a login is refused")
        for process in family(run.process.pid):
            for name in ("cmdline", "environ"):
                assert leaked((process / name).read_bytes()) == [], f"{process / name}"
        lines = json.dumps(run.log())
    assert leaked(lines) == []
    assert {path.name for path, data in written(world) if leaked(data)} == set()


def family(pid: int) -> list[Path]:
    """The process and all its descendants in /proc."""
    found = [Path(f"/proc/{pid}")]
    for folder in found:
        for task in (folder / "task").iterdir():
            # A thread may end while its process is looked at.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found += [Path(f"/proc/{child}") for child in (task / "children").read_text().split()]
    return [folder for folder in found if os.access(folder / "environ", os.R_OK)]


LITERALS = [
    pytest.param("password: canary-Wr0ng-0815", id="plain"),
    pytest.param("password: {secret: canary-Wr0ng-0815}", id="as the name"),
    pytest.param("password: {canary-Wr0ng-0815: x}", id="as a key"),
    pytest.param("password: [canary-Wr0ng-0815]", id="in a list"),
    pytest.param("password: {secret: {value: canary-Wr0ng-0815}}", id="deeper"),
    pytest.param("password: {secret: support, value: canary-Wr0ng-0815}", id="beside a name"),
    pytest.param("password: !canary-Wr0ng-0815 x", id="as a tag"),
    pytest.param("password: &canary-Wr0ng-0815 x", id="as an anchor"),
    pytest.param("password: *canary-Wr0ng-0815", id="as an alias"),
    pytest.param("password: 'canary-Wr0ng-0815", id="a quote is missing"),
    pytest.param("password: {secret: 'canary-Wr0ng-0815'", id="a brace is missing"),
    pytest.param("password: canary-Wr0ng-0815: x", id="a colon"),
    pytest.param("password: canary-Wr0ng-0815\n      password: canary-Wr0ng-0815", id="twice"),
    pytest.param("passwort: canary-Wr0ng-0815", id="under an unknown key"),
]
_TENANT = """\
version: 1
tenant: globex
accounts:
  - id: in
    name: In
    type: inbound
    address: in@globex.example
    protocol: imap
    imap:
      host: mail.globex.example
      username: in
      %s
"""


@pytest.mark.field("secrets")
@pytest.mark.parametrize("line", LITERALS)
def test_a_literal_password_in_a_file_is_never_repeated(office_folder: Office, line: str) -> None:
    office = office_folder
    (office.world.accounts / "globex.yaml").write_text(_TENANT % line, encoding="utf-8")
    tried = [("validate", *form) for form in formats(commands()["validate"])]
    tried += [("plan", *form) for form in formats(commands()["plan"])]
    tried += [("apply",), ("apply", "--format", "json"), ("status",), ("explain", "account", "globex/in")]
    said = [office.command(*words, check=None) for words in tried]
    assert {done.code for done in said[: len(tried) - 2]} == {1}
    assert leaked("".join(done.out + done.err for done in said), WRONG) == []
    state = Path(office.world.state.removeprefix("sqlite:///"))
    assert leaked(state.read_bytes(), WRONG) == []


@pytest.fixture
def office_folder(world: World) -> Office:
    """An office that was applied; nothing was fetched."""
    return Office(world)
