"""Explains one message, received or sent: where it came from, what was decided and why, down to the YAML line."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from reconciler.core.errors import Invalid
from reconciler.core.outbox import OutboxRow
from reconciler.report.terminal import instant
from reconciler.store import errands, outbox
from reconciler.store.tables import accounts, entries, held, mails, referrals, revisions


def explain_message(connection: Connection, wanted: str) -> dict[str, Any]:
    """The explanation of `M12`, `O7` or a Message-ID in <>. Raises Invalid if there is no such message."""
    letter, number = wanted[:1].upper(), wanted[1:]
    if letter == "M" and number.isdigit():
        return _received(connection, int(number))
    if letter == "O" and number.isdigit():
        return _sent(connection, outbox.read_row(connection, int(number)), wanted)
    row = outbox.find_message_id(connection, wanted)
    if row is not None:
        return _sent(connection, row, wanted)
    found = connection.execute(select(mails.c.id).where(mails.c.message_id == wanted).order_by(mails.c.id)).first()
    if found is None:
        raise Invalid(f"no message {wanted}; write M12 (received), O7 (sent) or a Message-ID with its <>")
    return _received(connection, found.id)


def _received(connection: Connection, mail_id: int) -> dict[str, Any]:
    query = select(mails, accounts.c.unit, accounts.c.id.label("account_id")).join(
        accounts, accounts.c.key == mails.c.account_key
    )
    row = connection.execute(query.where(mails.c.id == mail_id)).first()
    if row is None:
        raise Invalid(f"there is no message M{mail_id}")
    held_row = connection.execute(select(held).where(held.c.mail_id == mail_id)).first()
    decision = dict(row.decision) if row.decision else {}
    revision = decision.pop("revision", None)
    return {
        "message": f"M{mail_id}",
        "direction": "received",
        "state": row.state,
        "message_id": row.message_id,
        "from": row.sender,
        "subject": row.subject,
        "fetched": {
            "account": f"{row.unit}/{row.account_id}",
            "folder": row.folder,
            "uidvalidity": row.uidvalidity,
            "uid": row.uid,
            "at": instant(row.received_at),
            "size": row.size,
            "acknowledged_at": instant(row.acknowledged_at),
            "after_fetch": row.after_fetch,
        },
        "attempts": row.attempts,
        "routed_at": instant(row.routed_at),
        "tenant": row.tenant,
        "case": _numbered("C", row.case_id),
        "referral": _numbered("R", row.referral_id),
        "held": _held(held_row) if held_row else None,
        "decision": decision or None,
        "outbox": _letters_of(connection, row),
        "errands": errands.of_mail(connection, row.id),
        "account": _account(connection, row.account_key),
        "revision": _revision(connection, revision),
    }


def _held(row: Any) -> dict[str, Any]:
    """Why it was held, and what a person decided since (null: nobody has)."""
    return {
        "id": f"H{row.id}",
        "reason": row.reason,
        "detail": row.detail,
        "resolution": row.resolution,
        "resolved_by": row.resolved_by,
    }


def _letters_of(connection: Connection, row: Any) -> list[str]:
    """Mails of ours that were sent because of this one."""
    query = select(entries.c.outbox_id).where(entries.c.mail_id == row.id, entries.c.outbox_id.is_not(None))
    return [f"O{outbox_id}" for outbox_id in connection.execute(query.order_by(entries.c.id)).scalars()]


def _sent(connection: Connection, row: OutboxRow | None, wanted: str) -> dict[str, Any]:
    if row is None:
        raise Invalid(f"there is no message {wanted}")
    referral = None
    if row.referral_id is not None:
        found = connection.execute(select(referrals).where(referrals.c.id == row.referral_id)).one()
        referral = {
            "id": f"R{found.id}",
            "kind": found.kind,
            "state": found.state,
            "answers_to": _account(connection, found.account_key),
            "answer_goes_to": found.target_address,
        }
    return {
        "message": f"O{row.id}",
        "direction": "sent",
        "state": row.state.value,
        "purpose": row.purpose,
        "message_id": row.message_id,
        "to": row.recipient,
        "envelope_from": row.mail_from,
        "subject": row.subject,
        "tenant": row.tenant,
        "case": f"C{row.case_id}",
        "referral": referral,
        "attempts": row.attempts,
        "possibly_twice": row.possibly_twice,
        "answer": row.answer,
        "queued_at": instant(row.created_at),
        "sent_at": instant(row.sent_at),
        "account": _account(connection, row.account_key),
        "revision": _revision(connection, row.revision_id),
    }


def _account(connection: Connection, key: int) -> dict[str, Any]:
    """The account with the line of the file it was applied from."""
    row = connection.execute(select(accounts).where(accounts.c.key == key)).one()
    return {
        "account": f"{row.unit}/{row.id}",
        "status": row.status,
        "file": row.file,
        "line": row.line,
        "column": row.column,
        "revision": row.revision_id,
    }


def _revision(connection: Connection, revision_id: int | None) -> dict[str, Any] | None:
    if revision_id is None:
        return None
    row = connection.execute(select(revisions).where(revisions.c.id == revision_id)).one()
    return {
        "revision": row.id,
        "tenant": row.unit,
        "digest": row.digest,
        "source": row.source,
        "commit": row.commit,
        "author": row.author,
        "committed_at": instant(row.committed_at),
        "applied_at": instant(row.applied_at),
    }


def _numbered(letter: str, number: int | None) -> str | None:
    return None if number is None else f"{letter}{number}"
