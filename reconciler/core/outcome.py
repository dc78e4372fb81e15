"""What applying a plan came to, unit by unit."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.core.errors import ExitCode, worst
from reconciler.core.revision import NOTHING_APPLIED, AppliedState


class Result(StrEnum):
    """What happened to one unit."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    HELD = "held"
    BLOCKED = "blocked"
    SETTLING = "settling"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class UnitOutcome:
    """One unit's result, with the revision that runs now and its digest (None: none runs).

    `plan` is the digest of the unit's plan, which `ack` takes; None where nothing was planned: an unchanged or held
    unit. `reason` says why it is held or blocked.
    """

    tenant: str
    revision: int | None
    digest: str | None
    result: Result
    plan: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """All units' results, `main` first, then by name; and the secrets that accounts name but nobody provides.

    `state` is what runs afterwards.
    """

    tenants: tuple[UnitOutcome, ...]
    secrets_to_provide: tuple[str, ...] = ()
    state: AppliedState = field(default=NOTHING_APPLIED, repr=False, compare=False)

    @property
    def exit_code(self) -> ExitCode:
        """1 if files have errors, 3 if a guard blocks a unit, 0 otherwise."""
        results = {outcome.result for outcome in self.tenants}
        return worst(
            *([ExitCode.FINDINGS] if Result.HELD in results else []),
            *([ExitCode.BLOCKED] if Result.BLOCKED in results else []),
        )
