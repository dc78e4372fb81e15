"""Renders cases, referrals and held mails for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.case import Case, Entry
from reconciler.core.held import Held
from reconciler.core.outbox import OutboxRow
from reconciler.core.referral import Referral
from reconciler.report.terminal import columns, instant, visible


def case_json(case: Case) -> dict[str, Any]:
    """A case as the machine output shows it."""
    return {
        "id": f"C{case.id}",
        "tenant": case.tenant,
        "account": case.account,
        "subject": case.subject,
        "state": str(case.state),
        "customer": {"name": case.customer_name, "address": case.customer_address},
        "queue": case.queue,
        "agent": case.agent,
        "priority": case.priority,
        "tags": list(case.tags),
        "opened_at": instant(case.opened_at),
        "updated_at": instant(case.updated_at),
        "closed_at": instant(case.closed_at),
    }


def entry_json(entry: Entry) -> dict[str, Any]:
    """An entry of a case."""
    return {
        "id": f"E{entry.id}",
        "kind": str(entry.kind),
        "at": instant(entry.at),
        "author": entry.author,
        "text": entry.text,
        "message": _numbered("M", entry.mail_id),
        "outbox": _numbered("O", entry.outbox_id),
        "referral": _numbered("R", entry.referral_id),
    }


def referral_json(referral: Referral) -> dict[str, Any]:
    """A referral; `answered` says at a glance what the second-level folder is asked for."""
    return {
        "id": f"R{referral.id}",
        "tenant": referral.tenant,
        "case": f"C{referral.case_id}",
        "kind": str(referral.kind),
        "state": str(referral.state),
        "answered": referral.answered_at is not None,
        "contact": {"name": referral.contact_name, "address": referral.contact_address},
        "agent": referral.agent,
        "account": referral.account,
        "target": {"name": referral.target_name, "address": referral.target_address},
        "answer_from": referral.answer_from,
        "asked_at": instant(referral.asked_at),
        "expires_at": instant(referral.expires_at),
        "answered_at": instant(referral.answered_at),
        "out_of_office_until": referral.out_of_office_until,
        "late": referral.late,
        "reminders": referral.reminders,
        "reminded_at": instant(referral.reminded_at),
        "group": f"R{referral.group_id}" if referral.group_id else None,
        "trouble": referral.trouble,
    }


def held_json(held: Held) -> dict[str, Any]:
    """A held mail; `tenant` null: for the operators."""
    return {
        "id": f"H{held.id}",
        "message": f"M{held.mail_id}",
        "tenant": held.tenant,
        "account": held.account,
        "reason": held.reason,
        "detail": held.detail,
        "since": instant(held.since),
        "from": held.sender,
        "subject": held.subject,
    }


def outbox_json(row: OutboxRow) -> dict[str, Any]:
    """A mail of ours; `answer` are the server's last words, `bounced` what a bounce said afterwards."""
    return {
        "id": f"O{row.id}",
        "tenant": row.tenant,
        "account": row.account,
        "case": f"C{row.case_id}",
        "referral": _numbered("R", row.referral_id),
        "purpose": row.purpose,
        "to": row.recipient,
        "message_id": row.message_id,
        "subject": row.subject,
        "state": row.state.value,
        "attempts": row.attempts,
        "next_at": instant(row.next_at),
        "possibly_twice": row.possibly_twice,
        "answer": row.answer,
        "bounced": row.bounced,
        "created_at": instant(row.created_at),
        "sent_at": instant(row.sent_at),
    }


def outbox_text(rows: Sequence[OutboxRow]) -> str:
    """One line a mail."""
    lines = [
        (
            f"O{r.id}",
            r.purpose,
            f"{r.state.value}{', bounced' if r.bounced else ''}{', possibly twice' if r.possibly_twice else ''}",
            f"C{r.case_id}",
            visible(r.recipient),
            visible(r.bounced or r.answer or "-"),
        )
        for r in rows
    ]
    return _table(lines, "nothing")


def cases_text(cases: Sequence[Case]) -> str:
    """One line a case."""
    rows = [
        (
            f"C{c.id}",
            str(c.state),
            c.tenant,
            instant(c.updated_at) or "",
            _customer(c),
            visible(c.subject) or "(no subject)",
        )
        for c in cases
    ]
    return _table(rows, "no cases")


def case_text(case: Case, entries: Sequence[Entry], referrals: Sequence[Referral]) -> str:
    """A case with all that stands on it, oldest first."""
    lines = [
        f"C{case.id}  {visible(case.subject) or '(no subject)'}",
        f"{case.state}, {case.priority}, {case.account}, customer {_customer(case)}",
    ]
    more = {"queue": case.queue, "agent": case.agent, "tags": ", ".join(case.tags) or None}
    lines += [f"{key}: {visible(value)}" for key, value in more.items() if value]
    for referral in referrals:
        lines.append(_referral_line(referral))
    for entry in entries:
        lines += ["", f"{instant(entry.at)}  {entry.kind}  {visible(entry.author)}{_origin(entry)}"]
        lines += [f"    {visible(line)}".rstrip() for line in entry.text.splitlines()]
    return "\n".join(lines) + "\n"


def referrals_text(referrals: Sequence[Referral]) -> str:
    """One line a referral."""
    rows = [
        (
            f"R{r.id}",
            str(r.kind),
            str(r.state),
            f"C{r.case_id}",
            visible(r.contact_address),
            f"since {instant(r.asked_at)}",
            f"by {visible(r.agent)}{_attributes(r)}",
        )
        for r in referrals
    ]
    return _table(rows, "no referrals")


def held_text(held: Sequence[Held]) -> str:
    """One line a held mail."""
    rows = [
        (
            f"H{h.id}",
            f"M{h.mail_id}",
            h.tenant or "(operators)",
            h.reason,
            visible(h.sender or "-"),
            visible(h.subject or "-"),
            visible(h.detail),
        )
        for h in held
    ]
    return _table(rows, "nothing is held")


def explained_text(explained: Mapping[str, Any]) -> str:
    """A message explained: keys and values, nested ones indented."""
    return "\n".join(_explained(explained, "")) + "\n"


def _explained(value: Any, indent: str) -> list[str]:
    lines: list[str] = []
    for key, item in value.items():
        if isinstance(item, Mapping):
            lines += [f"{indent}{key}:", *_explained(item, indent + "  ")]
        elif isinstance(item, list):
            lines += [f"{indent}{key}:{'' if item else ' none'}"]
            for part in item:
                text = ", ".join(f"{k} {v}" for k, v in part.items()) if isinstance(part, Mapping) else str(part)
                lines.append(f"{indent}  - {visible(text)}")
        else:
            lines.append(f"{indent}{key}: {'none' if item is None else visible(str(item))}")
    return lines


def _table(rows: Sequence[Sequence[str]], empty: str) -> str:
    return "\n".join(columns(rows) or [empty]) + "\n"


def _customer(case: Case) -> str:
    return visible(f"{case.customer_name} <{case.customer_address}>" if case.customer_name else case.customer_address)


def _referral_line(referral: Referral) -> str:
    return (
        f"R{referral.id} {referral.kind} to {visible(referral.contact_address)}: {referral.state}"
        f"{_attributes(referral)}, the answer goes to {visible(referral.target_address)}"
    )


def _attributes(referral: Referral) -> str:
    parts = [f"{referral.reminders} reminder{'s' if referral.reminders > 1 else ''}"] if referral.reminders else []
    if referral.out_of_office_until:
        until = referral.out_of_office_until
        parts.append("out of office" if until == "unknown" else f"out of office until {until}")
    if referral.trouble:
        parts.append(f"undeliverable {visible(referral.trouble)}")
    if referral.late:
        parts.append("late")
    return f" ({', '.join(parts)})" if parts else ""


def _origin(entry: Entry) -> str:
    ids = [_numbered("M", entry.mail_id), _numbered("O", entry.outbox_id), _numbered("R", entry.referral_id)]
    return "".join(f"  {i}" for i in ids if i)


def _numbered(letter: str, number: int | None) -> str | None:
    return None if number is None else f"{letter}{number}"
