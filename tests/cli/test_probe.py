"""Trying out an account: what is found, that nothing changes, and what test mails come to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.office import Office
from tests.world import World


@pytest.fixture
def office(world: World) -> Office:
    """An office whose support account was applied and never fetched."""
    return Office(world)


def probed(office: Office, *arguments: str, check: int = 0, account: str = "acme/support") -> Any:
    return json.loads(office.command("probe", account, *arguments, "--format", "json", check=check).out)


def arrivals(found: Any) -> tuple[str, str]:
    return found["plain"]["arrival"], found["subaddress"]["arrival"]


def test_both_servers_are_looked_at_and_nothing_changes(office: Office) -> None:
    office.world.deliver(office.support, 2)
    before = office.world.dovecot.messages(office.support)
    found = probed(office)
    assert (found["account"], found["well"]) == ("acme/support", True)
    assert found["fetch"]["condition"] == "Ok"
    assert {"UIDPLUS", "MOVE", "IDLE", "CONDSTORE"} <= set(found["fetch"]["capabilities"])
    assert found["fetch"]["folders"] == [{"folder": "INBOX", "waiting": 2}]
    assert (found["smtp"]["via"], found["smtp"]["condition"], found["smtp"]["tls"]) == ("acme/support", "Ok", False)
    assert "PLAIN" in found["smtp"]["auth"]
    assert found["smtp"]["size"] > 0
    assert (found["plain"], found["subaddress"], found["subaddressing"]) == (None, None, None)
    assert office.world.dovecot.messages(office.support) == before
    assert not any("\\Seen" in mail.flags for mail in before)


def test_what_is_in_the_ledger_does_not_wait(office: Office) -> None:
    office.world.deliver(office.support, 2)
    office.fetch()
    office.world.deliver(office.support, 1, subject="Another")
    assert probed(office)["fetch"]["folders"] == [{"folder": "INBOX", "waiting": 1}]


def test_a_mailbox_whose_mails_are_deleted_after_fetching_is_left_alone(world: World) -> None:
    office = Office(world, support={"imap": {"after_fetch": "delete"}})
    world.deliver(office.support, 1)
    assert probed(office)["fetch"]["folders"] == [{"folder": "INBOX", "waiting": 1}]
    assert [mail.flags for mail in world.dovecot.messages(office.support)] == [frozenset()]


def test_the_text_says_the_same_in_a_few_lines(office: Office) -> None:
    out = office.command("probe", "acme/support").out
    assert out.startswith("acme/support\n  fetch: imap Ok, UIDPLUS yes, MOVE yes, IDLE yes, CONDSTORE yes\n")
    assert "    INBOX: 0 waiting\n  smtp: Ok through acme/support, no TLS, " in out


def test_a_server_that_does_not_serve_is_told_with_its_condition(office: Office) -> None:
    office.world.secret("acme", "support", "wrong")
    found = probed(office, check=4)
    assert (found["fetch"]["condition"], found["smtp"]["condition"]) == ("AuthFailed", "AuthFailed")
    assert "wrong" not in office.command("probe", "acme/support", check=4).out


def test_an_account_that_is_not_applied_is_not_probed(office: Office) -> None:
    assert "no account acme/sales is applied" in office.command("probe", "acme/sales", check=1).err


def test_a_main_account_that_sends_through_another(world: World) -> None:
    office = Office(world, reply={"smtp": None, "send_from": "support"})
    found = probed(office, account="acme/reply")
    assert (found["smtp"]["via"], found["smtp"]["condition"]) == ("acme/support", "Ok")
    assert probed(office, account="main/main-reply")["well"]


def test_a_server_that_takes_subaddresses_is_recognised(office: Office) -> None:
    found = probed(office, "--mail", "--timeout", "20")
    assert (arrivals(found), found["subaddressing"]) == (("arrived", "arrived"), "+")
    plain, sub = office.world.smtp_server.envelopes(office.support)
    assert (plain.mail_from, plain.rcpt_tos) == (office.support, (office.support,))
    local, _, domain = office.support.partition("@")
    assert sub.rcpt_tos[0].startswith(f"{local}+")
    assert len(sub.rcpt_tos[0]) == len(office.support) + 1 + 34
    assert sub.rcpt_tos[0].endswith(f"@{domain}")
    assert 'subaddressing: "+" can be switched on' in office.command("probe", "acme/support", "--mail").out


def test_a_server_that_refuses_subaddresses_is_recognised(office: Office) -> None:
    office.world.smtp_server.behave_exactly(office.support, "accept")
    office.world.smtp_server.behave(office.support, "permfail")
    found = probed(office, "--mail", "--timeout", "20", check=4)
    assert (arrivals(found), found["subaddressing"]) == (("arrived", "refused"), "off")
    assert "550" in found["subaddress"]["reason"]


def test_a_mail_that_does_not_arrive_says_nothing_of_subaddresses(office: Office) -> None:
    office.world.smtp_server.behave(office.support, "lose")
    found = probed(office, "--mail", "--timeout", "1.5", check=4)
    assert (arrivals(found), found["subaddressing"]) == (("missing", "missing"), None)


def test_test_mails_are_discarded_quietly_and_nothing_else_is(office: Office) -> None:
    probed(office, "--mail", "--timeout", "20")
    office.world.customer_writes(office.customer, office.support)
    office.fetch()
    assert len(office.cases()) == 1
    assert office.held() == []
    actions = [office.json("explain", "message", f"M{number}")["decision"]["action"] for number in (1, 2, 3)]
    assert actions == ["discard", "discard", "open_case"]


@pytest.mark.parametrize("account", ["acme/reply", "main/main-reply"])
def test_on_a_system_account_they_are_discarded_too(world: World, account: str) -> None:
    office = Office(world, reply={})
    assert arrivals(probed(office, "--mail", "--timeout", "20", account=account)) == ("arrived", "arrived")
    office.fetch()
    assert (office.held(), office.cases()) == ([], [])


def test_a_running_system_may_take_the_test_mails_first(world: World) -> None:
    office = Office(world, support={"imap": {"after_fetch": "delete"}})
    with world.running(RECONCILER_POLL_SECONDS="0.2"):
        found = probed(office, "--mail", "--timeout", "30")
    assert arrivals(found) == ("arrived", "arrived")
    office.fetch()
    assert (office.held(), office.cases(), world.mailbox(office.support)) == ([], [], [])


def test_the_bounce_of_a_test_mail_is_the_answer_and_is_discarded_too(office: Office) -> None:
    office.world.smtp_server.behave_exactly(office.support, "accept")
    office.world.smtp_server.behave(office.support, "bounce")
    found = probed(office, "--mail", "--timeout", "20", check=4)
    assert (arrivals(found), found["subaddressing"]) == (("arrived", "bounced"), "off")
    office.fetch()
    assert (office.held(), office.cases()) == ([], [])
