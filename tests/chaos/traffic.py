"""The people of a campaign: customers who write, agents who ask, externals who answer; each mail has a marker."""

from __future__ import annotations

import email
import random
import re
import threading
from collections import Counter
from collections.abc import Iterator
from email.message import Message

from sqlalchemy import select

from reconciler.cli.compose import registry
from reconciler.core.case import EntryKind
from reconciler.core.errors import Unavailable
from reconciler.core.referral import ReferralKind
from reconciler.runtime.clock import utc_now
from reconciler.runtime.desk import AgentDesk
from reconciler.runtime.referring import refer
from reconciler.source.secret import SecretStore
from reconciler.store.database import open_store
from reconciler.store.tables import entries, referrals
from tests.chaos.mailboxes import Mailbox
from tests.office import header, reply_to, text_of
from tests.rig.smtp_server import Envelope, mailbox_of
from tests.world import World, mail

REQUEST, QUESTION, ANSWER, NOTE = "request", "question", "answer", "note"
"""What a marker stands in: a customer's mail, an agent's question, an external's answer to a forward or an inquiry."""

_MARKER = re.compile(r"chaos-([a-z]+)-([0-9]+)-")
_PAUSE_SECONDS = 0.05
_AT_ONCE = 5


def marker(kind: str, number: int) -> str:
    """The marker of a mail; none is part of another."""
    return f"chaos-{kind}-{number}-"


def markers(text: str, *kinds: str) -> set[str]:
    """The markers of these kinds in a text."""
    return {match[0] for match in _MARKER.finditer(text) if match[1] in kinds}


def envelope_text(envelope: Envelope) -> str:
    """All text of a mail as it was sent."""
    return text_of(email.message_from_bytes(envelope.data))


def is_forwarded(number: int) -> bool:
    """Whether the agent forwards this request; the others are inquired about."""
    return number % 2 == 0


class Traffic:
    """Mails that go on arriving, in a thread of their own, as fast as they are allowed.

    `requests` were written so far and `wanted` will be in all; `delivered` says which mailbox each marker was put into.
    """

    def __init__(self, world: World, mailboxes: list[Mailbox], wanted: int, rng: random.Random) -> None:
        self._world, self._rng, self.wanted = world, rng, wanted
        self._inbound = [m for m in mailboxes if m.kind == "inbound"]
        self._by_address = {m.address: m for m in mailboxes}
        self.delivered: dict[str, Mailbox] = {}
        self.answered: set[int] = set()
        self.error: Exception | None = None
        self.asides: Counter[str] = Counter()
        self.requests = self._allowed = 0
        self._stop = threading.Event()
        self._envelopes = _tail(world)
        self._store = open_store(world.state)
        self._tools = registry(), SecretStore(world.secrets, {})
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    @property
    def is_complete(self) -> bool:
        """Whether every request was written, and every question answered."""
        return len(self.answered) == self.requests == self.wanted

    def start(self) -> None:
        """Begin; nothing is written before it is allowed."""
        self._thread.start()

    def allow(self, requests: int) -> None:
        """From now on so many requests may have been written in all."""
        self._allowed = min(max(self._allowed, requests), self.wanted)

    def nudge(self) -> None:
        """One request more than was allowed: somebody waits for something to happen."""
        self.allow(self.requests + 1)

    def stop(self) -> None:
        """End, and raise what ended it before."""
        self._stop.set()
        self._thread.join()
        self._store.close()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        while not self._stop.wait(_PAUSE_SECONDS):
            try:
                self._customers_write()
                self._agents_ask()
                self._externals_answer()
            except Unavailable:
                # The store is busy; whoever it was tries again.
                self.asides["the store was busy for an agent"] += 1
            except Exception as error:
                self.error = error
                return

    def _customers_write(self) -> None:
        for _ in range(min(_AT_ONCE, self._allowed - self.requests)):
            number = self.requests
            sender, to = f"Customer <customer-{number}@customer.example>", self._rng.choice(self._inbound)
            text = f"Where is my parcel?\n{marker(REQUEST, number)}"
            self._deliver(to, to.address, mail(sender, to.address, f"Parcel {number}", text), marker(REQUEST, number))
            self.requests += 1

    def _deliver(self, to: Mailbox, address: str, raw: bytes, known_by: str) -> None:
        self._world.dovecot.deliver(to.address, f"Delivered-To: {address}\r\n".encode() + raw)
        self.delivered[known_by] = to

    def _agents_ask(self) -> None:
        for case_id, number in self._unasked():
            kind = ReferralKind.FORWARD if is_forwarded(number) else ReferralKind.INQUIRY
            desk = AgentDesk(self._store, *self._tools, f"agent-{number}@service.example")
            text = f"Do you know?\n{marker(QUESTION, number)}"
            refer(desk, case_id, kind, [f"External <expert-{number}@partner.example>"], text, utc_now())

    def _unasked(self) -> list[tuple[int, int]]:
        asked = select(referrals.c.case_id)
        query = (
            select(entries.c.case_id, entries.c.text)
            .where(entries.c.kind == EntryKind.CUSTOMER_MESSAGE.value, entries.c.case_id.not_in(asked))
            .order_by(entries.c.id)
            .limit(_AT_ONCE)
        )
        with self._store.read() as connection:
            rows = connection.execute(query).all()
        return [(row.case_id, int(found[2])) for row in rows if (found := _MARKER.search(row.text))]

    def _externals_answer(self) -> None:
        for envelope in self._envelopes:
            if envelope is None:
                return
            (recipient,) = envelope.rcpt_tos
            name, _, number = recipient.partition("@")[0].partition("-")
            if name == "expert" and int(number) not in self.answered:
                self._answer(int(number), recipient, email.message_from_bytes(envelope.data))

    def _answer(self, number: int, contact: str, asked: Message) -> None:
        known_by = marker(ANSWER if is_forwarded(number) else NOTE, number)
        address, subject = reply_to(asked), f"Re: {header(asked, 'Subject')}"
        thread = f"In-Reply-To: {asked['Message-ID']}"
        raw = mail(f"External <{contact}>", address, subject, f"On Monday.\n{known_by}", thread)
        self._deliver(self._by_address[mailbox_of(address)], address, raw, known_by)
        self.answered.add(number)


def _tail(world: World) -> Iterator[Envelope | None]:
    """Envelopes as they are recorded, each once; None when there is no further one now."""
    position = 0
    while True:
        found, position = world.smtp_server.envelopes_since(position)
        yield from found
        yield None
