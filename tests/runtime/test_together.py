"""Mails that are routed in one go end as they would one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes
from typing import Any

import pytest
from sqlalchemy import select

from reconciler.runtime import faults
from reconciler.runtime.together import MOST_BYTES, MOST_TOGETHER, Failure, PutOff, goes
from reconciler.store.filing import Filing
from reconciler.store.ledger import Waiting, waiting
from reconciler.store.tables import cases, entries, mails
from tests.mailroom import MailRoom, letter


def small(number: int) -> Waiting:
    return Waiting(number, 0, 0, 2_000)


def ids(found: list[Waiting]) -> list[int]:
    return [mail.id for mail in found]


def test_a_go_has_so_many_mails_and_none_is_left_out() -> None:
    cut = [ids(go) for go in goes([small(i) for i in range(MOST_TOGETHER + 2)])]
    assert cut == [list(range(MOST_TOGETHER)), [MOST_TOGETHER, MOST_TOGETHER + 1]]


def test_a_go_has_so_many_bytes_and_a_larger_mail_goes_by_itself() -> None:
    large = Waiting(2, 0, 0, MOST_BYTES + 1)
    assert [ids(go) for go in goes([small(1), large, small(3), small(4)])] == [[1], [2], [3, 4]]


@pytest.mark.parametrize("suspect", [Waiting(2, 1, 0, 9), Waiting(2, 0, 1, 9)], ids=["tried before", "interrupted"])
def test_a_mail_under_suspicion_goes_alone(suspect: Waiting) -> None:
    assert [ids(go) for go in goes([small(1), suspect, small(3)])] == [[1], [2], [3]]


def arrivals(room: MailRoom) -> list[tuple[str, bytes]]:
    """Mails that rest on one another in every way: a thread, a case, a referral, copies."""
    first = letter("c@c.example", "support@acme.example", "A", "one", "Message-ID: <1@c.example>")
    room.receive("acme/support", letter("old@c.example", "support@acme.example", "Old", "x", "Message-ID: <0@c>"))
    room.ask(1, "expert@partner.example")
    question = message_from_bytes(room.sent(room.outbox()[-1].id))
    answer = letter("expert@partner.example", str(question["Reply-To"]), "Re: Old", "It is so.")
    return [
        ("acme/support", first),
        ("globex/support", first),
        ("acme/support", letter("c@c.example", "x@acme.example", "Re: A", "two", "In-Reply-To: <1@c.example>")),
        ("globex/support", letter("c@c.example", "x@globex.example", "Re: A", "two", "References: <1@c.example>")),
        ("acme/support", letter("d@c.example", "x@acme.example", "B", "three")),
        ("acme/reply", answer),
        ("acme/support", answer),
        ("acme/reply", letter("expert@partner.example", str(question["Reply-To"]), "Re: Old", "And more.")),
        ("acme/support", letter("old@c.example", "x@acme.example", "Re: Old", "four", "In-Reply-To: <0@c>")),
        ("acme/support", letter("e@c.example", "x@acme.example", "C", "five", "Auto-Submitted: auto-replied")),
    ]


def end(room: MailRoom) -> list[Any]:
    """What the tables say, apart from the tokens, which are random."""
    with room.read() as connection:
        rows = connection.execute(
            select(
                mails.c.id, mails.c.account_key, mails.c.state, mails.c.tenant, cases.c.subject, mails.c.decision
            ).outerjoin(cases, cases.c.id == mails.c.case_id)
        ).all()
        told = connection.execute(select(entries.c.kind, entries.c.text, entries.c.mail_id)).all()
    sent = [(row.purpose, row.recipient, row.subject) for row in room.outbox()]
    return [sorted(map(str, rows)), sorted(map(str, told)), sorted(sent), sorted(room.held())]


def test_a_go_ends_as_its_mails_one_after_the_other_would() -> None:
    one, together = MailRoom(), MailRoom()
    for account, raw in arrivals(one):
        one.receive(account, raw)
    for account, raw in arrivals(together):
        together.arrive(account, raw)
    goes_needed = 0
    while True:
        with together.read() as connection:
            found = ids(waiting(connection, 100))
        if not found:
            break
        goes_needed += 1
        for answer in dict(together.router.route_together(found, lambda _mail: None)).values():
            if isinstance(answer, Filing):
                together.file(answer)
    assert end(together) == end(one)
    assert goes_needed == 4, "what rests on nothing before it is decided at once"


def test_a_mail_that_follows_another_of_its_go_is_put_off() -> None:
    room = MailRoom()
    first = room.arrive("acme/support", letter("c@c.example", "x@x", "A", "one", "Message-ID: <1@c.example>"))
    second = room.arrive("acme/support", letter("c@c.example", "x@x", "Re", "two", "In-Reply-To: <1@c.example>"))
    answers = dict(room.router.route_together([first, second], lambda _mail: None))
    assert isinstance(answers[first], Filing)
    assert answers[second] is PutOff.PUT_OFF


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Reading a mail that says Deadly fails."""
    monkeypatch.setenv(faults.VARIABLE, "deciding~Deadly=raise")
    faults._armed.cache_clear()
    yield
    monkeypatch.undo()
    faults._armed.cache_clear()


@pytest.mark.usefixtures("deadly")
def test_a_mail_that_fails_costs_only_itself() -> None:
    room = MailRoom()
    made = [room.arrive("acme/support", letter("c@c.example", "x@x", s)) for s in ("First", "Deadly", "Last")]
    in_hand: list[int] = []
    answers = dict(room.router.route_together([*made, 99], in_hand.append))
    assert [type(answers.get(i)) for i in made] == [Filing, Failure, Filing]
    assert answers[99] is None
    assert in_hand == [*made, made[0], made[2]]
