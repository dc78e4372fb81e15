"""Writes the mails that go out: text, sender, thread and token; sends and stores nothing."""

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
from reconciler.core.outgoing import MOST_HEADER_CHARACTERS, AutoSubmitted, OutgoingMail, build
from reconciler.core.quoting import quote
from reconciler.core.referral import Referral
from reconciler.core.revision import AppliedAccount, AppliedState
from reconciler.core.sender import Sending, customer_sending, referral_sending
from reconciler.core.serving import serving
from reconciler.core.subject_tag import subject_tag, without_tags
from reconciler.core.template import TemplateSource, parse_template, render
from reconciler.core.tenant_settings import SubjectTags
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
        return self.state.by_key.get(key)

    def own_addresses(self) -> frozenset[str]:
        """All addresses of ours, lower-case without subaddress."""
        return self.state.own_addresses


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why and when a mail is written. `thread` are the Message-IDs it follows, oldest first; `token_id` is 63 random
    bits, `hop` how many mails preceded it by themselves."""

    case: Case
    thread: Sequence[str]
    token_id: int
    hop: int
    now: datetime


def bare_subject(subject: str) -> str:
    """The subject without Re:, Fwd: and the like at its front."""
    return _REPLY_MARK.sub("", without_tags(subject)).strip()


@dataclass(frozen=True, slots=True)
class Question:
    """What an external is asked: by a forward, an inquiry or a reminder. `request` is the customer's own text."""

    purpose: Purpose
    contact: Address
    referral_id: int
    system: AppliedAccount
    expires_at: datetime
    agent: str
    text: str
    request: str
    asked_on: str = ""
    attachments: tuple[Attachment, ...] = ()


def question_letter(desk: Desk, occasion: Occasion, template: str, question: Question) -> Letter:
    """The mail that asks an external contact; its answer comes back to the system account.

    `template` is forward, inquiry or reminder. Raises Invalid if the account cannot send, NotSetUp without a key,
    Unsafe if the contact's address has become one of ours.
    """
    case, contact, system = occasion.case, question.contact, question.system
    if contact.key in desk.own_addresses():
        raise Unsafe(f"the contact's address {contact.address} is one of our own accounts'; nothing is sent there")
    record = TokenRecord(
        occasion.token_id,
        case.tenant,
        question.purpose,
        case.id,
        question.referral_id,
        contact.address,
        question.expires_at,
    )
    sending = referral_sending(system, _lookup(desk, system.unit), address_token(desk.key(), record))
    if sending is None:
        raise Invalid(f"{system.label} has neither smtp nor send_from, so it cannot send the {template}")
    values = _values(desk, case, question.text) | {
        "agent": question.agent,
        "contact_name": contact.name,
        "quoted": quote(question.request) if question.request else "",
    }
    if template == "reminder":
        values["asked_on"] = question.asked_on
    return _letter(desk, occasion, template, record, sending, contact, values, question.attachments)


def agent_letter(
    desk: Desk,
    occasion: Occasion,
    referral: Referral,
    *,
    sender: Address | None,
    text: str,
    attachments: tuple[Attachment, ...],
) -> Letter:
    """The mail that brings an inquiry's answer to the agent who asked. Raises Invalid, NotSetUp, Unsafe."""
    agent = Address("", referral.agent)
    if agent.key in desk.own_addresses():
        raise Unsafe(f"the agent's address {agent.address} is one of our own accounts'; nothing is sent there")
    # The account that asked may have retired since; whichever serves now can tell the agent as well.
    now_serving = serving(desk.state, referral.tenant, AccountType.SECOND_LEVEL_REPLY)
    system = desk.account(referral.account_key) or now_serving.account
    sending = None
    record = TokenRecord(
        occasion.token_id,
        referral.tenant,
        Purpose.INQUIRY,
        referral.case_id,
        referral.id,
        agent.address,
        referral.expires_at,
    )
    if system is not None:
        sending = referral_sending(system, _lookup(desk, system.unit), address_token(desk.key(), record))
    if sending is None:
        raise Invalid(f"{referral.account} cannot send, so the agent cannot be told; add smtp or send_from")
    values = _values(desk, occasion.case, text) | {
        "agent": referral.agent,
        "contact_name": sender.name if sender else referral.contact_name,
        "contact_address": sender.address if sender else referral.contact_address,
    }
    return _letter(desk, occasion, "agent", record, sending, agent, values, attachments)


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
    sending = _to_customers(desk, case, inbound, record)
    values = _values(desk, case, text) | {"quoted": ""}
    if template == "reply":
        values["agent"] = agent
    return _letter(desk, occasion, template, record, sending, customer, values, attachments)


def _to_customers(desk: Desk, case: Case, inbound: AppliedAccount, record: TokenRecord) -> Sending:
    """From where mails about the case go out."""
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
    return sending


def notice_letter(desk: Desk, occasion: Occasion, to: str, *, rule: str, text: str) -> Letter:
    """The mail that tells a colleague of a new case, because a rule says so. Raises Invalid, NotSetUp, Unsafe."""
    case, colleague = occasion.case, Address("", to)
    if colleague.key in desk.own_addresses():
        raise Unsafe(f"{to} is the address of one of our own accounts; nothing is sent there")
    inbound = desk.account(case.account_key)
    if inbound is None:
        raise Invalid(f"{case.account}, through which case C{case.id} came in, is retired; restore it to send")
    expires_at = occasion.now + CUSTOMER_TOKEN_LIFE
    record = TokenRecord(occasion.token_id, case.tenant, Purpose.CASE, case.id, None, to, expires_at)
    sending = _to_customers(desk, case, inbound, record)
    customer = f"{case.customer_name} <{case.customer_address}>" if case.customer_name else case.customer_address
    values = _values(desk, case, text) | {"rule": rule, "customer": customer}
    return _letter(desk, occasion, "notice", record, sending, colleague, values, (), AutoSubmitted.GENERATED)


def _letter(
    desk: Desk,
    occasion: Occasion,
    template: str,
    record: TokenRecord,
    sending: Sending,
    to: Address,
    values: Mapping[str, object],
    attachments: tuple[Attachment, ...],
    auto_submitted: AutoSubmitted | None = None,
) -> Letter:
    case = occasion.case
    rendered = render(_template(desk, case.tenant, template), values)
    domain = sending.sender.address.rpartition("@")[2]
    message_id = signed_message_id(desk.key(), record, hop=occasion.hop, instance=desk.instance, domain=domain)
    subject = rendered.subject if template in ("agent", "notice") else _tagged_subject(desk, rendered.subject, record)
    mail = OutgoingMail(
        sender=sending.sender,
        reply_to=sending.reply_to,
        to=to,
        subject=subject,
        date=occasion.now,
        message_id=message_id,
        in_reply_to=occasion.thread[-1] if occasion.thread else None,
        references=tuple(occasion.thread),
        text=without_tags(rendered.text),
        attachments=attachments,
        auto_submitted=auto_submitted,
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
        subject=subject,
        data=build(mail),
    )
    return Letter(queued, record, rendered.text)


def _tagged_subject(desk: Desk, subject: str, record: TokenRecord) -> str:
    """The subject with the tag that the tenant's settings give this mail, and without any other."""
    document = desk.state.tenant_document(record.tenant)
    wanted = document.subject_tag if document is not None else SubjectTags.OFF
    plain = without_tags(subject).strip()
    if wanted is SubjectTags.OFF or (wanted is SubjectTags.REFERRALS and record.referral_id is None):
        return plain
    tag = subject_tag(desk.key(), record.tenant, record.case_id, record.referral_id)
    return f"{plain[: MOST_HEADER_CHARACTERS - len(tag) - 1]} {tag}".strip()


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
    """The tenant's own text, or the shipped one in the tenant's language."""
    document: TenantDocument | None = desk.state.tenant_document(tenant)
    own = next((t for key, t in document.templates.items() if key == name), None) if document else None
    if own is not None:
        return TemplateSource(own.subject, own.text)
    return shipped_template(document.language if document else "en", name)


@cache
def shipped_template(language: str, name: str) -> TemplateSource:
    """The text that comes with the program."""
    return parse_template((files("reconciler") / "templates" / language / f"{name}.txt").read_text("utf-8"))
