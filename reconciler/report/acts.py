"""The record of acts, exceptions and numbers of what was taken, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.core.act import ActDone, ContactException
from reconciler.report.terminal import instant, visible


def acts_text(found: Sequence[ActDone]) -> str:
    """A line an act."""
    lines = []
    for done in found:
        detail = " ".join(f"{key}={value}" for key, value in done.detail.items())
        why = f"  ({done.reason})" if done.reason else ""
        tenant = done.tenant or "-"
        lines.append(f"{instant(done.at)}  {done.act.value:<10}  {tenant}  {done.subject}  {detail}  by {done.by}{why}")
    return _shown(lines) or "nobody has decided anything yet\n"


def exceptions_text(found: Sequence[ContactException]) -> str:
    """A line an exception."""
    lines = [f"{e.id:>4}  {e.tenant}  {e.contact}  {e.kind}  by {e.by}, {instant(e.at)}" for e in found]
    return _shown(lines) or "no exceptions\n"


def counts_text(found: Mapping[str, Mapping[str, int]], *, done: bool) -> str:
    """What was taken, or would be."""
    lines = [
        f"{name}: " + (", ".join(f"{number} {what}" for what, number in counts.items() if number) or "nothing")
        for name, counts in found.items()
    ] or ["nothing is older than the settings allow"]
    return _shown(lines if done else [*lines, "nothing was changed; --yes does it"])


def _shown(lines: Sequence[str]) -> str:
    return "".join(f"{visible(line)}\n" for line in lines)
