"""What an agent does with cases: reply, note, close, forward; each is one transaction beside whatever else runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from reconciler.core.account import ADDRESS_PATTERN, AccountType, AnswerFrom
from reconciler.core.case import Case, CaseState, Entry, EntryKind
from reconciler.core.errors import Invalid, Unsafe
from reconciler.core.message import Address, Attachment, parse
from reconciler.core.referral import FREEMAIL, ReferralKind, ReferralState
from reconciler.core.registry import Registry
from reconciler.core.serving import serving
from reconciler.runtime.letters import Desk, Occasion, customer_letter, forward_letter
from reconciler.runtime.tokens import new_token_id, read_keys
from reconciler.source.secret import SecretStore
from reconciler.store import cases, outbox
from reconciler.store.applied import read_applied
from reconciler.store.database import Store, instance
from reconciler.store.filing import Letter
from reconciler.store.tables import raw_mails

_ADDRESS = re.compile(ADDRESS_PATTERN)


class AgentDesk:
    """The commands of one agent on the cases of one store."""

    def __init__(self, store: Store, registry: Registry, secrets: SecretStore, agent: str) -> None:
        self._store, self._registry, self._secrets, self._agent = store, registry, secrets, agent

    def note(self, case_id: int, text: str, now: datetime) -> int:
        """Put a note on the case; it is never sent to anybody. Returns the entry's id."""
        with self._store.write() as connection:
            self._case(connection, case_id)
            return cases.add_entry(connection, case_id, EntryKind.NOTE, author=self._agent, text=text, now=now)

    def close(self, case_id: int, now: datetime) -> None:
        """Close the case; the customer's next mail opens it again."""
        with self._store.write() as connection:
            if self._case(connection, case_id).state is CaseState.CLOSED:
                raise Invalid(f"case C{case_id} is closed already")
            cases.set_case_state(connection, case_id, CaseState.CLOSED, now)
            cases.add_entry(connection, case_id, EntryKind.EVENT, author=self._agent, text="closed", now=now)

    def reply(self, case_id: int, text: str, now: datetime) -> int:
        """Answer the customer; returns the outbox id."""
        with self._store.write() as connection:
            case = self._case(connection, case_id)
            desk = self._desk(connection)
            occasion = Occasion(case, cases.thread_ids(connection, case_id), new_token_id(), 0, now)
            letter = customer_letter(desk, occasion, "reply", text=text, agent=self._agent)
            return self._send(connection, case_id, EntryKind.AGENT_REPLY, letter, text, now)

    def forward(self, case_id: int, to: str, text: str, now: datetime) -> tuple[int, int]:
        """Send the case to an external contact without closing it; returns the ids of referral and outbox row.

        Raises Invalid if nobody can send or the address is none, Unsafe if it is one of ours or the customer's.
        """
        with self._store.write() as connection:
            case = self._case(connection, case_id)
            if case.state is CaseState.CLOSED:
                raise Invalid(f"case C{case_id} is closed; reopen it before you forward it")
            desk = self._desk(connection)
            contact = _contact(to, desk, case)
            inbound = desk.account(case.account_key)
            via = inbound.account.reply_via if inbound else None
            served = serving(desk.state, case.tenant, AccountType.REPLY, via)
            if served.account is None:
                raise Invalid(f"no reply account serves {case.tenant}: {served.why}")
            document = desk.state.tenant_document(case.tenant)
            if document is None:
                raise Invalid(f"tenant {case.tenant} is not applied")
            expires_at = now + document.referrals.expire_after
            referral_id = cases.create_referral(
                connection,
                {
                    "tenant": case.tenant,
                    "case_id": case_id,
                    "kind": ReferralKind.FORWARD.value,
                    "state": ReferralState.WAITING.value,
                    "contact_name": contact.name,
                    "contact_address": contact.address,
                    "agent": self._agent,
                    "account_key": served.account.key,
                    "target_name": case.customer_name,
                    "target_address": case.customer_address,
                    "answer_from": _answer_from(document.referrals.answer_from, contact).value,
                    "asked_at": now,
                    "expires_at": expires_at,
                },
            )
            request, attachments = _request(connection, case_id)
            letter = forward_letter(
                desk,
                Occasion(case, (), new_token_id(), 0, now),
                contact=contact,
                referral_id=referral_id,
                system=served.account,
                expires_at=expires_at,
                agent=self._agent,
                text=text,
                request=request,
                attachments=attachments,
            )
            shown = f"to {contact.address}, the answer goes to {case.customer_address}"
            entry_text = f"{shown}\n\n{text}".rstrip()
            outbox_id = self._send(connection, case_id, EntryKind.FORWARD, letter, entry_text, now, referral_id)
            return referral_id, outbox_id

    def _send(
        self,
        connection: Connection,
        case_id: int,
        kind: EntryKind,
        letter: Letter,
        text: str,
        now: datetime,
        referral_id: int | None = None,
    ) -> int:
        cases.write_token(connection, letter.token)
        outbox_id = outbox.enqueue(connection, letter.queued, now)
        cases.add_entry(
            connection,
            case_id,
            kind,
            author=self._agent,
            text=text,
            now=now,
            outbox_id=outbox_id,
            referral_id=referral_id,
        )
        return outbox_id

    def _case(self, connection: Connection, case_id: int) -> Case:
        case = cases.read_case(connection, case_id)
        if case is None:
            raise Invalid(f"there is no case C{case_id}; `reconciler cases` lists them")
        return case

    def _desk(self, connection: Connection) -> Desk:
        return Desk(read_applied(connection, self._registry), read_keys(self._secrets), instance(connection))


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


def _request(connection: Connection, case_id: int) -> tuple[str, tuple[Attachment, ...]]:
    """What the customer wrote last, with its attachments."""
    entries: Sequence[Entry] = cases.read_entries(connection, case_id)
    last = next((e for e in reversed(entries) if e.kind is EntryKind.CUSTOMER_MESSAGE), None)
    if last is None or last.mail_id is None:
        return "", ()
    raw = connection.execute(select(raw_mails.c.data).where(raw_mails.c.mail_id == last.mail_id)).scalar_one()
    return last.text, parse(raw).body.attachments
