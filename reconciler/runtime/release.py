"""What a person does with held mail: release it, say what it is, or discard it; each act stands in the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from reconciler.core.act import Act
from reconciler.core.address import Address
from reconciler.core.answer import EXCEPTIONAL
from reconciler.core.case import EntryKind
from reconciler.core.decision import Action
from reconciler.core.errors import Invalid
from reconciler.core.kind import Kind
from reconciler.runtime.router import Release, Router
from reconciler.store import acts, cases
from reconciler.store.database import Store
from reconciler.store.filing import Filed, Filing, file_mail
from reconciler.store.held import list_held, mail_of_held, resolve, waiting_under
from reconciler.store.tables import mails

_CORRECTABLE = frozenset({Action.FILE.value, Action.UNASSIGNED.value})
"""What became of a mail that nobody was sent because it was taken for no person's."""


@dataclass(frozen=True, slots=True)
class Released:
    """One of many: what was done with it, or why it stays held (`action` None)."""

    held_id: int
    action: Action | None
    why: str = ""


def release(
    store: Store, router: Router, held_id: int, word: Release, agent: str, now: datetime, *, remember: bool = False
) -> Filing:
    """Let a held mail go on; `remember`: the contact's mails of this kind too, from now on.

    Raises Invalid if it is not held any more, if even a person's word is not enough, or if nothing can be remembered.
    """
    with store.read() as connection:
        mail_id = mail_of_held(connection, held_id)
    filing = router.release(mail_id, word)
    decision = filing.decision
    if decision.action is Action.HOLD:
        reason = decision.reason.value if decision.reason is not None else ""
        raise Invalid(
            f"H{held_id} stays held: {reason} {decision.detail}".rstrip()
            + "; name its place with --case or --referral, or discard it"
        )
    with store.write() as connection:
        if remember:
            _remember(connection, filing, agent, now)
        if file_mail(connection, filing, now) is not Filed.DONE:
            raise Invalid(f"H{held_id}: something changed meanwhile; look again and repeat the command")
        resolve(connection, held_id, f"released: {decision.action.value}", agent, now)
        detail = {"mail": f"M{mail_id}", "action": decision.action.value}
        _record(connection, Act.RELEASE, decision.tenant, f"H{held_id}", agent, now, detail=detail)
    return filing


def release_all(
    store: Store, router: Router, reason: str, tenant: str | None, agent: str, now: datetime
) -> Sequence[Released]:
    """Release every mail that is held for this reason, each as if alone; what stays held hinders no other."""
    with store.read() as connection:
        wanted = [held.id for held in list_held(connection, tenant=tenant) if held.reason == reason]
    done = []
    for held_id in wanted:
        try:
            filing = release(store, router, held_id, Release(), agent, now)
            done.append(Released(held_id, filing.decision.action))
        except Invalid as error:
            done.append(Released(held_id, None, str(error)))
    return done


def reclassify(store: Store, router: Router, mail_id: int, kind: Kind, agent: str, now: datetime) -> Filing:
    """A person says what a mail is; it is decided anew as such. Only mails that nobody was sent can be corrected.

    Raises Invalid for any other mail, or if something changed meanwhile.
    """
    with store.read() as connection:
        row = connection.execute(select(mails.c.state, mails.c.kind, mails.c.decision).where(mails.c.id == mail_id))
        found, held_id = row.first(), waiting_under(connection, mail_id)
    if found is None:
        raise Invalid(f"there is no mail M{mail_id}")
    if held_id is None and (found.decision or {}).get("action") not in _CORRECTABLE:
        raise Invalid(f"M{mail_id} is neither held nor filed as no person's mail, so there is nothing to correct")
    filing = router.release(mail_id, Release(kind=kind, by=agent))
    with store.write() as connection:
        if held_id is not None:
            resolve(connection, held_id, f"reclassified: {kind.value}", agent, now)
        if file_mail(connection, filing, now) is not Filed.DONE:
            raise Invalid(f"M{mail_id}: something changed meanwhile; look again and repeat the command")
        decision = filing.decision
        if decision.case_id is not None:
            text = f"M{mail_id} is {kind.value}, not {found.kind}"
            cases.add_entry(
                connection, decision.case_id, EntryKind.EVENT, author=agent, text=text, now=now, mail_id=mail_id
            )
        detail = {"from": found.kind, "to": kind.value, "action": decision.action.value}
        _record(connection, Act.RECLASSIFY, decision.tenant, f"M{mail_id}", agent, now, detail=detail)
    return filing


def discard(store: Store, held_id: int, reason: str, agent: str, now: datetime) -> None:
    """Close a held mail without doing anything with it; its raw bytes are kept."""
    with store.write() as connection:
        mail_id = mail_of_held(connection, held_id)
        resolve(connection, held_id, f"discarded: {reason}".rstrip(": "), agent, now)
        tenant = connection.execute(select(mails.c.tenant).where(mails.c.id == mail_id)).scalar_one()
        _record(connection, Act.DISCARD, tenant, f"H{held_id}", agent, now, reason, {"mail": f"M{mail_id}"})


def _remember(connection: Connection, filing: Filing, agent: str, now: datetime) -> None:
    decision, kind = filing.decision, filing.summary.kind
    referral = cases.read_referral(connection, decision.referral_id) if decision.referral_id is not None else None
    if referral is None or kind not in EXCEPTIONAL:
        kinds = " or ".join(sorted(kind.value for kind in EXCEPTIONAL))
        raise Invalid(
            f"only a contact's answer of kind {kinds} can be remembered; this is {kind.value}"
            + ("" if referral else " and answers no referral")
        )
    contact = Address("", referral.contact_address)
    if Address("", filing.summary.sender_address).key != contact.key:
        raise Invalid(f"it comes from {filing.summary.sender_address}, not from the contact {contact.address}")
    acts.remember(
        connection, tenant=referral.tenant, contact=contact, kind=kind, mail_id=filing.mail_id, by=agent, now=now
    )
    detail = {"kind": kind.value, "mail": f"M{filing.mail_id}"}
    _record(connection, Act.REMEMBER, referral.tenant, contact.key, agent, now, detail=detail)


def forget(store: Store, exception_id: int, agent: str, now: datetime) -> None:
    """Take an exception back. Raises Invalid if there is none."""
    with store.write() as connection:
        found = acts.forget(connection, exception_id)
        if found is None:
            raise Invalid(f"there is no exception {exception_id}; `reconciler exceptions` lists them")
        _record(connection, Act.FORGET, found.tenant, found.contact, agent, now, detail={"kind": found.kind})


def _record(
    connection: Connection,
    act: Act,
    tenant: str | None,
    subject: str,
    agent: str,
    now: datetime,
    reason: str = "",
    detail: Mapping[str, object] | None = None,
) -> None:
    acts.record(connection, act, by=agent, tenant=tenant, subject=subject, now=now, reason=reason, detail=detail)
