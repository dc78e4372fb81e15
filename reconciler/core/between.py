"""What differs between two revisions of a tenant, in the words of a plan; not what runs, nor whom it concerns."""

from __future__ import annotations

from datetime import UTC, datetime

from reconciler.core.account import Document
from reconciler.core.comparison import Running, changes_to
from reconciler.core.plan import Change
from reconciler.core.policy import BUILT_IN
from reconciler.core.revision import AccountStatus, AppliedAccount, AppliedUnit, Origin, Slice, digest

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def between(unit: str, old: Document, new: Document, revision: int) -> tuple[Change, ...]:
    """The changes that lead from the older document to the newer one; places name that one's `revision`."""
    place = Origin(f"revision {revision}", 1, 1)
    wanted = Slice(unit, new, digest(new), {a.id: place for a in new.accounts}, lambda _path: place)
    accounts = {a.id: AppliedAccount(0, unit, a, AccountStatus.SERVING, revision, _NEVER, place) for a in old.accounts}
    running = Running(AppliedUnit(unit, 0, digest(old), old, _NEVER), accounts, frozenset(), {}, {})
    return tuple(changes_to(wanted, running, BUILT_IN))
