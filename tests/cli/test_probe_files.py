"""`validate --probe` and `plan --probe`: servers are tried before anything is applied, and secrets go nowhere new."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.office import Office
from tests.world import World


@pytest.fixture
def office(world: World, tls_environment: None) -> Office:
    return Office(world)


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def found(office: Office, *arguments: str, check: int) -> list[tuple[str, str, str]]:
    """Code, pointer and condition of each finding about servers."""
    answer = json.loads(office.command(*arguments, "--format", "json", check=check).out)
    return [(f["code"], f["pointer"], f["message"].partition(":")[0]) for f in answer["findings"] if f["code"] > "W3"]


def servers(office: Office, check: int = 0) -> dict[tuple[str, str], Any]:
    """What `plan --probe` tells, by account and block."""
    answer = json.loads(office.command("plan", "--probe", "--format", "json", check=check).out)
    return {(one["account"], one["block"]): one for one in answer["servers"]}


def test_servers_that_serve_are_no_finding_and_see_no_login(office: Office) -> None:
    assert found(office, "validate", "--probe", check=0) == []
    assert office.world.dovecot.logins(office.support) == 0


def test_what_a_server_lacks_stands_at_its_line(office: Office) -> None:
    world = office.world
    dead = world.account("support", office.support, imap={"port": closed_port()})
    dead["smtp"] |= {"port": world.smtp_server.old_port, "security": "starttls", "host": "localhost"}
    world.unit("acme", dead)
    assert found(office, "validate", "--probe", check=0) == [
        ("W301", "/accounts/0/imap/host", "Unreachable"),
        ("W301", "/accounts/0/smtp/host", "TlsFailed"),
    ]
    assert office.command("validate", "--probe", "--strict", check=1).out.count("warning W301") == 2


def test_a_server_for_many_is_tried_once(office: Office) -> None:
    world = office.world
    port = closed_port()
    world.unit("acme", *(world.account(f"a{n}", world.fresh(f"a{n}"), imap={"port": port}) for n in range(30)))
    assert len(found(office, "validate", "--probe", check=0)) == 30


def test_a_bound_secret_logs_in_where_it_may_and_mails_are_counted(office: Office) -> None:
    world = office.world
    world.deliver(office.support, 3)
    world.unit("acme", world.account("support", office.support, weight=9))
    seen = servers(office)
    imap, smtp = seen["acme/support", "imap"], seen["acme/support", "smtp"]
    assert (imap["condition"], imap["logged_in"], imap["folders"]) == ("Ok", True, [{"folder": "INBOX", "mails": 3}])
    assert (smtp["condition"], smtp["logged_in"]) == ("Ok", True)
    assert "IMAP4REV1" in imap["capabilities"]
    assert world.seen(office.support) == []
    text = office.command("plan", "--probe").out
    assert "the login works; 3 in INBOX" in text


def test_a_secret_goes_nowhere_new(office: Office) -> None:
    """An attacker's server gets a greeting and no login; nor does a server that nobody has named yet."""
    world = office.world
    world.unit("acme", world.account("support", office.support, imap={"username": world.fresh("theirs")}))
    assert servers(office, check=3)["acme/support", "imap"]["logged_in"] is False
    world.unit("acme", world.account("support", office.support), world.account("new", world.fresh("new")))
    assert servers(office)["acme/new", "imap"]["logged_in"] is False


def test_the_operators_policy_lets_new_servers_be_logged_in_to(office: Office, tmp_path: Path) -> None:
    world = office.world
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nhosts:\n  allow: [127.0.0.1]\n")
    world.unit("acme", world.account("support", office.support), world.account("new", world.fresh("new")))
    world.secret("acme", "new", "wrong")
    done = office.command("plan", "--probe", "--policy", str(policy), "--format", "json")
    told = {(s["account"], s["block"]): s for s in json.loads(done.out)["servers"]}
    assert told["acme/new", "imap"]["condition"] == "AuthFailed"
    assert "warning W302" in done.err
    assert "AuthFailed" in done.err
