"""Ten accounts in trouble, each in its own way, beside a healthy one, all fetched by one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.rig.certificate import make_certificate
from tests.rig.dovecot import Dovecot
from tests.rig.scripted import CLOSES_AT_ONCE, GARBAGE, SILENT, Script, ScriptedServer
from tests.rig.smtp_server import SmtpServer
from tests.world import World

pytestmark = pytest.mark.xdist_group("fetch-faults")
"""In one process: what its tests share takes long to make."""

LOGS_IN = (
    ("CAPABILITY", b"* CAPABILITY IMAP4rev1\r\n{tag} OK done\r\n"),
    ("LOGIN", b"{tag} OK done\r\n"),
)
BUSY = (LOGS_IN[0], ("LOGIN", b"{tag} NO [UNAVAILABLE] Too many simultaneous connections\r\n"))

SCRIPTS: dict[str, Script | None] = {
    "unreachable": None,
    "closes": CLOSES_AT_ONCE,
    "silent": SILENT,
    "silent-after-login": Script(b"* OK ready\r\n", LOGS_IN),
    "garbage": GARBAGE,
    "busy": Script(b"* OK ready\r\n", BUSY),
}
CONDITIONS = {
    "unreachable": "Unreachable",
    "closes": "Unreachable",
    "silent": "TimedOut",
    "silent-after-login": "TimedOut",
    "garbage": "ProtocolError",
    "busy": "Throttled",
    "wrong-password": "AuthFailed",
    "wrong-certificate": "TlsFailed",
    "no-folder": "FolderMissing",
    "no-secret": "SecretMissing",
}
WORDS = {
    "unreachable": "refused the connection; check host, port and firewall",
    "wrong-password": "correct username or secret",
    "wrong-certificate": "the certificate is not trusted",
    "no-folder": "no folder Nowhere",
    "no-secret": "acme/no-secret",
}
CANARY = "Kanarie-Vogel-77"


@dataclass(frozen=True)
class Aftermath:
    """What one `fetch --drain` over all of them left behind."""

    world: World
    code: int
    output: str
    status: dict[str, dict[str, Any]]
    healthy: str


@pytest.fixture(scope="module")
def aftermath(
    tmp_path_factory: pytest.TempPathFactory, dovecot: Dovecot, smtp_server: SmtpServer, both_doors: str
) -> Iterator[Aftermath]:
    """One world with every kind of trouble, fetched once. Steps wait 3 s for an answer and are late after 60."""
    path = tmp_path_factory.mktemp("faults")
    world = World(path, dovecot, smtp_server, lambda name: f"{name}-{both_doors[0]}-faults@acme.example")
    with ExitStack() as stack:
        accounts = {name: world.account(name, world.fresh(name)) for name in CONDITIONS}
        for name, script in SCRIPTS.items():
            server = stack.enter_context(ScriptedServer(script))
            accounts[name]["imap"] |= {"host": server.host, "port": server.port}
        accounts["wrong-certificate"]["imap"] |= {"host": "localhost", "security": "tls", "port": dovecot.tls_port}
        accounts["no-folder"]["imap"]["folders"] = ["Nowhere"]
        world.secret("acme", "wrong-password", CANARY)
        healthy = world.fresh("healthy")
        world.unit("acme", *accounts.values(), world.account("healthy", healthy))
        world.secret("acme", "no-secret", None)
        world.apply()
        world.deliver(healthy, 10)
        yield fetched(world, healthy, path)


def fetched(world: World, healthy: str, path: Path) -> Aftermath:
    """Fetch with an authority in the environment that has signed nothing of the rig's."""
    (path / "other").mkdir()
    world.environment["SSL_CERT_FILE"] = str(make_certificate(path / "other").cert)
    limits = {f"RECONCILER_{name}_SECONDS": s for name, s in (("CONNECT", "3"), ("COMMAND", "3"), ("LATE", "60"))}
    done = world.command("fetch", "--drain", "--format", "ndjson", check=None, **limits)
    accounts = world.json("status", check=4)["accounts"]
    status = {a["account"]: a for a in accounts}
    return Aftermath(world, done.returncode, done.stdout + done.stderr, status, healthy)


@pytest.mark.parametrize("account", CONDITIONS)
def test_each_trouble_has_its_condition(aftermath: Aftermath, account: str) -> None:
    assert aftermath.status[account]["condition"] == CONDITIONS[account]
    assert aftermath.status[account]["last_success"] is None


@pytest.mark.parametrize("account", WORDS)
def test_the_reason_names_what_to_mend(aftermath: Aftermath, account: str) -> None:
    assert WORDS[account] in aftermath.status[account]["reason"]


def test_the_command_names_every_account_in_trouble_and_exits_4(aftermath: Aftermath) -> None:
    assert aftermath.code == 4
    assert all(f'"{name}"' in aftermath.output for name in CONDITIONS)


def test_the_healthy_neighbour_is_fetched_whole_by_the_same_command(aftermath: Aftermath) -> None:
    assert aftermath.status["healthy"]["condition"] == "Ok"
    assert aftermath.status["healthy"]["backlog"] == 0
    assert len(aftermath.world.seen(aftermath.healthy)) == 10


def test_no_secret_is_told_to_anyone(aftermath: Aftermath) -> None:
    told = aftermath.output + str(aftermath.status)
    assert CANARY not in told
    assert aftermath.world.dovecot.password not in told


@pytest.mark.usefixtures("both_doors")
def test_an_account_whose_trouble_was_mended_is_fetched_and_well_again(world: World) -> None:
    address = world.fresh()
    world.unit("acme", world.account("support", address))
    world.secret("acme", "support", CANARY)
    world.apply()
    world.deliver(address, 2)
    world.steps()
    assert world.condition("support") == "AuthFailed"
    world.secret("acme", "support", world.dovecot.password)
    world.steps()
    assert world.condition("support") == "Ok"
    assert len(world.seen(address)) == 2
