"""What a replay found, for people and for programs: how many mails move from where to where, and samples."""

from __future__ import annotations

import json
from typing import Any

from reconciler.core.replay import Moved, Replayed
from reconciler.report.terminal import visible


def replay_text(replayed: Replayed, *, verbose: bool) -> str:
    """The counts first; with `verbose` some mails of each move."""
    lines = [f"{len(replayed.moved)} of {replayed.mails} mails would go elsewhere"]
    if replayed.unreadable:
        lines[0] += f"; {replayed.unreadable} could not be read"
    lines += [f"{number:>7}  {tenant}: {before} → {after}" for tenant, before, after, number in replayed.counts()]
    if verbose and replayed.moved:
        lines.append("")
        lines += [
            f"M{m.mail_id}  {m.tenant}/{m.account}  {m.before} ({m.rule_before or 'no rule'}) → "
            f"{m.after} ({m.rule_after or 'no rule'})  {m.sender}  {m.subject}"
            for m in replayed.samples()
        ]
    return "".join(f"{visible(line)}\n" for line in lines)


def replay_ndjson(replayed: Replayed) -> str:
    """An object a moved mail, oldest first."""
    return "".join(f"{json.dumps(_moved(m), ensure_ascii=False)}\n" for m in replayed.moved)


def replay_impact(replayed: Replayed) -> dict[str, Any]:
    """The counts as `plan --replay` has them."""
    return {
        "mails": replayed.mails,
        "moved": len(replayed.moved),
        "unreadable": replayed.unreadable,
        "moves": [
            {"tenant": tenant, "from": before, "to": after, "mails": number}
            for tenant, before, after, number in replayed.counts()
        ],
    }


def _moved(m: Moved) -> dict[str, Any]:
    return {
        "mail": f"M{m.mail_id}",
        "tenant": m.tenant,
        "account": m.account,
        "from": m.before,
        "to": m.after,
        "rule_from": m.rule_before,
        "rule_to": m.rule_after,
        "sender": m.sender,
        "subject": m.subject,
    }
