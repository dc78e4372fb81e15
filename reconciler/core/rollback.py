"""Rollbacks: an earlier revision that runs for a while although the files say otherwise; knows no store, no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.core.account import Document
from reconciler.core.revision import DesiredState

HELD = "held"
GONE = "gone"


@dataclass(frozen=True, slots=True)
class Rollback:
    """A tenant's earlier revision that is to run until then, or until its files say something else than `files`.

    `files` is the digest of what they said when it was rolled back, HELD if they had errors, GONE without any.
    """

    id: int
    unit: str
    revision: int
    document: Document
    files: str
    reason: str
    by: str
    since: datetime
    until: datetime

    @property
    def sentence(self) -> str:
        """What runs instead of the files, until when, by whom and why."""
        until = self.until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return (
            f"{self.unit} runs revision {self.revision} until its files change, at the latest until {until}, "
            f"by {self.by}: {self.reason}"
        )


def files_say(desired: DesiredState, unit: str) -> str:
    """What a unit's files say now, as a rollback remembers it."""
    if unit in desired.held:
        return HELD
    wanted = desired.units.get(unit)
    return wanted.digest if wanted is not None else GONE


def sort_out(rollbacks: Sequence[Rollback], desired: DesiredState) -> tuple[dict[str, Rollback], tuple[Rollback, ...]]:
    """Those that hold, by unit, and those that are over because the files have changed; all are within their time."""
    holding = {r.unit: r for r in rollbacks if files_say(desired, r.unit) == r.files}
    return holding, tuple(r for r in rollbacks if r.unit not in holding)
