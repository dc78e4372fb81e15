"""Writes the mails that go out (forward, reply, relay): text, sender, thread, token; sends and stores nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files

from reconciler.core.account import AccountType, TenantDocument
from reconciler.core.case import Case
from reconciler.core.errors import Invalid, NotSetUp, Unsafe
from reconciler.core.message import Address, Attachment
from reconciler.core.outgoing import OutgoingMail, build
from reconciler.core.quoting import quote
from reconciler.core.revision import AppliedAccount, AppliedState
from reconciler.core.sender import Sending, customer_sending, referral_sending
from reconciler.core.serving import serving
from reconciler.core.template import TemplateSource, parse_template, render
from reconciler.core.token import Purpose, TokenKey, TokenRecord, address_token, signed_message_id
from reconciler.store.filing import Letter
from reconciler.store.outbox import Queued

CUSTOMER_TOKEN_LIFE = timedelta(days=400)
"""How long a customer's answer finds its case by token; afterwards by the thread, or it opens a new case."""

_REPLY_MARK = re.compile(r"^\s*((re|aw|fwd?|wg|antw|sv|tr|rif|r)(\[\d+\])?\s*:\s*)+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Desk:
    """What writing a mail needs: the applied state, the signing keys (newest first), this installation's id."""

    state: AppliedState
    keys: Sequence[TokenKey] = field(repr=False)
    instance: str

    def key(self) -> TokenKey:
        """The key that signs; raises NotSetUp without one."""
        if not self.keys:
            raise NotSetUp("there is no token key to sign mails with; run: reconciler key new")
        return self.keys[0]

    def account(self, key: int) -> AppliedAccount | None:
        """The account with this key, unless it is retired."""
        return next((a for a in self.state.accounts.values() if a.key == key), None)

    def own_addresses(self) -> frozenset[str]:
        """All addresses of ours, lower-case without subaddress."""
        return frozenset(a.account.address_identity for a in self.state.accounts.values())


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why and when a mail is written. `token_id` is 63 random bits, `hop` how many mails preceded it by themselves."""

    case: Case
    thread: Sequence[str]
    token_id: int
    hop: int
    now: datetime


def bare_subject(subject: str) -> str:
    """The subject without Re:, Fwd: and the like at its front."""
    return _REPLY_MARK.sub("", subject).strip()


def forward_letter(
    desk: Desk,
    occasion: Occasion,
    *,
    contact: Address,
    referral_id: int,
    system: AppliedAccount,
    expires_at: datetime,
    agent: str,
    text: str,
    request: str,
    attachments: tuple[Attachment, ...],
) -> Letter:
    """The mail that asks an external contact; its answer comes back to the system account. Raises Invalid, NotSetUp."""
    case = occasion.case
    record = TokenRecord(
        occasion.token_id, case.tenant, Purpose.FORWARD, case.id, referral_id, contact.address, expires_at
    )
    token = address_token(desk.key(), record)
    sending = referral_sending(system, _lookup(desk, system.unit), token)
    if sending is None:
        raise Invalid(f"{system.label} has neither smtp nor send_from, so it cannot send the forward")
    values = _values(desk, case, text) | {
        "agent": agent,
        "contact_name": contact.name,
        "quoted": quote(request),
    }
    return _letter(desk, occasion, "forward", record, sending, contact, values, attachments, threaded=False)


def customer_letter(
    desk: Desk, occasion: Occasion, template: str, *, text: str, agent: str, attachments: tuple[Attachment, ...] = ()
) -> Letter:
    """A reply or relay to the case's customer, threaded into the case. Raises Invalid, NotSetUp, Unsafe."""
    case = occasion.case
    customer = Address(case.customer_name, case.customer_address)
    if customer.key in desk.own_addresses():
        raise Unsafe(f"the customer's address {customer.address} is one of our own accounts'; nothing is sent there")
    inbound = desk.account(case.account_key)
    if inbound is None:
        raise Invalid(f"{case.account}, through which case C{case.id} came in, is retired; restore it to send")
    record = TokenRecord(
        occasion.token_id,
        case.tenant,
        Purpose.CASE,
        case.id,
        None,
        customer.address,
        occasion.now + CUSTOMER_TOKEN_LIFE,
    )
    system = serving(desk.state, case.tenant, AccountType.REPLY, inbound.account.reply_via).account
    sending = customer_sending(
        inbound,
        _lookup(desk, inbound.unit),
        system,
        _lookup(desk, system.unit if system else ""),
        _tenant_name(desk, case.tenant),
        address_token(desk.key(), record),
    )
    if sending is None:
        raise Invalid(f"{inbound.label} has no smtp and {case.tenant} no reply account that can send; add smtp to one")
    values = _values(desk, case, text) | {"quoted": ""}
    if template == "reply":
        values["agent"] = agent
    return _letter(desk, occasion, template, record, sending, customer, values, attachments, threaded=True)


def _letter(
    desk: Desk,
    occasion: Occasion,
    template: str,
    record: TokenRecord,
    sending: Sending,
    to: Address,
    values: Mapping[str, object],
    attachments: tuple[Attachment, ...],
    *,
    threaded: bool,
) -> Letter:
    case = occasion.case
    rendered = render(_template(desk, case.tenant, template), values)
    domain = sending.sender.address.rpartition("@")[2]
    message_id = signed_message_id(desk.key(), record, hop=occasion.hop, instance=desk.instance, domain=domain)
    mail = OutgoingMail(
        sender=sending.sender,
        reply_to=sending.reply_to,
        to=to,
        subject=rendered.subject,
        date=occasion.now,
        message_id=message_id,
        in_reply_to=occasion.thread[-1] if threaded and occasion.thread else None,
        references=tuple(occasion.thread) if threaded else (),
        text=rendered.text,
        attachments=attachments,
        auto_submitted=None,
    )
    queued = Queued(
        tenant=case.tenant,
        account_key=sending.via.key,
        case_id=case.id,
        referral_id=record.referral_id,
        purpose=template,
        revision_id=desk.state.units[case.tenant].revision,
        mail_from=sending.mail_from,
        recipient=to.address,
        message_id=message_id,
        subject=rendered.subject,
        data=build(mail),
    )
    return Letter(queued, record, rendered.text)


def _values(desk: Desk, case: Case, text: str) -> dict[str, object]:
    return {
        "case": f"C{case.id}",
        "subject": bare_subject(case.subject),
        "tenant_name": _tenant_name(desk, case.tenant),
        "customer_name": case.customer_name,
        "text": text,
    }


def _tenant_name(desk: Desk, tenant: str) -> str:
    document = desk.state.tenant_document(tenant)
    return (document.name if document else None) or tenant


def _lookup(desk: Desk, unit: str) -> _Lookup:
    return _Lookup(desk.state, unit)


@dataclass(frozen=True, slots=True)
class _Lookup:
    """Finds an account of the unit by its id."""

    state: AppliedState
    unit: str

    def __call__(self, account_id: str) -> AppliedAccount | None:
        return self.state.accounts.get((self.unit, account_id))


def _template(desk: Desk, tenant: str, name: str) -> TemplateSource:
    document: TenantDocument | None = desk.state.tenant_document(tenant)
    own = next((t for key, t in document.templates.items() if key == name), None) if document else None
    return TemplateSource(own.subject, own.text) if own else _shipped(name)


@cache
def _shipped(name: str) -> TemplateSource:
    return parse_template((files("reconciler") / "templates" / "en" / f"{name}.txt").read_text("utf-8"))
