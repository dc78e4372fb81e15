"""Renders what mailboxes and the ledger share: renumbered folders, and audits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.audit import FolderAudit
from reconciler.core.head import Head
from reconciler.core.resync import Comparison
from reconciler.report.terminal import as_json, columns, instant, visible

Heads = Mapping[tuple[str, str], Head]
"""The headers of unknown mails, as far as they were asked for, by folder and UID."""


def resync_json(label: str, found: Sequence[Comparison], heads: Heads, decision: str | None) -> str:
    """`decision` is what was carried out just now, None if the folders were only looked at."""
    folders = [
        {
            "folder": one.folder,
            "uidvalidity_was": one.was,
            "uidvalidity": one.now,
            "matched": len(one.same),
            "gone": one.gone,
            "left_behind": len(one.left),
            "needs_decision": one.needs_decision,
            "unknown": [_unknown(one, mail, heads) for mail in one.unknown],
            "decision": decision,
        }
        for one in found
    ]
    return as_json({"format_version": 1, "account": label, "folders": folders})


def _unknown(one: Comparison, mail: Any, heads: Heads) -> dict[str, Any]:
    head = heads.get((one.folder, mail.uid))
    return {
        "uid": mail.uid,
        "date": instant(mail.internal_date),
        "size": mail.size,
        "from": head.sender.address if head and head.sender else None,
        "subject": head.subject if head else None,
    }


def resync_text(label: str, found: Sequence[Comparison], heads: Heads, decision: str | None) -> str:
    """A line per folder, its unknown mails below it, and what can be done."""
    if not found:
        return f"{visible(label)}: the ledger and the server agree\n"
    lines: list[str] = []
    for one in found:
        lines.append(f"{visible(label)}: {visible(one.summary)}; {one.gone} known ones are gone")
        cells = [_cells(_unknown(one, mail, heads)) for mail in one.unknown]
        lines += columns(cells, "  ")
    if decision is not None:
        lines.append(f"decided: {decision}")
    elif any(one.needs_decision for one in found):
        lines.append(f"decide: reconciler resync {visible(label)} --adopt|--fetch-unknown --reason TEXT")
    else:
        lines.append("nobody has to decide: the next step takes the unknown ones as new")
    return "".join(line + "\n" for line in lines)


def _cells(mail: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        visible(str(mail["uid"])),
        mail["date"] or "",
        "" if mail["size"] is None else f"{mail['size']} bytes",
        visible(mail["from"] or ""),
        visible(mail["subject"] or ""),
    )


def audit_json(label: str, found: Sequence[FolderAudit]) -> str:
    """Folders with counts and differences."""
    folders = [
        {
            "folder": one.folder,
            "on_server": one.on_server,
            "known": one.known,
            "left_behind": one.left_behind,
            "differences": [
                {"uid": line.uid or None, "difference": line.difference, "detail": line.detail}
                for line in one.differences
            ],
        }
        for one in found
    ]
    return as_json({"format_version": 1, "account": label, "folders": folders})


def audit_text(label: str, found: Sequence[FolderAudit]) -> str:
    """A line per folder, its differences below it."""
    lines: list[str] = []
    for one in found:
        where = f"{label} {one.folder}".strip()
        count = len(one.differences)
        differences = "1 difference" if count == 1 else f"{count} differences"
        lines.append(
            f"{visible(where)}: {one.on_server} on the server, {one.known} stored, {one.left_behind} left behind; "
            f"{differences}"
        )
        lines += columns([(visible(d.uid), str(d.difference), visible(d.detail)) for d in one.differences], "  ")
    return "".join(line + "\n" for line in lines)
