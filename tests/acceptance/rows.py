"""The rows of the acceptance table: what each makes happen, and what must then lie in mailboxes and envelopes.

A row judges from outside: over IMAP, at the SMTP server, in folders; what the program's database holds is asked only
through commands whose answer is the very thing the row is about.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from email.message import Message
from pathlib import Path
from typing import Any

from reconciler.runtime.clock import utc_now
from tests.office import ANSWER, QUESTION, Office, header, reply_to, text_of
from tests.runtime.test_routing import bounce
from tests.world import Running, World, mail

Row = Callable[[World], str]
"""Plays and judges one row in a world of its own; says what was seen, raises AssertionError if it was not so."""

ROWS: dict[str, Row] = {}


def adding_to(table: dict[str, Row]) -> Callable[[str], Callable[[Row], Row]]:
    """A decorator that adds a function to the table under a name."""

    def named(name: str) -> Callable[[Row], Row]:
        def add(function: Row) -> Row:
            table[name] = function
            return function

        return add

    return named


row = adding_to(ROWS)


def change(office: Office, **keys: Any) -> None:
    """Apply acme's inbound account with other keys."""
    office.world.unit(office.unit, office.world.account("support", office.support, **keys))
    office.command("apply")


def over(office: Office, protocol: str, block: dict[str, Any], **keys: Any) -> None:
    """Apply acme's inbound account over another protocol than IMAP."""
    account = office.world.account("support", office.support, **keys)
    del account["imap"]
    office.world.unit(office.unit, account | {"protocol": protocol, protocol: block})
    office.command("apply")


def named(message: Message) -> str:
    """The display name in From."""
    return header(message, "From").rpartition(" <")[0]


def replied(office: Office, message_id: str) -> Message:
    """Reply to the first case; the customer's mailbox must hold the reply, threaded to what the customer wrote."""
    office.command("reply", "C1", "--text", "Here you are.")
    office.send()
    (reply,) = office.received()
    assert header(reply, "In-Reply-To") == message_id
    return reply


def inquired(office: Office) -> tuple[Message, str]:
    """An inquiry about C1 as the expert has it, and the mailbox of the agent who asked."""
    agent = office.outside("agent", "staff.example")
    office.world.environment["RECONCILER_AGENT"] = agent
    (asked,) = office.asked(office.opened())
    return asked, agent


def mailbox(address: str) -> str:
    """The address without token."""
    local, _, domain = address.partition("@")
    return f"{local.partition('+')[0]}@{domain}"


@row("type")
def _type(world: World) -> str:
    office = Office(world)
    world.unit(
        "acme",
        world.account("support", office.support),
        world.account("reply", office.reply_account, "reply"),
        world.account("second", second := world.fresh("second"), "second-level-reply"),
    )
    office.command("apply")
    asked, agent = inquired(office)
    forward = office.forwarded("C1", office.outside("other", "partner.example"))
    assert (reply_to(forward), reply_to(asked)) == (office.reply_account, second)
    office.answers(forward, sender=header(forward, "To"))
    office.answers(asked, "For you alone.")
    office.route()
    assert [ANSWER in text_of(m) for m in office.received()] == [True]
    assert ["For you alone." in text_of(m) for m in office.received(agent)] == [True]
    return "forwards are answered to the reply account, inquiries to the second-level reply account"


@row("name")
def _name(world: World) -> str:
    office = Office(world, reply={"name": "Acme Experts"}, support={"name": "Acme Support"})
    forward = office.forwarded(office.opened())
    office.command("reply", "C1", "--text", "Hello")
    office.send()
    (reply,) = office.received()
    assert (named(forward), named(reply)) == ("Acme Experts", "Acme Support")
    return "it is the display name in From"


@row("address")
def _address(world: World) -> str:
    office = Office(world, reply={})
    forward = office.forwarded(office.opened())
    (envelope,) = world.smtp_server.envelopes(office.expert)
    assert (reply_to(forward), envelope.mail_from) == (office.reply_account, office.reply_account)
    return f"Reply-To and envelope sender of a forward: {office.reply_account}"


@row("channel")
def _channel(world: World) -> str:
    office = Office(world)
    spool = world.path / "spool"
    spool.mkdir()
    block = {"path": str(spool), "after_fetch": "delete", "start": "all"}
    over(office, "spool", block, channel="fax", settings={"fax": {"line": "+4930123456"}})
    (spool / "1.eml").write_bytes(mail(office.customer, office.support, "Fax", "A fax.", "Message-ID: <1@c.example>"))
    office.fetch()
    replied(office, "<1@c.example>")
    over(office, "spool", block, channel="email")
    world.unit("acme", world.account("support", office.support, channel="telex"))
    assert "E211" in office.command("validate", check=1).out
    return "email, and fax of a plug-in; an unknown one is refused"


@row("protocol: IMAP")
def _imap(world: World) -> str:
    office = Office(world)
    message_id = world.customer_writes(office.customer, office.support)
    office.fetch()
    assert len(world.seen(office.support)) == 1
    replied(office, message_id)
    return "fetched, marked \\Seen on the server, answered"


@row("protocol: POP3")
def _pop3(world: World) -> str:
    office = Office(world)
    block = {"host": "127.0.0.1", "port": world.dovecot.pop3_port, "security": "none", "username": office.support}
    # A secret is bound to the server it logs in to.
    world.secret("acme", "pop3", world.dovecot.password)
    over(office, "pop3", {**block, "password": {"secret": "pop3"}, "after_fetch": "delete", "start": "all"})
    message_id = world.customer_writes(office.customer, office.support)
    office.fetch()
    assert world.mailbox(office.support) == []
    replied(office, message_id)
    return "fetched, deleted on the server, answered"


@row("protocol: Maildir")
def _maildir(world: World) -> str:
    office = Office(world)
    path = world.path / "Maildir"
    for folder in ("new", "cur", "tmp"):
        (path / folder).mkdir(parents=True)
    over(office, "maildir", {"path": str(path), "start": "all"})
    (path / "new" / "1.m").write_bytes(
        mail(office.customer, office.support, "Question", QUESTION, "Message-ID: <1@c.example>")
    )
    office.fetch()
    assert [p.name for p in (path / "cur").iterdir()] == ["1.m:2,S"]
    assert list((path / "new").iterdir()) == []
    replied(office, "<1@c.example>")
    return "fetched, moved to cur as seen, answered"


@row("protocol: plug-in")
def _plug_in(world: World) -> str:
    office = Office(world)
    spool = world.path / "spool"
    spool.mkdir()
    over(office, "spool", {"path": str(spool), "after_fetch": "delete", "start": "all"})
    (spool / "1.eml").write_bytes(
        mail(office.customer, office.support, "Question", QUESTION, "Message-ID: <1@c.example>")
    )
    office.fetch()
    assert list(spool.iterdir()) == []
    replied(office, "<1@c.example>")
    return "a protocol found by its entry point: fetched, removed, answered"


@row("protocol block")
def _protocol_block(world: World) -> str:
    office = Office(world)
    for folder in ("Web", "Fetched"):
        world.dovecot.create_folder(office.support, folder)
    change(office, imap={"folders": ["Web"], "after_fetch": "move", "move_to": "Fetched"})
    world.deliver(office.support, 2, folder="Web")
    world.deliver(office.support, 1)
    office.fetch()
    counts = [len(world.mailbox(office.support, folder)) for folder in ("INBOX", "Web", "Fetched")]
    assert (counts, world.seen(office.support)) == ([1, 0, 2], [])
    return "folders, after_fetch and move_to: two of Web lie in Fetched, INBOX is untouched"


@row("weight")
def _weight(world: World) -> str:
    office = Office(world, support={"weight": 2})
    world.deliver(office.support, 7)
    world.steps(1)
    first = len(world.seen(office.support))
    change(office, weight=4)
    world.steps(1)
    second = len(world.seen(office.support))
    assert (first, second) == (2, 6)
    return "a step takes 2 of 7 mails; after the edit to 4, it takes 4"


@row("send_weight")
def _send_weight(world: World) -> str:
    office = Office(world, support={"send_weight": 2})
    office.opened()
    for number in range(7):
        office.command("reply", "C1", "--text", f"Reply {number}")
    counts = []
    for weight in (2, 4):
        change(office, send_weight=weight)
        office.command("send")
        counts.append(len(world.smtp_server.envelopes(office.customer)))
    assert counts == [2, 6]
    return "a step sends 2 of 7 mails; after the edit to 4, it sends 4"


@row("tenant")
def _tenant(world: World) -> str:
    office = Office(world, reply={"subaddressing": "+"})
    other = Office(world, reply={"subaddressing": "+"}, unit="globex")
    asked = office.forwarded(office.opened())
    token = reply_to(asked).partition("+")[2].partition("@")[0]
    local, _, domain = other.reply_account.partition("@")
    office.answers(asked, to=f"{local}+{token}@{domain}", threaded=False)
    office.route()
    assert (office.received(), other.received()) == ([], [])
    office.answers(asked)
    office.route()
    assert [ANSWER in text_of(m) for m in office.received()] == [True]
    return "an answer with acme's token at globex's account reaches nobody, at acme's it is relayed"


@row("main accounts' fallback per type")
def _fallback(world: World) -> str:
    office = Office(world, reply={})
    asked, _agent = inquired(office)
    forward = office.forwarded("C1")
    assert reply_to(forward) == office.reply_account
    assert mailbox(reply_to(asked)) == world.main_second_level
    other = Office(world, unit="globex")
    second = world.fresh("second")
    world.unit("globex", world.account("support", other.support), world.account("second", second, "second-level-reply"))
    other.command("apply")
    case = other.opened()
    (asked,) = other.asked(case)
    assert (mailbox(reply_to(other.forwarded(case))), reply_to(asked)) == (world.main_reply, second)
    return "a tenant without second-level reply account uses the main one, one without reply account the other"


@row("own settings")
def _own_settings(world: World) -> str:
    office = Office(world)
    change(office, settings={"crm": {"team": 7}, "fax": {"line": "+4930123456"}})
    message_id = world.customer_writes(office.customer, office.support)
    office.fetch()
    replied(office, message_id)
    world.unit("acme", world.account("support", office.support, settings={"fax": {"line": "none"}}))
    refused = office.command("apply", check=1)
    assert "E316" in refused.out + refused.err
    world.customer_writes(office.customer, office.support)
    office.fetch()
    assert len(world.seen(office.support)) == 2
    return "free keys pass, a plug-in's own is checked by its model; refused, the last good goes on"


@row("forward → relay")
def _relay(world: World) -> str:
    office = Office(world)
    case = office.opened()
    office.answers(office.forwarded(case), f"{ANSWER}\n\n-- \nErika Expert\n{office.expert}")
    office.route()
    (relayed,) = office.received()
    (asked,) = office.received(office.support)
    assert ANSWER in text_of(relayed)
    assert office.expert not in str(relayed) + text_of(relayed)
    assert (mailbox(reply_to(relayed)), header(relayed, "In-Reply-To")) == (office.support, asked["Message-ID"])
    (envelope,) = world.smtp_server.envelopes(office.customer)
    assert envelope.rcpt_tos == (office.customer,)
    return "once in the customer's mailbox, in his thread, without the external's name"


@row("findable")
def _findable(world: World) -> str:
    office = Office(world)
    office.answers(office.forwarded(office.opened()))
    office.route()
    (relayed,) = office.received()
    told = office.json("explain", "message", str(relayed["Message-ID"]))
    shown = office.command("case", str(told["case"])).out
    assert (told["to"], told["account"]["account"]) == (office.customer, "acme/support")
    assert shown.count(ANSWER) == 2
    assert office.expert in shown
    return "the Message-ID in the customer's mailbox leads to the case with question, answer and relay"


@row("inquiry → agent and note")
def _inquiry(world: World) -> str:
    office = Office(world)
    asked, agent = inquired(office)
    office.answers(asked)
    office.route()
    assert [ANSWER in text_of(m) for m in office.received(agent)] == [True]
    assert (office.received(), world.smtp_server.envelopes(office.customer)) == ([], [])
    assert "  note  " in office.command("case", "C1").out
    return "in the agent's mailbox and a note on the case; nothing went to the customer"


@row("second-level folders")
def _folders(world: World) -> str:
    office = Office(world)
    office.forwarded(office.opened())
    other = office.outside("other", "partner.example")
    office.command("inquire", "C1", "--to", other, "--text", "?", "--agent", "other@staff.example")
    office.send()
    office.answers(office.received(office.expert)[0])
    office.route()
    forwards, inquiries = (office.referrals("--kind", kind) for kind in ("forward", "inquiry"))
    assert [(f["contact"]["address"], f["answered"]) for f in forwards] == [(office.expert, True)]
    assert [(i["contact"]["address"], i["answered"]) for i in inquiries] == [(other, False)]
    assert len(office.referrals()) == 2
    assert office.referrals("--agent", "other@staff.example") == inquiries
    assert len(world.smtp_server.envelopes(other)) == len(office.received()) == 1
    return "forwards and inquiries apart, own and global, each says whether it was answered"


@row("reminder")
def _reminder(world: World) -> str:
    office = Office(world, referrals={"remind": {"after": "2d", "repeat": "1d", "max": 2}})
    asked = office.forwarded(office.opened())
    office.command("remind", "R1")
    office.send()
    begin = utc_now()
    for days in (1, 3.5, 5, 9):
        office.reminded_at(begin + timedelta(days=days))
    first, by_hand, by_policy = office.received(office.expert)
    assert first["Message-ID"] == asked["Message-ID"]
    assert {header(m, "References").split()[0] for m in (by_hand, by_policy)} == {asked["Message-ID"]}
    assert len({reply_to(m) for m in (first, by_hand, by_policy)}) == 3
    office.answers(by_policy)
    office.route()
    assert [ANSWER in text_of(m) for m in office.received()] == [True]
    return "one by hand, one by policy, no third (max 2); the answer to the last was relayed"


@row("withdraw")
def _withdraw(world: World) -> str:
    office = Office(world)
    asked = office.forwarded(office.opened())
    office.command("withdraw", "R1")
    office.answers(asked)
    office.route()
    assert world.smtp_server.envelopes(office.customer) == []
    assert office.held() == ["referral-withdrawn"]
    return "the answer after it is held; nothing went to the customer"


@row("out-of-office")
def _out_of_office(world: World) -> str:
    office = Office(world)
    asked = office.forwarded(office.opened())
    office.answers(asked, "I am out of the office until 14 March 2026.", "Auto-Submitted: auto-replied")
    office.route()
    assert world.smtp_server.envelopes(office.customer) == []
    assert "out of office until 2026-03-14" in office.command("referrals").out
    office.answers(asked)
    office.route()
    assert [ANSWER in text_of(m) for m in office.received()] == [True]
    return "noted on the referral, sent to nobody; the answer that followed was relayed"


@row("bounce of the external")
def _bounce(world: World) -> str:
    office = Office(world)
    asked = office.forwarded(office.opened())
    (envelope,) = world.smtp_server.envelopes(office.expert)
    office.submit(bounce(office, asked), envelope.mail_from, "")
    office.route()
    assert world.smtp_server.envelopes(office.customer) == []
    assert "undeliverable 5.1.1" in office.command("referrals").out
    return "it comes to the token's address; the referral says undeliverable, nobody got it"


@row("delivery error")
def _delivery_error(world: World) -> str:
    office = Office(world)
    world.smtp_server.behave(office.expert, "permfail")
    office.opened()
    office.command("forward", "C1", "--to", office.expert)
    office.command("reply", "C1", "--text", "Hello")
    office.command("send", "--drain", check=4)
    (reply,) = office.received()
    office.submit(bounce(office, reply), office.support, "")
    office.route()
    errors = office.command("outbox", "--errors").out.splitlines()
    assert ["forward  failed" in errors[0], "reply    sent, bounced" in errors[1], len(errors)] == [True, True, 2]
    assert world.smtp_server.envelopes(office.expert) == []
    return "a refused forward (550) and a bounced reply stand in outbox --errors"


@row("changes while it runs")
def _live(world: World) -> str:
    first, added = world.fresh("first"), world.fresh("added")
    stays = world.account("first", first)
    world.unit("acme", stays)
    world.deliver(added, 2)
    with world.running(RECONCILER_POLL_SECONDS="60") as run:
        run.until(lambda: run.events("unit.applied", unit="acme"), "acme is applied")
        seconds = {}
        for what, accounts, fact in (
            ("added", (stays, world.account("added", added, weight=1)), lambda: len(world.seen(added)) == 2),
            ("weight", (stays, world.account("added", added, weight=5)), lambda: _applied(run) == 3),
            ("retired", (stays,), lambda: _applied(run) == 4),
        ):
            world.unit("acme", *accounts)
            closed = time.monotonic()
            run.until(fact, f"{what} has taken effect")
            seconds[what] = time.monotonic() - closed
        world.deliver(added, 1)
        world.deliver(first, 1)
        run.until(lambda: len(world.seen(first)) == 1, "the neighbour is fetched")
        assert len(world.seen(added)) == 2
    assert max(seconds.values()) < 2.0, seconds
    return ", ".join(f"{what} after {took:.1f} s" for what, took in seconds.items())


def _applied(run: Running) -> int:
    return len(run.events("unit.applied", unit="acme"))


def plug_in() -> Path:
    """The folder of the protocol that some rows use, to be put on the path."""
    return Path(__file__).parents[1] / "plugins" / "spool"
