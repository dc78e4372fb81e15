"""What a tenant's owners are told of applying: once for each change of how the tenant stands; sends nothing."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from reconciler.core.account import address_identity
from reconciler.core.finding import Finding, Severity
from reconciler.core.outcome import Result, UnitOutcome

MOST_AN_HOUR = 6
"""Notices to one address: a file that breaks and heals all the time must not fill a mailbox. The rest comes later."""

RATE_WINDOW = timedelta(hours=1)
_STATES = {
    Result.APPLIED: "applied",
    Result.UNCHANGED: "applied",
    Result.RETIRED: "retired",
    Result.HELD: "held",
    Result.BLOCKED: "blocked",
}


@dataclass(frozen=True, slots=True)
class Told:
    """How a tenant stands as its owners know it. `detail` tells sets of errors, and blocked plans, from each other."""

    state: str
    revision: int | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class News:
    """What is new of one tenant: how it stands now, the outcome, its errors, and who is to know."""

    told: Told
    outcome: UnitOutcome
    findings: tuple[Finding, ...]
    owners: tuple[str, ...]


def standing(outcome: UnitOutcome, findings: Sequence[Finding]) -> Told | None:
    """How the unit stands after this outcome; None while its files are being written."""
    state = _STATES.get(outcome.result)
    if state is None:
        return None
    detail = ""
    if outcome.result is Result.BLOCKED:
        detail = outcome.plan or ""
    elif outcome.result is Result.HELD:
        said = "\n".join(f"{f.file} {f.pointer} {f.code} {f.message}" for f in findings)
        detail = hashlib.sha256((said or outcome.reason).encode("utf-8", "replace")).hexdigest()
    return Told(state, outcome.revision, detail)


def news_of(
    outcomes: Sequence[UnitOutcome],
    findings: Sequence[Finding],
    told: Mapping[str, Told],
    owners: Mapping[str, Sequence[str]],
) -> list[News]:
    """The tenants with owners that stand differently from what these were told last."""
    errors: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.severity is Severity.ERROR:
            errors[finding.unit].append(finding)
    found = []
    for outcome in outcomes:
        of_unit = tuple(errors[outcome.tenant])
        stands, whose = standing(outcome, of_unit), tuple(owners.get(outcome.tenant, ()))
        if stands is not None and whose and told.get(outcome.tenant) != stands:
            found.append(News(stands, outcome, of_unit, whose))
    return found


def by_recipient(news: Sequence[News], own_addresses: Collection[str]) -> dict[str, list[News]]:
    """One mail for each owner, whatever many tenants are his. No mail of ours goes to an address of ours."""
    found: dict[str, list[News]] = defaultdict(list)
    written: dict[str, str] = {}
    for one in news:
        for owner in one.owners:
            if address_identity(owner) not in own_addresses:
                found[written.setdefault(owner.lower(), owner)].append(one)
    return dict(found)
