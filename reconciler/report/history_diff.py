"""Renders what differs between two revisions of a tenant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.core.plan import Change
from reconciler.core.revision import Revision
from reconciler.report.plan import change_json, change_text
from reconciler.report.terminal import as_json, instant, visible


def diff_json(old: Revision, new: Revision, changes: Sequence[Change]) -> str:
    """Both revisions and the changes, as a plan has them."""
    return as_json(
        {
            "format_version": 1,
            "tenant": new.unit,
            "from": old.id,
            "to": new.id,
            "changes": [change_json(change) for change in _without_places(changes)],
        }
    )


def diff_text(old: Revision, new: Revision, changes: Sequence[Change]) -> str:
    """A line for the two, then each change as a plan shows it."""
    head = f"{new.unit}: from revision {old.id} ({_when(old)}) to revision {new.id} ({_when(new)})"
    lines = [line for change in _without_places(changes) for line in change_text(change)]
    return "\n".join([visible(head), *(lines or ["  nothing differs"])]) + "\n"


def _when(revision: Revision) -> str:
    whose = f", {revision.commit[:12]}" if revision.commit else ""
    return f"{instant(revision.applied_at)}, {revision.author or 'nobody named'}{whose}"


def _without_places(changes: Sequence[Change]) -> list[Change]:
    """A revision is no file: its keys stand nowhere."""
    return [replace(c, fields=tuple(replace(f, origin=None) for f in c.fields)) for c in changes]
