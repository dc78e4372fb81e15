"""Asking externals about a case: forwards and inquiries, reminders, withdrawing; each is one transaction."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from reconciler.core.account import ADDRESS_PATTERN, AccountType, AnswerFrom, ReferralSettings
from reconciler.core.case import SYSTEM, Case, CaseState, EntryKind
from reconciler.core.errors import Invalid, Unsafe
from reconciler.core.message import Address, Attachment, parse
from reconciler.core.referral import FREEMAIL, Referral, ReferralEvent, ReferralKind, ReferralState, move
from reconciler.core.revision import AppliedAccount
from reconciler.core.serving import serving
from reconciler.core.token import Purpose
from reconciler.runtime.desk import AgentDesk, enqueue, existing_case
from reconciler.runtime.letters import Desk, Occasion, Question, question_letter
from reconciler.runtime.tokens import new_token_id
from reconciler.store import cases, outbox
from reconciler.store.tables import raw_mails

_ADDRESS = re.compile(ADDRESS_PATTERN)
MOST_CONTACTS = 20
"""One command asks at most so many contacts."""


@dataclass(frozen=True, slots=True)
class _Way:
    """What distinguishes the two kinds of asking."""

    account_type: AccountType
    purpose: Purpose
    via: str
    template: str


_WAYS = {
    ReferralKind.FORWARD: _Way(AccountType.REPLY, Purpose.FORWARD, "reply_via", "forward"),
    ReferralKind.INQUIRY: _Way(AccountType.SECOND_LEVEL_REPLY, Purpose.INQUIRY, "second_level_via", "inquiry"),
}


def refer(
    agent_desk: AgentDesk, case_id: int, kind: ReferralKind, to: Sequence[str], text: str, now: datetime
) -> list[tuple[int, int]]:
    """Ask contacts about a case without closing it, each by a mail, a token and a referral of its own.

    Returns (referral id, outbox id) for each, all in one group; who is named twice is asked once. Raises Invalid if the
    case is closed, nobody can send or an address is none; Unsafe if an address is one of ours or the customer's.
    """
    if len(to) > MOST_CONTACTS:
        raise Invalid(f"{len(to)} contacts are more than {MOST_CONTACTS}; ask them in several goes")
    with agent_desk.store.write() as connection:
        case = existing_case(connection, case_id)
        if case.state is CaseState.CLOSED:
            raise Invalid(f"case C{case_id} is closed; run: reconciler reopen C{case_id}")
        desk = agent_desk.tools(connection)
        if kind is ReferralKind.INQUIRY and Address("", agent_desk.agent).key in desk.own_addresses():
            raise Unsafe(f"{agent_desk.agent} is the address of one of our own accounts; the answer could not go there")
        contacts: dict[str, Address] = {}
        for contact in (_contact(written, desk, case) for written in to):
            contacts.setdefault(contact.key, contact)
        asking = _Asking(connection, desk, case, kind, agent_desk.agent, text, now)
        asked: list[tuple[int, int]] = []
        for contact in contacts.values():
            asked.append(asking.ask(contact, asked[0][0] if asked else None))
        return asked


def refer_by_rule(
    connection: Connection, desk: Desk, case_id: int, kind: ReferralKind, to: Sequence[str], how: ByRule, now: datetime
) -> None:
    """Ask contacts because a rule says so. Raises Invalid or Unsafe as `refer`; too many mails to a contact: Unsafe."""
    case = existing_case(connection, case_id)
    if kind is ReferralKind.INQUIRY and (not how.agent or Address("", how.agent).key in desk.own_addresses()):
        raise Unsafe("there is no agent the answer could go to")
    group: int | None = None
    for contact in [_contact(written, desk, case) for written in to]:
        if over := outbox.cap_reached(connection, contact.address, case_id, now):
            raise TooMany(over)
        asking = _Asking(connection, desk, case, kind, how.agent or SYSTEM, how.text, now, how.hop)
        group = group or asking.ask(contact, group)[0]


@dataclass(frozen=True, slots=True)
class ByRule:
    """What a rule gives to its asking: the case's agent (inquiries need one), the text, how many mails came before."""

    agent: str | None
    text: str
    hop: int


class TooMany(Unsafe):
    """A cap on mails to one recipient is reached."""


@dataclass(frozen=True, slots=True)
class _Asking:
    """One command's asking, to be done for each contact."""

    connection: Connection
    desk: Desk
    case: Case
    kind: ReferralKind
    agent: str
    text: str
    now: datetime
    hop: int = 0

    def ask(self, contact: Address, group: int | None) -> tuple[int, int]:
        """Write referral, token, mail and entry for one contact."""
        settings, system = _settings(self.desk, self.case.tenant), self._system()
        expires_at = self.now + settings.expire_after
        referral_id = self._create(contact, settings, system, expires_at, group)
        request, attachments = request_of(self.connection, self.case.id)
        question = Question(
            purpose=_WAYS[self.kind].purpose,
            contact=contact,
            referral_id=referral_id,
            system=system,
            expires_at=expires_at,
            agent=self.agent,
            text=self.text,
            request=request,
            attachments=attachments,
        )
        occasion = Occasion(self.case, (), new_token_id(), self.hop, self.now)
        letter = question_letter(self.desk, occasion, _WAYS[self.kind].template, question)
        goes_to = self.case.customer_address if self.kind is ReferralKind.FORWARD else self.agent
        shown = f"{self.kind.value} to {contact.address}, the answer goes to {goes_to}\n\n{self.text}".rstrip()
        return referral_id, enqueue(self.connection, letter, EntryKind(self.kind.value), self.agent, shown, self.now)

    def _system(self) -> AppliedAccount:
        way, inbound = _WAYS[self.kind], self.desk.account(self.case.account_key)
        via = getattr(inbound.account, way.via) if inbound is not None else None
        served = serving(self.desk.state, self.case.tenant, way.account_type, via)
        if served.account is None:
            raise Invalid(f"no account of type {way.account_type} serves {self.case.tenant}: {served.why}")
        return served.account

    def _create(
        self,
        contact: Address,
        settings: ReferralSettings,
        system: AppliedAccount,
        expires_at: datetime,
        group: int | None,
    ) -> int:
        to_customer = self.kind is ReferralKind.FORWARD
        values = {
            "tenant": self.case.tenant,
            "case_id": self.case.id,
            "kind": self.kind.value,
            "state": ReferralState.WAITING.value,
            "contact_name": contact.name,
            "contact_address": contact.address,
            "agent": self.agent,
            "account_key": system.key,
            "target_name": self.case.customer_name if to_customer else "",
            "target_address": self.case.customer_address if to_customer else self.agent,
            "answer_from": _answer_from(settings.answer_from, contact).value,
            "asked_at": self.now,
            "expires_at": expires_at,
            "group_id": group,
        }
        referral_id = cases.create_referral(self.connection, values)
        if group is None:
            cases.update_referral(self.connection, referral_id, group_id=referral_id)
        return referral_id


def remind(connection: Connection, desk: Desk, referral: Referral, author: str, text: str, now: datetime) -> int:
    """Send the contact a reminder with a token of its own; returns the outbox id. Raises Invalid if none is open."""
    if referral.state is not ReferralState.WAITING:
        raise Invalid(f"R{referral.id} is {referral.state.value}; only a waiting referral can be reminded of")
    system, case = desk.account(referral.account_key), existing_case(connection, referral.case_id)
    if case.state is CaseState.CLOSED:
        raise Invalid(f"case C{case.id} is closed; run: reconciler reopen C{case.id}")
    if desk.state.units[referral.tenant].retired:
        raise Invalid(f"tenant {referral.tenant} is retired, so its answer would be held; restore its file to remind")
    if system is None:
        raise Invalid(f"{referral.account}, which takes the answer, is retired; withdraw R{referral.id} and ask anew")
    way = _WAYS[referral.kind]
    question = Question(
        purpose=way.purpose,
        contact=Address(referral.contact_name, referral.contact_address),
        referral_id=referral.id,
        system=system,
        expires_at=referral.expires_at,
        agent=referral.agent,
        text=text,
        request=request_of(connection, case.id)[0],
        asked_on=referral.asked_at.date().isoformat(),
    )
    thread = outbox.referral_message_ids(connection, referral.id)
    letter = question_letter(desk, Occasion(case, thread, new_token_id(), 0, now), "reminder", question)
    shown = f"reminder {referral.reminders + 1} to {referral.contact_address}\n\n{text}".rstrip()
    cases.update_referral(connection, referral.id, reminders=referral.reminders + 1, reminded_at=now)
    return enqueue(connection, letter, EntryKind.REMINDER, author, shown, now)


def end_referral(connection: Connection, referral: Referral, event: ReferralEvent, author: str, now: datetime) -> None:
    """Withdraw a referral or let it expire. Raises Invalid if that is no legal move."""
    after = move(referral.state, event)
    if after is None or after is referral.state:
        raise Invalid(f"R{referral.id} is {referral.state.value}; it cannot become {event.value}n any more")
    cases.update_referral(connection, referral.id, state=after.value)
    text = f"{referral.kind.value} to {referral.contact_address} is {after.value}"
    cases.add_entry(
        connection, referral.case_id, EntryKind.EVENT, author=author, text=text, now=now, referral_id=referral.id
    )


def existing_referral(connection: Connection, referral_id: int) -> Referral:
    """The referral; raises Invalid if there is none."""
    referral = cases.read_referral(connection, referral_id)
    if referral is None:
        raise Invalid(f"there is no referral R{referral_id}; `reconciler referrals` lists them")
    return referral


def request_of(connection: Connection, case_id: int) -> tuple[str, tuple[Attachment, ...]]:
    """What the customer wrote last, with its attachments; nothing if no customer's mail stands on the case."""
    entries = cases.read_entries(connection, case_id)
    last = next((e for e in reversed(entries) if e.kind is EntryKind.CUSTOMER_MESSAGE), None)
    if last is None or last.mail_id is None:
        return "", ()
    raw = connection.execute(select(raw_mails.c.data).where(raw_mails.c.mail_id == last.mail_id)).scalar()
    if raw is None:
        # Retention has taken the bytes; the text stands on the case.
        return last.text, ()
    return last.text, parse(raw).body.attachments


def _settings(desk: Desk, tenant: str) -> ReferralSettings:
    document = desk.state.tenant_document(tenant)
    if document is None:
        raise Invalid(f"tenant {tenant} is not applied")
    return document.referrals


def _contact(to: str, desk: Desk, case: Case) -> Address:
    """The contact written as `address` or `Name <address>`."""
    name, _, rest = to.rpartition("<")
    address = rest.rstrip("> ").strip()
    contact = Address(name.strip().strip('"'), address)
    if not _ADDRESS.match(address):
        raise Invalid(f"--to {to!r} is not an e-mail address")
    if contact.key in desk.own_addresses():
        raise Unsafe(f"{address} is the address of one of our own accounts; nothing is sent there")
    if contact.key == Address("", case.customer_address).key:
        raise Unsafe(f"{address} is the customer of the case; use `reconciler reply`")
    return contact


def _answer_from(wanted: AnswerFrom, contact: Address) -> AnswerFrom:
    """At a freemail domain the neighbour is a stranger: there `domain` means `address`."""
    return AnswerFrom.ADDRESS if wanted is AnswerFrom.DOMAIN and contact.domain in FREEMAIL else wanted
