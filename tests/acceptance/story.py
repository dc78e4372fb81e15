"""Rows that tell one story each over several mails; the explanation of every mail must lead along its whole path."""

from __future__ import annotations

import re
from typing import Any

from tests.acceptance.rows import Row, adding_to, bounce
from tests.office import ANSWER, Office, header, reply_to, text_of
from tests.world import World

STORIES: dict[str, Row] = {}
row = adding_to(STORIES)

_TOKEN = re.compile(r"\+([0-9a-z]{2})([a-z2-7]{32})@")


def explained(office: Office, mail: str, kind: str, action: str, **facts: object) -> dict[str, Any]:
    """What `explain message` says of a mail that came in: what it was, what became of it and where the YAML line is."""
    told: dict[str, Any] = office.json("explain", "message", mail)
    decision = told["decision"]
    assert (decision["kind"], decision["action"]) == (kind, action), told
    assert facts.items() <= {**decision, **told}.items(), told
    assert told["account"]["file"].endswith(".yaml")
    assert told["account"]["line"] > 1
    assert len(decision["correlation"]["tried"]) >= 6
    return told


@row("story: forward to the end")
def _forward(world: World) -> str:
    office = Office(world)
    case = office.opened()
    asked = office.forwarded(case)
    office.answers(asked, "I am out of the office until 14 March 2026.", "Auto-Submitted: auto-replied")
    office.route()
    assert office.received() == []
    office.command("remind", "R1", "--text", "Please.")
    office.send()
    reminder = world.mailbox(office.expert)[-1]
    assert "Please." in text_of(reminder)
    office.answers(reminder)
    office.route()
    (relayed,) = office.received()
    assert ANSWER in text_of(relayed)
    office.answers(relayed, "Thank you.", sender=f"Carla <{office.customer}>", to=reply_to(relayed) or office.support)
    office.route()
    assert [one["id"] for one in office.cases()] == [case]
    assert office.kinds(case)[-1] == "customer_message", office.kinds(case)
    assert len(office.received()) == 1
    explained(office, "M1", "human", "open_case", case=case)
    explained(office, "M2", "auto_reply", "file", referral="R1")
    explained(office, "M3", "human", "relay", referral="R1")
    explained(office, "M4", "human", "continue_case", case=case)
    sent = office.json("explain", "message", str(relayed["Message-ID"]))
    assert (sent["purpose"], sent["case"], sent["account"]["file"]) == ("relay", case, "acme.yaml"), sent
    return (
        "out-of-office to nobody, reminded, the answer relayed once, the customer's thanks on the case; each explained"
    )


@row("story: bounce, forgery, reply-all")
def _attacks(world: World) -> str:
    office = Office(world, support={"subaddressing": "+"})
    asked = office.forwarded(office.opened())
    (envelope,) = world.smtp_server.envelopes(office.expert)
    office.submit(bounce(office, asked), envelope.mail_from, "")
    office.route()
    explained(office, "M2", "bounce", "file", referral="R1", event="bounce")
    to = reply_to(asked)
    found = _TOKEN.search(to)
    assert found is not None, to
    forged = to.replace(found[2], ("a" if found[2][-1] != "a" else "b").join((found[2][:-1], "")))
    office.answers(asked, "Pay to this account.", to=forged, threaded=False)
    office.route()
    explained(office, "M3", "human", "hold", reason="forged-token")
    again = office.forwarded("C1", office.outside("other", "partner.example"))
    sender = header(again, "To")
    office.answers(again, ANSWER, f"Cc: {office.customer}, {office.support}", sender=sender)
    office.route()
    explained(office, "M4", "human", "hold", referral="R2", reason="customer-copied")
    assert office.received() == []
    assert world.smtp_server.envelopes(office.customer) == []
    assert "forged-token" in office.held()
    return f"nothing of them reached the customer; held: {', '.join(office.held())}; each explained"


@row("story: inquiry to the note")
def _inquiry(world: World) -> str:
    office = Office(world)
    (asked,) = office.asked(office.opened())
    office.answers(asked)
    office.route()
    (told,) = world.mailbox(world.environment["RECONCILER_AGENT"])[-1:]
    assert ANSWER in text_of(told)
    assert "C1" in header(told, "Subject")
    assert office.received() == []
    assert office.kinds("C1")[-1] == "note", office.kinds("C1")
    explained(office, "M2", "human", "to_agent", referral="R1")
    return "the agent has it by mail and the case as a note, the customer nothing; explained"
