"""The mails of ours as they arrive, in the tenant's language or in its own words."""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message
from typing import Any

import pytest

from reconciler.core.template import ALLOWED_NAMES
from reconciler.runtime.writer import Writer
from tests.office import ANSWER, QUESTION, Office, header, text_of
from tests.world import World


@pytest.fixture
def agent(world: World) -> str:
    """The acting agent's mailbox, which no other test writes to."""
    world.environment["RECONCILER_AGENT"] = world.fresh("agent").replace("acme.example", "staff.example")
    return world.environment["RECONCILER_AGENT"]


class Told(Office):
    """An office whose rule asks to tell a colleague of each new case."""

    def __init__(self, world: World, **tenant: Any) -> None:
        self.colleague = world.fresh("colleague").replace("acme.example", "staff.example")
        rule = {"id": "everything", "when": {}, "then": {"notify": self.colleague}}
        super().__init__(world, routing=[rule], **tenant)


def reply(office: Office) -> Message:
    office.command("reply", "C1", "--text", "Here you are.")
    office.send()
    return office.received()[-1]


def relay(office: Office) -> Message:
    office.answers(office.forwarded("C1"))
    office.route()
    return office.received()[-1]


def forward(office: Office) -> Message:
    return office.forwarded("C1")


def inquiry(office: Office) -> Message:
    return office.asked("C1")[0]


def reminder(office: Office) -> Message:
    office.asked("C1")
    office.command("remind", "R1", "--text", "Please.")
    office.send()
    return office.received(office.expert)[-1]


def notice(office: Told) -> Message:
    with office.house() as house:
        writer = Writer(house.store)
        house.errands(writer).look()
        writer.close()
    office.send()
    return office.received(office.colleague)[-1]


def to_agent(office: Office) -> Message:
    office.answers(office.asked("C1")[0])
    office.route()
    return office.received(office.world.environment["RECONCILER_AGENT"])[-1]


MAILS: dict[str, Callable[[Told], Message]] = {
    "agent": to_agent,
    "forward": forward,
    "inquiry": inquiry,
    "notice": notice,
    "relay": relay,
    "reminder": reminder,
    "reply": reply,
}
SHIPPED: dict[tuple[str, str], tuple[str, list[str]]] = {
    ("en", "agent"): ("[Acme C1] Answer: My parcel", [ANSWER, "answered your inquiry on case C1"]),
    ("en", "forward"): ("[Acme C1] My parcel", ["Can you help?", f"> {QUESTION}", "A customer of Acme wrote:"]),
    ("en", "inquiry"): ("[Acme C1] Inquiry: My parcel", ["Do you know?", f"> {QUESTION}", "not to the customer"]),
    ("en", "notice"): ("New case C1: My parcel", [QUESTION, "has written to Acme.", "rule everything asks"]),
    ("en", "relay"): ("Re: My parcel", [ANSWER]),
    ("en", "reminder"): ("Reminder: [Acme C1] My parcel", ["We asked you on ", "Please.", f"> {QUESTION}"]),
    ("en", "reply"): ("Re: My parcel", ["Here you are."]),
    ("de", "agent"): ("[Acme C1] Antwort: My parcel", [ANSWER, "hat Ihre Rückfrage zum Vorgang C1 beantwortet"]),
    ("de", "forward"): ("[Acme C1] My parcel", ["Can you help?", f"> {QUESTION}", "Ein Kunde von Acme schrieb:"]),
    ("de", "inquiry"): ("[Acme C1] Rückfrage: My parcel", ["Do you know?", f"> {QUESTION}", "nicht der Kunde"]),
    ("de", "notice"): ("Neue Anfrage C1: My parcel", [QUESTION, "hat an Acme geschrieben.", "die Regel everything"]),
    ("de", "relay"): ("Re: My parcel", [ANSWER]),
    ("de", "reminder"): ("Erinnerung: [Acme C1] My parcel", ["Wir haben Sie am ", "Please.", f"> {QUESTION}"]),
    ("de", "reply"): ("Re: My parcel", ["Here you are."]),
}


def test_every_template_has_its_mail_here() -> None:
    assert MAILS.keys() == ALLOWED_NAMES.keys() == {name for _, name in SHIPPED}


@pytest.mark.parametrize(("language", "name"), SHIPPED, ids=" ".join)
@pytest.mark.usefixtures("agent")
def test_a_mail_speaks_the_tenants_language(world: World, language: str, name: str) -> None:
    office = Told(world, name="Acme", language=language)
    office.opened()
    found = MAILS[name](office)
    subject, words = SHIPPED[language, name]
    assert header(found, "Subject") == subject
    assert [w for w in words if w not in text_of(found)] == []


@pytest.mark.parametrize("name", MAILS)
@pytest.mark.usefixtures("agent")
def test_a_tenants_own_text_goes_before_the_shipped_one(world: World, name: str) -> None:
    own = {"subject": f"{name} {{{{ case }}}}", "text": "Grüße von {{ tenant_name }}: {{ text }}\n"}
    office = Told(world, name="Acme", language="de", templates={name: own})
    office.opened()
    found = MAILS[name](office)
    assert header(found, "Subject") == f"{name} C1"
    assert text_of(found).startswith("Grüße von Acme: ")


def test_another_template_of_the_tenant_leaves_the_shipped_one(world: World) -> None:
    own = {"relay": {"subject": "x", "text": "y"}}
    office = Office(world, name="Acme", language="de", templates=own)
    office.opened()
    assert header(reply(office), "Subject") == "Re: My parcel"
