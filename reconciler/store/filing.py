"""Writes a routed mail: decision, entries, referral, effects and outbox row in one transaction, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from reconciler.core.case import SYSTEM, CaseState, EntryKind
from reconciler.core.decision import Action, Decision, HoldReason
from reconciler.core.mail_kind import Kind
from reconciler.core.referral import ReferralEvent, move
from reconciler.core.token import TokenRecord
from reconciler.store import cases, errands, outbox
from reconciler.store.ledger import MailState
from reconciler.store.tables import held, mails

_STATE = select(mails.c.state).where(mails.c.id == bindparam("mail"))
_NEW_HELD = insert(held)
_CHANGE_MAIL = update(mails).where(mails.c.id == bindparam("mail"))


@dataclass(frozen=True, slots=True)
class Summary:
    """What the ledger remembers of a mail's head, and the text that is shown on the case."""

    message_id: str | None
    sender_name: str
    sender_address: str
    subject: str
    text: str
    kind: Kind
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail of ours that goes out with a decision: its outbox row, the token it carries, and its text for the case."""

    queued: outbox.Queued
    token: TokenRecord
    text: str


@dataclass(frozen=True, slots=True)
class Filing:
    """All that is written when a mail is routed. `explanation` is kept with the mail as it is; `hop` is how many
    mails came before it by themselves."""

    mail_id: int
    account_key: int
    account: str
    decision: Decision
    seen_case_state: CaseState | None
    summary: Summary
    explanation: Mapping[str, Any]
    letter: Letter | None = None
    notes: tuple[str, ...] = ()
    was_held: bool = False
    was_routed: bool = False
    bounced_message_id: str | None = None
    hop: int = 0


class Filed(StrEnum):
    """How writing a mail's routing ended; after STALE the mail is decided anew against what has changed."""

    DONE = "done"
    ALREADY = "already"
    STALE = "stale"


def file_mail(connection: Connection, filing: Filing, now: datetime) -> Filed:
    """Write the filing. The mail must still wait (or be held), and what the decision rests on must still be so."""
    state = connection.execute(_STATE, {"mail": filing.mail_id}).scalar_one()
    if state != _expected(filing).value:
        return Filed.ALREADY
    if _is_stale(connection, filing) or _breaks_a_cap(connection, filing, now):
        return Filed.STALE
    case_id = _ACTIONS[filing.decision.action](connection, filing, now)
    _write_mail(connection, filing, case_id, now)
    return Filed.DONE


def _expected(filing: Filing) -> MailState:
    """How the mail stood when it was decided."""
    if filing.was_routed:
        return MailState.ROUTED
    return MailState.HELD if filing.was_held else MailState.RECEIVED


def hold_unrouted(connection: Connection, mail_id: int, reason: HoldReason, detail: str, now: datetime) -> None:
    """Hold a mail that nobody could decide (poison), so that the others go on."""
    row = connection.execute(select(mails.c.state, mails.c.tenant).where(mails.c.id == mail_id)).one()
    if row.state != MailState.RECEIVED.value:
        return
    _insert_held(connection, mail_id, row.tenant, reason, detail, now)
    connection.execute(
        update(mails).where(mails.c.id == mail_id).values(state=MailState.HELD.value, routed_at=now, attempted_by=None)
    )


def _is_stale(connection: Connection, filing: Filing) -> bool:
    decision = filing.decision
    if decision.seen_state is not None and decision.referral_id is not None:
        referral = cases.read_referral(connection, decision.referral_id)
        if referral is None or referral.state is not decision.seen_state:
            return True
    if filing.seen_case_state is not None and decision.case_id is not None:
        case = cases.read_case(connection, decision.case_id)
        return case is None or case.state is not filing.seen_case_state
    return False


def _breaks_a_cap(connection: Connection, filing: Filing, now: datetime) -> bool:
    """Whether others have written to the recipient since it was decided; decided anew, the mail is held."""
    if filing.letter is None or filing.was_held:
        return False
    queued = filing.letter.queued
    return outbox.cap_reached(connection, queued.recipient, queued.case_id, now) is not None


def _open_case(connection: Connection, filing: Filing, now: datetime) -> int:
    summary, decision = filing.summary, filing.decision
    assert decision.tenant is not None
    case_id = cases.open_case(
        connection,
        tenant=decision.tenant,
        account_key=filing.account_key,
        subject=summary.subject,
        customer_name=summary.sender_name,
        customer_address=summary.sender_address,
        then=decision.then,
        now=now,
    )
    _mail_entry(connection, filing, case_id, EntryKind.CUSTOMER_MESSAGE, now)
    if decision.rule is not None:
        errands.add(connection, decision.tenant, case_id, filing.mail_id, decision.rule, decision.then, filing.hop, now)
    return case_id


def _continue_case(connection: Connection, filing: Filing, now: datetime) -> int:
    case_id = _case_id(filing)
    if filing.seen_case_state is CaseState.CLOSED:
        cases.set_case_state(connection, case_id, CaseState.OPEN, now)
    _mail_entry(connection, filing, case_id, EntryKind.CUSTOMER_MESSAGE, now)
    return case_id


def _relay(connection: Connection, filing: Filing, now: datetime) -> int:
    """The external's answer on the case, and the letter to the customer beside it."""
    case_id = _case_id(filing)
    if not _take_effect(connection, filing):
        return _copy(connection, filing, now)
    _mail_entry(connection, filing, case_id, EntryKind.EXTERNAL_ANSWER, now)
    letter, outbox_id = _enqueue(connection, filing, now)
    cases.add_entry(
        connection,
        case_id,
        EntryKind.RELAY,
        author=SYSTEM,
        text=letter.text,
        now=now,
        mail_id=filing.mail_id,
        outbox_id=outbox_id,
        referral_id=filing.decision.referral_id,
    )
    _write_notes(connection, filing, case_id, now)
    _move_referral(connection, filing, now)
    return case_id


def _to_agent(connection: Connection, filing: Filing, now: datetime) -> int:
    """The external's answer as a note, and the letter to the agent."""
    case_id = _case_id(filing)
    if not _take_effect(connection, filing):
        return _copy(connection, filing, now)
    _letter, outbox_id = _enqueue(connection, filing, now)
    _mail_entry(connection, filing, case_id, EntryKind.NOTE, now, outbox_id)
    _move_referral(connection, filing, now)
    return case_id


def _take_effect(connection: Connection, filing: Filing) -> bool:
    decision = filing.decision
    assert decision.referral_id is not None
    return cases.take_effect(
        connection, decision.referral_id, decision.action.value, filing.summary.fingerprint, filing.mail_id
    )


def _enqueue(connection: Connection, filing: Filing, now: datetime) -> tuple[Letter, int]:
    assert filing.letter is not None
    cases.write_token(connection, filing.letter.token)
    return filing.letter, outbox.enqueue(connection, filing.letter.queued, now)


def _copy(connection: Connection, filing: Filing, now: datetime) -> int:
    case_id = _case_id(filing)
    _event(connection, filing, case_id, f"also received by {filing.account}", now)
    return case_id


def _file(connection: Connection, filing: Filing, now: datetime) -> int:
    case_id = _case_id(filing)
    _mail_entry(connection, filing, case_id, EntryKind.REPORT, now)
    _move_referral(connection, filing, now)
    decision = filing.decision
    if decision.out_of_office and decision.referral_id is not None:
        until = decision.out_of_office_until
        cases.update_referral(
            connection, decision.referral_id, out_of_office_until=until.isoformat() if until else "unknown"
        )
    failed = decision.delivery_failed or decision.event is ReferralEvent.BOUNCE
    if failed and filing.bounced_message_id is not None:
        outbox.mark_bounced(connection, filing.bounced_message_id, decision.detail)
    _write_notes(connection, filing, case_id, now)
    return case_id


def _nothing(connection: Connection, filing: Filing, now: datetime) -> None:
    """Unassigned or discarded: the mail is kept, no case changes."""


def _hold(connection: Connection, filing: Filing, now: datetime) -> int | None:
    decision = filing.decision
    assert decision.reason is not None
    _insert_held(connection, filing.mail_id, decision.tenant, decision.reason, decision.detail, now)
    if decision.case_id is not None and decision.reason not in _DOUBTFUL:
        _event(connection, filing, decision.case_id, f"a mail was held: {decision.reason.value}", now)
        return decision.case_id
    return None


# What a forger names must not show on the case he names.
_DOUBTFUL = frozenset({HoldReason.FORGED_TOKEN, HoldReason.CONFLICTING_EVIDENCE})

_ACTIONS: dict[Action, Callable[[Connection, Filing, datetime], int | None]] = {
    Action.OPEN_CASE: _open_case,
    Action.CONTINUE_CASE: _continue_case,
    Action.RELAY: _relay,
    Action.TO_AGENT: _to_agent,
    Action.COPY: _copy,
    Action.FILE: _file,
    Action.UNASSIGNED: _nothing,
    Action.DISCARD: _nothing,
    Action.HOLD: _hold,
}


def _case_id(filing: Filing) -> int:
    assert filing.decision.case_id is not None
    return filing.decision.case_id


def _mail_entry(
    connection: Connection, filing: Filing, case_id: int, kind: EntryKind, now: datetime, outbox_id: int | None = None
) -> None:
    summary = filing.summary
    cases.add_entry(
        connection,
        case_id,
        kind,
        author=f"{summary.sender_name} <{summary.sender_address}>" if summary.sender_name else summary.sender_address,
        text=summary.text,
        now=now,
        mail_id=filing.mail_id,
        outbox_id=outbox_id,
        referral_id=filing.decision.referral_id,
    )


def _event(connection: Connection, filing: Filing, case_id: int, text: str, now: datetime) -> None:
    cases.add_entry(
        connection,
        case_id,
        EntryKind.EVENT,
        author=SYSTEM,
        text=text,
        now=now,
        mail_id=filing.mail_id,
        referral_id=filing.decision.referral_id,
    )


def _write_notes(connection: Connection, filing: Filing, case_id: int, now: datetime) -> None:
    for note in filing.notes:
        _event(connection, filing, case_id, note, now)


def _move_referral(connection: Connection, filing: Filing, now: datetime) -> None:
    decision = filing.decision
    if decision.event is None or decision.referral_id is None or decision.seen_state is None:
        return
    after = move(decision.seen_state, decision.event)
    if after is None:
        return
    values: dict[str, Any] = {"state": after.value}
    if decision.event is ReferralEvent.ANSWER:
        values |= {"answered_at": now, "late": decision.late}
    if decision.event is ReferralEvent.BOUNCE:
        values["trouble"] = decision.detail
    cases.update_referral(connection, decision.referral_id, **values)


def _insert_held(
    connection: Connection, mail_id: int, tenant: str | None, reason: HoldReason, detail: str, now: datetime
) -> None:
    values = {"mail_id": mail_id, "tenant": tenant, "reason": reason.value, "detail": detail, "since": now}
    connection.execute(_NEW_HELD, values)


def _write_mail(connection: Connection, filing: Filing, case_id: int | None, now: datetime) -> None:
    decision, summary = filing.decision, filing.summary
    state = MailState.HELD if decision.action is Action.HOLD else MailState.ROUTED
    values = {
        "state": state.value,
        "attempted_by": None,
        "routed_at": now,
        "tenant": decision.tenant,
        "kind": summary.kind.value,
        "case_id": case_id,
        "referral_id": decision.referral_id if case_id is not None else None,
        "message_id": summary.message_id,
        "sender": summary.sender_address,
        "subject": summary.subject,
        "decision": dict(filing.explanation),
    }
    connection.execute(_CHANGE_MAIL, {"mail": filing.mail_id, **values})
