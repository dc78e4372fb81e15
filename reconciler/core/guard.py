"""The built-in guards: which plans need a person's acknowledgement before they are applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.policy import GuardPolicy

_SHARE_FROM = 2
"""Accounts that must retire for a share to count: of three accounts a single one is already a third."""


class Guard(StrEnum):
    """What makes a plan need an acknowledgement."""

    MANY_OF_TENANT = "many-of-tenant"
    MANY_OVERALL = "many-overall"
    LAST_ACCOUNT = "last-account"
    OPEN_REFERRALS = "open-referrals"
    PROTECTED = "protected"

    def sentence(self, limits: GuardPolicy) -> str:
        """Why the plan is stopped, in words."""
        return _SENTENCES[self].format(limits=limits)


_SENTENCES = {
    Guard.MANY_OF_TENANT: "more than {limits.tenant_accounts} accounts or {limits.tenant_percent} % of the tenant's "
    "would retire",
    Guard.MANY_OVERALL: "more than {limits.overall_accounts} accounts or {limits.overall_percent} % of all "
    "would retire",
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


def tripped(removals: Mapping[str, Removal], serving_overall: int, limits: GuardPolicy) -> dict[str, tuple[Guard, ...]]:
    """The guards each unit trips. `removals` are those of the whole plan, since some guards count over all units."""
    retired = sum(r.retired for r in removals.values())
    overall = _many(retired, serving_overall, limits.overall_accounts, limits.overall_percent)
    return {unit: tuple(g for g in Guard if _trips(g, removal, overall, limits)) for unit, removal in removals.items()}


def _trips(guard: Guard, removal: Removal, many_overall: bool, limits: GuardPolicy) -> bool:
    match guard:
        case Guard.MANY_OF_TENANT:
            return _many(removal.retired, removal.before, limits.tenant_accounts, limits.tenant_percent)
        case Guard.MANY_OVERALL:
            return many_overall and removal.retired > 0
        case Guard.LAST_ACCOUNT:
            return removal.retired > 0 and removal.after == 0
        case Guard.OPEN_REFERRALS:
            return removal.open_referrals
        case Guard.PROTECTED:
            return removal.protected


def _many(retired: int, of: int, most: int, percent: int) -> bool:
    return retired > most or (retired >= _SHARE_FROM and retired * 100 > percent * of)
