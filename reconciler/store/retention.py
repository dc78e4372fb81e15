"""Takes away what customers and contacts wrote and who they are; the numbers of cases and mails stay.

Rows stay because others stand on them: a mail's place on the server keeps it from being fetched again, an effect from
being had twice. What is personal in them goes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, or_, select, update

from reconciler.core.address import Address
from reconciler.core.case import SYSTEM, CaseState
from reconciler.core.outbox import OutboxState
from reconciler.core.referral import ReferralState
from reconciler.store.ledger import MailState
from reconciler.store.oversight_tables import errands, exceptions
from reconciler.store.tables import cases, entries, held, mails, outbox, outbox_data, raw_mails, referrals, tokens

Counts = Counter[str]
_LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)
_CHUNK = 500
_ENDED = (OutboxState.SENT.value, OutboxState.FAILED.value)


def take_raw(connection: Connection, tenant: str, before: datetime) -> Counts:
    """The bytes of decided mails that came, and of mails of ours that went out, before then; texts on cases stay."""
    old = select(mails.c.id).where(
        mails.c.tenant == tenant, mails.c.state == MailState.ROUTED.value, mails.c.routed_at < before
    )
    sent = select(outbox.c.id).where(
        outbox.c.tenant == tenant, outbox.c.state.in_(_ENDED), outbox.c.created_at < before
    )
    raw = connection.execute(delete(raw_mails).where(raw_mails.c.mail_id.in_(old))).rowcount
    data = connection.execute(delete(outbox_data).where(outbox_data.c.outbox_id.in_(sent))).rowcount
    return Counter({"raw_mails": raw, "sent_mails": data})


def old_cases(connection: Connection, tenant: str, before: datetime) -> list[int]:
    """Cases that were closed before then and whose contacts nobody waits for."""
    waits = select(referrals.c.case_id).where(referrals.c.state == ReferralState.WAITING.value)
    query = select(cases.c.id).where(
        cases.c.tenant == tenant,
        cases.c.state == CaseState.CLOSED.value,
        cases.c.closed_at < before,
        cases.c.erased_at.is_(None),
        cases.c.id.not_in(waits),
    )
    return list(connection.execute(query.order_by(cases.c.id)).scalars())


def old_strays(connection: Connection, tenant: str, before: datetime) -> list[int]:
    """Mails that belong to no case and that nobody has to decide, from before then."""
    query = select(mails.c.id).where(
        mails.c.tenant == tenant, mails.c.case_id.is_(None), mails.c.routed_at < before, mails.c.erased_at.is_(None)
    )
    return list(connection.execute(query.where(mails.c.id.not_in(_undecided())).order_by(mails.c.id)).scalars())


def _undecided() -> Any:
    return select(held.c.mail_id).where(held.c.resolution.is_(None))


def erase_cases(connection: Connection, ids: Sequence[int], now: datetime) -> Counts:
    """Take names, addresses, subjects and texts of these cases, and of all that belongs to them."""
    counts: Counts = Counter()
    for case_id in ids:
        found = list(connection.execute(select(mails.c.id).where(mails.c.case_id == case_id)).scalars())
        counts += erase_mails(connection, found, now)
        counts["entries"] += connection.execute(
            update(entries).where(entries.c.case_id == case_id, entries.c.text != "").values(text="", author=SYSTEM)
        ).rowcount
        counts += _erase_outbox(connection, outbox.c.case_id == case_id)
        connection.execute(
            update(referrals)
            .where(referrals.c.case_id == case_id)
            .values(contact_name="", contact_address="", target_name="", target_address="", trouble=None)
        )
        connection.execute(
            update(referrals)
            .where(referrals.c.case_id == case_id, referrals.c.state == ReferralState.WAITING.value)
            .values(state=ReferralState.WITHDRAWN.value)
        )
        connection.execute(update(tokens).where(tokens.c.case_id == case_id).values(contact="", expires_at=_LONG_AGO))
        connection.execute(update(errands).where(errands.c.case_id == case_id).values(detail={}, outcome="erased"))
        connection.execute(
            update(errands).where(errands.c.case_id == case_id, errands.c.done_at.is_(None)).values(done_at=now)
        )
        values = {"subject": "", "customer_name": "", "customer_address": "", "state": CaseState.CLOSED.value}
        connection.execute(update(cases).where(cases.c.id == case_id).values(**values, closed_at=now, erased_at=now))
        counts["cases"] += 1
    return counts


def erase_mails(connection: Connection, ids: Sequence[int], now: datetime) -> Counts:
    """Take bytes, sender, subject and evidence of these mails."""
    counts: Counts = Counter()
    for start in range(0, len(ids), _CHUNK):
        some = list(ids[start : start + _CHUNK])
        counts["raw_mails"] += connection.execute(delete(raw_mails).where(raw_mails.c.mail_id.in_(some))).rowcount
        connection.execute(update(held).where(held.c.mail_id.in_(some)).values(detail=""))
        connection.execute(
            update(held)
            .where(held.c.mail_id.in_(some), held.c.resolution.is_(None))
            .values(resolution="erased", resolved_at=now, resolved_by=SYSTEM)
        )
        values = {"sender": None, "subject": None, "message_id": None, "decision": None, "erased_at": now}
        counts["mails"] += connection.execute(
            update(mails).where(mails.c.id.in_(some), mails.c.erased_at.is_(None)).values(**values)
        ).rowcount
        connection.execute(
            update(mails)
            .where(mails.c.id.in_(some), mails.c.state != MailState.ROUTED.value)
            .values(state=MailState.ROUTED.value, routed_at=now)
        )
    return counts


def _erase_outbox(connection: Connection, which: Any) -> Counts:
    ids = select(outbox.c.id).where(which)
    data = connection.execute(delete(outbox_data).where(outbox_data.c.outbox_id.in_(ids))).rowcount
    values = {"recipient": "", "recipient_key": None, "subject": "", "answer": None, "bounced": None}
    connection.execute(update(outbox).where(which).values(**values))
    connection.execute(
        update(outbox)
        .where(which, outbox.c.state.not_in(_ENDED))
        .values(state=OutboxState.FAILED.value, claimed_by=None)
    )
    return Counter({"sent_mails": data})


def cases_of(connection: Connection, address: str, tenant: str | None) -> list[int]:
    """The cases whose customer has this address, with or without subaddress."""
    query = select(cases.c.id, cases.c.customer_address).where(cases.c.erased_at.is_(None), _like(cases, address))
    if tenant is not None:
        query = query.where(cases.c.tenant == tenant)
    wanted = Address("", address).key
    return [row.id for row in connection.execute(query) if Address("", row.customer_address).key == wanted]


def mails_of(connection: Connection, address: str, tenant: str | None) -> list[int]:
    """The mails this address has sent, whatever became of them."""
    query = select(mails.c.id, mails.c.sender).where(
        mails.c.erased_at.is_(None), func.lower(mails.c.sender).like(f"%{_domain(address)}")
    )
    if tenant is not None:
        query = query.where(mails.c.tenant == tenant)
    wanted = Address("", address).key
    return [row.id for row in connection.execute(query) if Address("", row.sender).key == wanted]


def erase_contact(connection: Connection, address: str, tenant: str | None) -> Counts:
    """Take the address as an external contact: from referrals, mails sent to it, their tokens and exceptions."""
    wanted, counts = Address("", address).key, Counts()
    query = select(referrals.c.id, referrals.c.contact_address).where(
        func.lower(referrals.c.contact_address).like(f"%{_domain(address)}")
    )
    query = query if tenant is None else query.where(referrals.c.tenant == tenant)
    ids = [r.id for r in connection.execute(query) if Address("", r.contact_address).key == wanted]
    for referral_id in ids:
        connection.execute(
            update(referrals)
            .where(referrals.c.id == referral_id)
            .values(contact_name="", contact_address="", trouble=None)
        )
        connection.execute(
            update(referrals)
            .where(referrals.c.id == referral_id, referrals.c.state == ReferralState.WAITING.value)
            .values(state=ReferralState.WITHDRAWN.value)
        )
        connection.execute(update(entries).where(entries.c.referral_id == referral_id).values(text="", author=SYSTEM))
        connection.execute(
            update(tokens).where(tokens.c.referral_id == referral_id).values(contact="", expires_at=_LONG_AGO)
        )
        counts["referrals"] += 1
    of_tenant = (outbox.c.tenant == tenant,) if tenant is not None else ()
    rows = select(outbox.c.id).where(outbox.c.recipient_key == wanted, *of_tenant)
    counts += _erase_outbox(connection, outbox.c.id.in_(list(connection.execute(rows).scalars())))
    held_for = (exceptions.c.tenant == tenant,) if tenant is not None else ()
    counts["exceptions"] += connection.execute(
        delete(exceptions).where(exceptions.c.contact == wanted, *held_for)
    ).rowcount
    return counts


def erase_entries_of(connection: Connection, mail_ids: Sequence[int]) -> Counts:
    """Take the texts of these mails from the cases they stand on."""
    counts: Counts = Counter()
    for start in range(0, len(mail_ids), _CHUNK):
        some = list(mail_ids[start : start + _CHUNK])
        counts["entries"] += connection.execute(
            update(entries)
            .where(entries.c.mail_id.in_(some), or_(entries.c.text != "", entries.c.author != SYSTEM))
            .values(text="", author=SYSTEM)
        ).rowcount
    return counts


def _domain(address: str) -> str:
    """The part of an address that a database can compare before the exact look."""
    return "@" + address.lower().rpartition("@")[2].replace("%", "")


def _like(table: Any, address: str) -> Any:
    return func.lower(table.c.customer_address).like(f"%{_domain(address)}")
