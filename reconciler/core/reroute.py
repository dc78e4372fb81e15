"""Who is served by which system account before and after a plan, and how cycles are shared; knows no plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.core.account import MAIN, Account, AccountType, TenantDocument
from reconciler.core.revision import (
    AccountStatus,
    AppliedAccount,
    AppliedState,
    AppliedUnit,
    DesiredState,
    Origin,
)
from reconciler.core.serving import serving

SYSTEM_TYPES = (AccountType.REPLY, AccountType.SECOND_LEVEL_REPLY)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)

Served = Mapping[tuple[str, AccountType], str | None]
"""By tenant and type of system account: the label (`tenant/id`) of the one that serves; None: nobody does."""


@dataclass(frozen=True, slots=True)
class Reroute:
    """A tenant whose forwards or inquiries another account (`tenant/id`; None: nobody) takes than before."""

    tenant: str
    type: AccountType
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Share:
    """An account's part of a cycle, 0 to 1: its weight over those of all enabled accounts."""

    before: float
    after: float


class Fleet:
    """The accounts that take part in cycles and serve, by unit."""

    def __init__(self, tenants: Collection[str], accounts: Mapping[str, Mapping[str, Account]]) -> None:
        self.tenants, self._accounts = frozenset(tenants) - {MAIN}, accounts
        self.weight = sum(a.weight for unit in accounts.values() for a in unit.values() if a.enabled)

    def share(self, unit: str, account_id: str) -> float:
        """The account's part of a cycle; 0 if it takes none."""
        account = self._accounts.get(unit, {}).get(account_id)
        return round(account.weight / self.weight, 4) if account is not None and account.enabled else 0.0

    def served(self, tenants: Collection[str]) -> Served:
        """Who serves these tenants, as far as they exist."""
        found: dict[tuple[str, AccountType], str | None] = {}
        mains = dict(self._running(MAIN))
        for tenant in self.tenants.intersection(tenants):
            state = AppliedState({tenant: _unit(tenant)}, mains | dict(self._running(tenant)))
            for kind in SYSTEM_TYPES:
                account = serving(state, tenant, kind).account
                found[tenant, kind] = account.label if account is not None else None
        return found

    def _running(self, unit: str) -> Iterator[tuple[tuple[str, str], AppliedAccount]]:
        for account in self._accounts.get(unit, {}).values():
            if account.type.is_system:
                nowhere = Origin("", 1, 1)
                yield (unit, account.id), AppliedAccount(0, unit, account, AccountStatus.SERVING, 0, _NEVER, nowhere)


def fleet_before(applied: AppliedState) -> Fleet:
    """What runs."""
    return Fleet([u for u, runs in applied.units.items() if not runs.retired], _serving(applied, applied.units))


def fleet_after(desired: DesiredState, applied: AppliedState) -> Fleet:
    """What would run if every unit were applied; held ones stay as they are, and so do the main accounts."""
    stay = (desired.held | {MAIN}) - desired.units.keys()
    wanted = {unit: {a.id: a for a in s.document.accounts} for unit, s in desired.units.items()}
    tenants = {*desired.units, *(u for u in stay if u in applied.units and not applied.units[u].retired)}
    return Fleet(tenants, _serving(applied, stay) | wanted)


def reroutes(before: Served, after: Served, renamed: Mapping[str, str]) -> Iterator[Reroute]:
    """The tenants that another account serves than before; of new and removed tenants none.

    `renamed`: old label → new label of accounts that only go on under another id.
    """
    for (tenant, kind), account in sorted(before.items()):
        expected = renamed.get(account, account) if account is not None else None
        if (tenant, kind) in after and after[tenant, kind] != expected:
            yield Reroute(tenant, kind, account, after[tenant, kind])


def _serving(applied: AppliedState, units: Container[str]) -> dict[str, dict[str, Account]]:
    found: dict[str, dict[str, Account]] = defaultdict(dict)
    for (unit, id_), runs in applied.accounts.items():
        if unit in units and runs.status is AccountStatus.SERVING:
            found[unit][id_] = runs.account
    return found


def _unit(tenant: str) -> AppliedUnit:
    """Of a unit only its being there counts here."""
    return AppliedUnit(tenant, 0, "", TenantDocument(version=1, tenant=tenant), _NEVER)
