"""Every message is explained, received or sent: down to the account, its line in the files, and the revision."""

from __future__ import annotations

from typing import Any

import pytest

from tests.office import Office
from tests.world import World, mail


@pytest.fixture
def office(world: World) -> Office:
    """An office whose case C1 (mail M1) was forwarded (O1) and answered (M2), and the answer relayed (O2)."""
    made = Office(world, name="Acme Ltd")
    made.answers(made.forwarded(made.opened()))
    made.route()
    return made


def explained(office: Office, wanted: str) -> Any:
    return office.json("explain", "message", wanted)


def line_of(office: Office, file: str, account: str) -> int:
    """The line on which the account's block begins."""
    lines = (office.world.accounts / file).read_text().splitlines()
    named = next(n for n, line in enumerate(lines) if f'"id": "{account}"' in line)
    return max(n for n in range(named + 1) if lines[n].strip() == "{") + 1


def applied_revision(office: Office, unit: str) -> Any:
    return next(r for r in office.json("history")["revisions"] if r["tenant"] == unit)


def test_a_received_mail_leads_to_its_account_line_and_revision(office: Office) -> None:
    told = explained(office, "M1")
    assert (told["direction"], told["state"], told["from"]) == ("received", "routed", office.customer)
    fetched = told["fetched"]
    assert (fetched["account"], fetched["folder"], fetched["uid"]) == ("acme/support", "INBOX", "1")
    assert (told["case"], told["tenant"], told["held"], told["attempts"]) == ("C1", "acme", None, 1)
    account = told["account"]
    assert (account["account"], account["file"]) == ("acme/support", "acme.yaml")
    assert account["line"] in (line_of(office, "acme.yaml", "support"), line_of(office, "acme.yaml", "support") + 1)
    assert (told["revision"]["tenant"], told["revision"]["revision"]) == ("acme", account["revision"])
    assert len(told["revision"]["digest"]) == 64


def test_an_answer_says_how_it_was_found_and_what_followed(office: Office) -> None:
    told = explained(office, "M2")
    assert (told["case"], told["referral"], told["outbox"]) == ("C1", "R1", ["O2"])
    decision = told["decision"]
    assert (decision["action"], decision["kind"], decision["event"]) == ("relay", "human", "answer")
    assert (decision["correlation"]["outcome"], decision["correlation"]["rung"]) == ("match", "recipient-token")
    assert decision["correlation"]["evidence"]
    assert (told["account"]["account"], told["account"]["file"]) == ("main/main-reply", "main.yaml")
    assert told["revision"]["tenant"] == "acme"


def test_a_held_mail_says_why(office: Office) -> None:
    office.world.customer_writes("stranger@stranger.example", office.world.main_reply)
    office.fetch()
    told = explained(office, "M3")
    assert (told["state"], told["held"]["id"], told["held"]["reason"]) == ("held", "H1", "uncorrelated")
    assert (told["decision"]["action"], told["case"], told["tenant"]) == ("hold", None, None)
    assert told["revision"]["tenant"] == "main"


def test_a_bounce_shows_its_evidence(office: Office) -> None:
    office.submit(
        mail("MAILER-DAEMON@x.example", office.support, "Undelivered Mail Returned to Sender", "No such user"),
        office.support,
        "",
    )
    office.fetch()
    decision = explained(office, "M3")["decision"]
    assert decision["kind"] == "bounce"
    assert {"signal", "source", "detail"} <= decision["evidence"][0].keys()


def test_a_sent_forward_leads_to_the_account_its_answer_comes_to(office: Office) -> None:
    told = explained(office, "O1")
    assert (told["direction"], told["state"], told["purpose"], told["to"]) == ("sent", "sent", "forward", office.expert)
    assert (told["case"], told["tenant"], told["possibly_twice"]) == ("C1", "acme", False)
    (envelope,) = office.world.smtp_server.envelopes(office.expert)
    assert told["envelope_from"] == envelope.mail_from
    assert told["referral"]["id"] == "R1"
    assert told["referral"]["answers_to"]["account"] == "main/main-reply"
    assert told["referral"]["answer_goes_to"] == office.customer
    assert (told["account"]["file"], told["account"]["line"] > 1) == ("main.yaml", True)
    assert told["revision"]["tenant"] == "acme"
    assert told["answer"].startswith("250 ")


def test_a_sent_relay_leads_to_the_inbound_account(office: Office) -> None:
    told = explained(office, "o2")
    assert (told["purpose"], told["to"], told["account"]["account"]) == ("relay", office.customer, "acme/support")
    assert (told["account"]["file"], told["revision"]["tenant"]) == ("acme.yaml", "acme")


def test_a_message_id_finds_what_was_sent_and_what_was_received(office: Office) -> None:
    (sent,) = office.received()
    (received,) = office.received(office.support)
    assert explained(office, sent["Message-ID"])["message"] == "O2"
    assert explained(office, received["Message-ID"])["message"] == "M1"


def test_the_revision_is_the_one_that_was_followed_then(office: Office) -> None:
    before = explained(office, "M1")["revision"]["revision"]
    office.world.unit("acme", office.world.account("support", office.support, weight=7), name="Acme Ltd")
    office.command("apply")
    office.world.customer_writes(office.customer, office.support, "Later")
    office.fetch()
    assert explained(office, "M1")["revision"]["revision"] == before
    assert explained(office, "M3")["revision"]["revision"] > before


def test_for_people(office: Office) -> None:
    lines = office.command("explain", "message", "M2").out.splitlines()
    for line in ("message: M2", "  action: relay", "case: C1", "referral: R1", "  file: main.yaml", "held: none"):
        assert line in lines


@pytest.mark.parametrize("wanted", ["M99", "O99", "<nobody@nowhere.example>", "M", "x", "M1.0", "M-1"])
def test_a_message_there_is_not_is_told(office: Office, wanted: str) -> None:
    done = office.command("explain", "message", wanted, check=1)
    assert (done.out, wanted in done.err) == ("", True)
