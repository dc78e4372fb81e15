"""Any order of events at two tenants: nothing no person wrote is relayed, nothing twice, nothing to the wrong tenant.

Sequences of customers' mails, questions, answers of all sorts, copies, forged, late and foreign tokens, agents' acts
and crashes between deciding and writing run through the real router and tables. `ROUTING_SEQUENCES` says how many.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from functools import cache

import pytest
import structlog
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from sqlalchemy import select

from reconciler.core.errors import ReconcilerError
from reconciler.core.kind import Kind
from reconciler.core.referral import ReferralEvent
from reconciler.runtime.referring import end_referral
from reconciler.runtime.release import release
from reconciler.runtime.router import Release
from reconciler.store import cases
from reconciler.store.tables import entries, mails
from tests.mailroom import AGENT, MailRoom, letter

SEQUENCES = int(os.environ.get("ROUTING_SEQUENCES", "5000"))
PARTS = 4
"""Each by itself, so that they run side by side."""
UNITS = ("acme", "globex")
ACCOUNTS = tuple(f"{unit}/{name}" for unit in UNITS for name in ("support", "sales", "reply"))

HUMAN: tuple[str, ...] = ()
NOT_HUMAN = (
    ("Auto-Submitted: auto-replied", "Subject: Out of office"),
    ("Auto-Submitted: auto-generated", "X-Failed-Recipients: x@y.example", "Return-Path: <>"),
    ("List-Id: <x.example>", "Precedence: list"),
    ("Content-Type: multipart/report; report-type=delivery-status; boundary=b",),
)
STEP = st.tuples(st.integers(0, 11), st.integers(0, 7), st.integers(0, 7))


@cache
def _begun() -> tuple[MailRoom, tuple[tuple[str, bytes], ...]]:
    """Where every play begins, and the mails that came so far: a customer and a question at each tenant."""
    room = MailRoom()
    play = Play(room)
    play.customer(0, 0)
    play.customer(1, 0)
    play.ask(0, 0)
    play.ask(1, 1)
    room.mark()
    return room, tuple(play.raws)


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing is logged: it would be a good part of the time."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


class Play:
    """Two tenants and what has happened to them; every step can be taken at any time."""

    def __init__(self, room: MailRoom, raws: Iterable[tuple[str, bytes]] = ()) -> None:
        self.room, self.raws = room, list(raws)
        self.number = len(self.raws)
        self.mails: dict[int, Message] = {}

    @classmethod
    def begun(cls) -> Play:
        """A play after its beginning."""
        room, raws = _begun()
        room.reset()
        return cls(room, raws)

    def step(self, what: int, one: int, two: int) -> None:
        steps = (
            self.customer, self.ask, self.answer, self.answer, self.no_person, self.copy, self.forged,
            self.foreign, self.agent, self.later, self.crash, self.release,
        )  # fmt: skip
        try:
            steps[what](one, two)
        except ReconcilerError:
            # A person was told that this cannot be done now.
            return

    def customer(self, one: int, two: int) -> None:
        """A customer writes to an inbound account."""
        unit = UNITS[one % 2]
        account = f"{unit}/{('support', 'sales')[two % 2]}"
        self.receive(
            account, letter(f"carla@{unit}-customer.example", "x@x.example", "Help", self.text(unit, "customer"))
        )

    def ask(self, one: int, two: int) -> None:
        """An agent asks an external about a case."""
        found = self.room.cases()
        if found:
            case = found[one % len(found)]
            self.room.ask(case.id, f"expert{two % 2}@partner.example", text=f"[{case.tenant}] Do you know?")

    def questions(self) -> list[tuple[str, str, Message]]:
        """Tenant, contact and mail of every question."""
        return [
            (row.tenant, row.recipient, self.mail(row.id)) for row in self.room.outbox() if row.purpose == "forward"
        ]

    def mail(self, outbox_id: int) -> Message:
        """A mail of ours."""
        if outbox_id not in self.mails:
            self.mails[outbox_id] = message_from_bytes(self.room.sent(outbox_id))
        return self.mails[outbox_id]

    def answer(self, one: int, two: int, headers: tuple[str, ...] = HUMAN, mark: str = "human") -> None:
        """A contact answers, by token, by thread or both, at whatever account."""
        asked = self.questions()
        if not asked:
            return
        unit, contact, question = asked[one % len(asked)]
        to = str(question["Reply-To"]) if two % 2 else f"reply@{unit}.example"
        thread = () if two == 1 else (f"In-Reply-To: {question['Message-ID']}",)
        account = f"{unit}/reply" if two < 6 else ACCOUNTS[two % len(ACCOUNTS)]
        self.receive(account, letter(contact, to, "Re: Help", self.text(unit, mark), *thread, *headers))

    def no_person(self, one: int, two: int) -> None:
        """The same, and no person wrote it."""
        self.answer(one, two, NOT_HUMAN[(one + two) % len(NOT_HUMAN)], "robot")

    def copy(self, one: int, two: int) -> None:
        """A mail comes once more, there or at another account of any tenant."""
        if self.raws:
            account, raw = self.raws[one % len(self.raws)]
            self.receive(account if two % 2 else ACCOUNTS[two % len(ACCOUNTS)], raw)

    def forged(self, one: int, two: int) -> None:
        """A stranger alters a token."""
        asked = self.questions()
        if asked:
            unit, contact, question = asked[one % len(asked)]
            token = str(question["Reply-To"])
            at = token.index("+") + 4 + two
            other = "a" if token[at] != "a" else "b"
            self.receive(
                f"{unit}/reply", letter(contact, token[:at] + other + token[at + 1 :], "Re", self.text(unit, "forger"))
            )

    def foreign(self, one: int, two: int) -> None:
        """An answer arrives at the other tenant."""
        asked = self.questions()
        if asked:
            unit, contact, question = asked[one % len(asked)]
            other = UNITS[1 - UNITS.index(unit)]
            thread = f"In-Reply-To: {question['Message-ID']}"
            raw = letter(contact, str(question["Reply-To"]), "Re", self.text(unit, "human"), thread)
            self.receive(f"{other}/{('reply', 'support')[two % 2]}", raw)

    def agent(self, one: int, two: int) -> None:
        """An agent withdraws, closes, reopens or answers."""
        found = self.room.cases()
        if not found:
            return
        case = found[one % len(found)]
        if two < 3:
            with self.room.store.write() as connection:
                for referral in cases.list_referrals(connection, case_id=case.id)[:1]:
                    end_referral(connection, referral, ReferralEvent.WITHDRAW, AGENT, self.room.now)
        elif two < 5:
            self.room.desk.close(case.id, self.room.now)
        elif two < 6:
            self.room.desk.reopen(case.id, self.room.now)
        else:
            self.room.desk.reply(case.id, f"[{case.tenant}] From us.", self.room.now)

    def later(self, one: int, two: int) -> None:
        """Time goes on, over expiries too."""
        self.room.later(days=(0, 1, 30, 61, 61, 401, 1, 0)[one], minutes=two)
        self.room.reminding.look()

    def crash(self, one: int, two: int) -> None:
        """The program ends after deciding: once more, and twice at the same time."""
        if self.raws:
            account, raw = self.raws[one % len(self.raws)]
            first, second = self.room.arrive(account, raw), self.room.arrive(account, raw + b"\r\n" * (two % 2))
            decided = [self.room.decide(mail_id) for mail_id in (first, first, second)]
            for filing in decided:
                if filing is not None:
                    self.room.file(filing)
            self.room.route()

    def release(self, one: int, _two: int) -> None:
        """A person lets a held mail go."""
        release(self.room.store, self.room.router, one + 1, Release(), AGENT, self.room.now)

    def receive(self, account: str, raw: bytes) -> None:
        self.raws.append((account, raw))
        self.room.receive(account, raw)

    def text(self, unit: str, mark: str) -> str:
        self.number += 1
        return f"[{unit}] {mark} number {self.number}"

    def check(self) -> None:
        """What must hold whatever happened."""
        with self.room.read() as connection:
            relays = connection.execute(
                select(entries.c.mail_id, entries.c.outbox_id, entries.c.referral_id, mails.c.kind)
                .join(mails, mails.c.id == entries.c.mail_id)
                .where(entries.c.kind == "relay")
            ).all()
            filed = connection.execute(
                select(mails.c.case_id, mails.c.tenant).where(mails.c.case_id.is_not(None))
            ).all()
        assert {relay.kind for relay in relays} <= {Kind.HUMAN.value, Kind.LIST.value, Kind.NOTIFICATION.value}
        sent = {row.id: row for row in self.room.outbox()}
        texts = [(relay.referral_id, self.words(relay.outbox_id)) for relay in relays]
        assert len(texts) == len(set(texts)), "an answer was relayed twice"
        customers = {case.id: case.customer_address for case in self.room.cases()}
        for relay in relays:
            row, said = sent[relay.outbox_id], self.words(relay.outbox_id)
            assert row.recipient == customers[row.case_id]
            assert f"[{row.tenant}]" in said
            assert all(f"[{other}]" not in said for other in UNITS if other != row.tenant)
            assert "forger" not in said
        tenants = {case.id: case.tenant for case in self.room.cases()}
        assert all(tenants[row.case_id] == row.tenant for row in filed)
        assert all(tenants[row.case_id] == row.tenant for row in sent.values())
        assert all(not row.recipient.endswith(("@acme.example", "@globex.example")) for row in sent.values())

    def words(self, outbox_id: int) -> str:
        """The text of a mail of ours."""
        return str(self.mail(outbox_id).get_payload(decode=True))


@pytest.mark.parametrize("part", range(PARTS))
def test_no_order_of_events_relays_what_it_must_not(part: int) -> None:
    @seed(part)
    @settings(max_examples=SEQUENCES // PARTS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(STEP, min_size=2, max_size=7))
    def play(steps: list[tuple[int, int, int]]) -> None:
        begun = Play.begun()
        for step in steps:
            begun.step(*step)
        begun.check()

    with quiet():
        play()


@pytest.mark.parametrize("what", range(12))
def test_each_step_can_be_taken_and_the_play_notices(what: int) -> None:
    play = Play.begun()
    before = len(play.raws), len(play.room.outbox()), play.room.now
    for one in range(8):
        play.step(what, one, 6)
    assert (len(play.raws), len(play.room.outbox()), play.room.now) != before or what in (10, 11)
    play.check()
