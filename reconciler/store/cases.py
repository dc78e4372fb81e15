"""Cases, their entries and referrals: opened, read and changed; tokens by which answers find them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from reconciler.core.account import AnswerFrom
from reconciler.core.address import Address
from reconciler.core.case import Case, CaseState, Entry, EntryKind
from reconciler.core.referral import Referral, ReferralKind, ReferralState
from reconciler.core.rule import Then
from reconciler.core.subject_tag import FoundTag, Tagged
from reconciler.core.token import Purpose, TokenRecord
from reconciler.store.tables import accounts, cases, effects, entries, mails, outbox, referrals, tokens

_MAX_SIGNED = 1 << 63


def _case_query() -> Any:
    return select(cases, (accounts.c.unit + "/" + accounts.c.id).label("account")).join(
        accounts, accounts.c.key == cases.c.account_key
    )


def _referral_query() -> Any:
    return select(referrals, (accounts.c.unit + "/" + accounts.c.id).label("account")).join(
        accounts, accounts.c.key == referrals.c.account_key
    )


# What routing runs for every mail is built once: building a statement costs several times what running it does.
_CASE = _case_query().where(cases.c.id == bindparam("wanted"))
_NEW_CASE = insert(cases).returning(cases.c.id)
_CHANGE_CASE = update(cases).where(cases.c.id == bindparam("changed"))
_NEW_ENTRY = insert(entries).returning(entries.c.id)
_REFERRAL = _referral_query().where(referrals.c.id == bindparam("wanted"))
_CHANGE_REFERRAL = update(referrals).where(referrals.c.id == bindparam("changed"))
_EFFECT = select(effects.c.mail_id).where(
    effects.c.referral_id == bindparam("referral"), effects.c.fingerprint == bindparam("print")
)
_NEW_EFFECT = insert(effects)
_TOKENS = select(tokens).where(tokens.c.id.in_(bindparam("ids", expanding=True)))
_NEW_TOKEN = insert(tokens)
_OURS = (EntryKind.AGENT_REPLY.value, EntryKind.RELAY.value)
_THREAD = (
    select(entries.c.kind, mails.c.message_id.label("theirs"), outbox.c.message_id.label("ours"))
    .outerjoin(mails, mails.c.id == entries.c.mail_id)
    .outerjoin(outbox, outbox.c.id == entries.c.outbox_id)
    .where(entries.c.case_id == bindparam("case"), entries.c.kind.in_([EntryKind.CUSTOMER_MESSAGE.value, *_OURS]))
    .order_by(entries.c.id)
)


def open_case(
    connection: Connection,
    *,
    tenant: str,
    account_key: int,
    subject: str,
    customer_name: str,
    customer_address: str,
    then: Then,
    now: datetime,
) -> int:
    """Open a case and return its id."""
    values = {
        "tenant": tenant,
        "account_key": account_key,
        "subject": subject,
        "state": CaseState.OPEN.value,
        "customer_name": customer_name,
        "customer_address": customer_address,
        "queue": then.queue,
        "agent": then.agent,
        "priority": then.priority.value if then.priority else "normal",
        "tags": list(then.tags),
        "opened_at": now,
        "updated_at": now,
    }
    return int(connection.execute(_NEW_CASE, values).scalar_one())


def set_case_state(connection: Connection, case_id: int, state: CaseState, now: datetime) -> None:
    """Open or close the case."""
    closed_at = now if state is CaseState.CLOSED else None
    values = {"state": state.value, "updated_at": now, "closed_at": closed_at}
    connection.execute(_CHANGE_CASE, {"changed": case_id, **values})


def set_queue(connection: Connection, case_id: int, queue: str, now: datetime) -> None:
    """Put the case into another queue."""
    connection.execute(_CHANGE_CASE, {"changed": case_id, "queue": queue, "updated_at": now})


def add_entry(
    connection: Connection,
    case_id: int,
    kind: EntryKind,
    *,
    author: str,
    text: str,
    now: datetime,
    mail_id: int | None = None,
    outbox_id: int | None = None,
    referral_id: int | None = None,
) -> int:
    """Put an entry on the case and return its id."""
    connection.execute(_CHANGE_CASE, {"changed": case_id, "updated_at": now})
    values = {
        "case_id": case_id,
        "kind": kind.value,
        "at": now,
        "author": author,
        "text": text,
        "mail_id": mail_id,
        "outbox_id": outbox_id,
        "referral_id": referral_id,
    }
    return int(connection.execute(_NEW_ENTRY, values).scalar_one())


def read_case(connection: Connection, case_id: int) -> Case | None:
    """The case, or None."""
    row = connection.execute(_CASE, {"wanted": case_id}).first()
    return None if row is None else _case(row)


def list_cases(
    connection: Connection, *, tenant: str | None = None, agent: str | None = None, state: CaseState | None = None
) -> list[Case]:
    """Cases, the one that changed last first."""
    query = _case_query().order_by(cases.c.updated_at.desc(), cases.c.id.desc())
    if tenant is not None:
        query = query.where(cases.c.tenant == tenant)
    if agent is not None:
        query = query.where(func.lower(cases.c.agent) == agent.lower())
    if state is not None:
        query = query.where(cases.c.state == state.value)
    return [_case(row) for row in connection.execute(query)]


def read_entries(connection: Connection, case_id: int) -> list[Entry]:
    """The entries of a case, oldest first."""
    query = select(entries).where(entries.c.case_id == case_id).order_by(entries.c.id)
    return [
        Entry(r.id, EntryKind(r.kind), r.at, r.author, r.text, r.mail_id, r.outbox_id, r.referral_id)
        for r in connection.execute(query)
    ]


def create_referral(connection: Connection, values: Mapping[str, Any]) -> int:
    """Write a referral (columns of the table by name) and return its id."""
    return int(connection.execute(insert(referrals).values(**values).returning(referrals.c.id)).scalar_one())


def read_referral(connection: Connection, referral_id: int) -> Referral | None:
    """The referral, or None."""
    row = connection.execute(_REFERRAL, {"wanted": referral_id}).first()
    return None if row is None else _referral(row)


def list_referrals(
    connection: Connection,
    *,
    case_id: int | None = None,
    kind: ReferralKind | None = None,
    agent: str | None = None,
    overdue_at: datetime | None = None,
) -> list[Referral]:
    """Referrals, oldest first. `overdue_at` keeps those that wait past their expiry at that instant."""
    query = _referral_query().order_by(referrals.c.id)
    if case_id is not None:
        query = query.where(referrals.c.case_id == case_id)
    if kind is not None:
        query = query.where(referrals.c.kind == kind.value)
    if agent is not None:
        query = query.where(func.lower(referrals.c.agent) == agent.lower())
    if overdue_at is not None:
        query = query.where(referrals.c.state == ReferralState.WAITING.value, referrals.c.expires_at < overdue_at)
    return [_referral(row) for row in connection.execute(query)]


def waiting_referrals(connection: Connection) -> list[Referral]:
    """The referrals whose contact has not answered yet, oldest first."""
    query = _referral_query().where(referrals.c.state == ReferralState.WAITING.value).order_by(referrals.c.id)
    return [_referral(row) for row in connection.execute(query)]


def update_referral(connection: Connection, referral_id: int, **values: Any) -> None:
    """Change columns of a referral."""
    connection.execute(_CHANGE_REFERRAL, {"changed": referral_id, **values})


def has_effect(connection: Connection, referral_id: int, fingerprint: str) -> bool:
    """Whether a mail with this fingerprint has had its effect on the referral."""
    return connection.execute(_EFFECT, {"referral": referral_id, "print": fingerprint}).first() is not None


def take_effect(connection: Connection, referral_id: int, effect: str, fingerprint: str, mail_id: int) -> bool:
    """Claim the effect; False if a mail with this fingerprint has had it already (in whichever account)."""
    if has_effect(connection, referral_id, fingerprint):
        return False
    values = {"referral_id": referral_id, "effect": effect, "fingerprint": fingerprint, "mail_id": mail_id}
    connection.execute(_NEW_EFFECT, values)
    return True


def write_token(connection: Connection, record: TokenRecord) -> None:
    """Remember what a token stands for."""
    values = {
        "id": record.id,
        "tenant": record.tenant,
        "purpose": record.purpose.value,
        "case_id": record.case_id,
        "referral_id": record.referral_id,
        "contact": record.contact,
        "expires_at": record.expires_at,
    }
    connection.execute(_NEW_TOKEN, values)


def read_tokens(connection: Connection, ids: Collection[int]) -> dict[int, TokenRecord]:
    """The known ones of these token ids. Ids this program never makes (64th bit set) are unknown."""
    wanted = sorted(i for i in set(ids) if i < _MAX_SIGNED)
    if not wanted:
        return {}
    rows = connection.execute(_TOKENS, {"ids": wanted})
    return {
        r.id: TokenRecord(r.id, r.tenant, Purpose(r.purpose), r.case_id, r.referral_id, r.contact, r.expires_at)
        for r in rows
    }


def read_tagged(connection: Connection, tag: FoundTag) -> Tagged | None:
    """What a subject's tag names, as far as there is such a case or referral; the tag is not verified by this."""
    if tag.letter == "R":
        referral = read_referral(connection, tag.number)
        if referral is None:
            return None
        contact = Address(referral.contact_name, referral.contact_address)
        return Tagged(referral.tenant, referral.case_id, referral.id, contact, AnswerFrom(referral.answer_from))
    case = read_case(connection, tag.number)
    if case is None:
        return None
    return Tagged(case.tenant, case.id, None, Address(case.customer_name, case.customer_address), AnswerFrom.ADDRESS)


def thread_ids(connection: Connection, case_id: int) -> list[str]:
    """Message-IDs of the conversation with the customer, oldest first: their mails, and ours to them."""
    rows = connection.execute(_THREAD, {"case": case_id})
    ids = [row.ours if row.kind in _OURS else row.theirs for row in rows]
    return [i for i in ids if i]


def _case(r: Row[Any]) -> Case:
    return Case(
        r.id,
        r.tenant,
        r.account_key,
        r.account,
        r.subject,
        CaseState(r.state),
        r.customer_name,
        r.customer_address,
        r.queue,
        r.agent,
        r.priority,
        tuple(r.tags),
        r.opened_at,
        r.updated_at,
        r.closed_at,
    )


def _referral(r: Row[Any]) -> Referral:
    return Referral(
        r.id,
        r.tenant,
        r.case_id,
        ReferralKind(r.kind),
        ReferralState(r.state),
        r.contact_name,
        r.contact_address,
        r.agent,
        r.account_key,
        r.account,
        r.target_name,
        r.target_address,
        r.answer_from,
        r.asked_at,
        r.expires_at,
        r.answered_at,
        r.out_of_office_until,
        r.late,
        r.reminders,
        r.reminded_at,
        r.group_id,
        r.trouble,
        r.escalated_at,
    )
