"""The built-in guards: which plans need a person's acknowledgement before they are applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

TENANT_COUNT = 5
TENANT_SHARE = 0.25
TENANT_SHARE_FROM = 4
"""Accounts a tenant must have for the share to count: of three accounts a single one is already a third."""

OVERALL_COUNT = 20
OVERALL_SHARE = 0.10
OVERALL_SHARE_FROM = 10
"""Accounts there must be for the share to count: of nine accounts a single one is already more than a tenth."""


class Guard(StrEnum):
    """What makes a plan need an acknowledgement."""

    MANY_OF_TENANT = "many-of-tenant"
    MANY_OVERALL = "many-overall"
    LAST_ACCOUNT = "last-account"
    OPEN_REFERRALS = "open-referrals"
    PROTECTED = "protected"

    @property
    def sentence(self) -> str:
        """Why the plan is stopped, in words."""
        return _SENTENCES[self]


_SENTENCES = {
    Guard.MANY_OF_TENANT: f"more than {TENANT_COUNT} accounts or {TENANT_SHARE:.0%} of the tenant's would retire",
    Guard.MANY_OVERALL: f"more than {OVERALL_COUNT} accounts or {OVERALL_SHARE:.0%} of all would retire",
    Guard.LAST_ACCOUNT: "the tenant's last account would retire",
    Guard.OPEN_REFERRALS: "an account that externals still have to answer to would retire, be disabled or move",
    Guard.PROTECTED: "an account that runs with protect: true would retire",
}


@dataclass(frozen=True, slots=True)
class Removal:
    """What a plan takes away from one unit: accounts that served before, that retire, and that are left after."""

    before: int
    retired: int
    after: int
    protected: bool
    open_referrals: bool


def tripped(removals: Mapping[str, Removal], serving_overall: int) -> dict[str, tuple[Guard, ...]]:
    """The guards each unit trips. `removals` are those of the whole plan, since some guards count over all units."""
    retired = sum(r.retired for r in removals.values())
    overall = retired > OVERALL_COUNT or (
        serving_overall >= OVERALL_SHARE_FROM and retired > OVERALL_SHARE * serving_overall
    )
    return {unit: tuple(g for g in Guard if _trips(g, removal, overall)) for unit, removal in removals.items()}


def _trips(guard: Guard, removal: Removal, many_overall: bool) -> bool:
    match guard:
        case Guard.MANY_OF_TENANT:
            large = removal.before >= TENANT_SHARE_FROM
            return removal.retired > TENANT_COUNT or (large and removal.retired > TENANT_SHARE * removal.before)
        case Guard.MANY_OVERALL:
            return many_overall and removal.retired > 0
        case Guard.LAST_ACCOUNT:
            return removal.retired > 0 and removal.after == 0
        case Guard.OPEN_REFERRALS:
            return removal.open_referrals
        case Guard.PROTECTED:
            return removal.protected
