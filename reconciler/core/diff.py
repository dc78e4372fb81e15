"""Compares desired with applied state and decides the plan; knows neither where they come from nor how to apply it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from reconciler.core.account import MAIN
from reconciler.core.binding import Destination, uses
from reconciler.core.comparison import Running, changes_to, removal_of
from reconciler.core.guard import Removal, tripped
from reconciler.core.plan import BaseKind, Change, HasSecret, Impact, Impacts, Op, Plan, TenantPlan, unit_order
from reconciler.core.policy import BUILT_IN, Policy
from reconciler.core.reroute import Reroute, Served, Share, fleet_after, fleet_before, reroutes
from reconciler.core.revision import AccountStatus, AppliedAccount, AppliedState, DesiredState, Slice


def touched(desired: DesiredState, applied: AppliedState) -> frozenset[str]:
    """The units whose running revision is not the desired one.

    A held unit is none of them, and `main` is never removed: without main.yaml nothing advances at all.
    """
    changed = {
        unit
        for unit, wanted in desired.units.items()
        if (runs := applied.units.get(unit)) is None or runs.retired or runs.digest != wanted.digest
    }
    gone = {unit for unit, runs in applied.units.items() if not runs.retired and unit not in desired.units}
    return frozenset((changed | gone - {MAIN}) - desired.held)


def diff(
    desired: DesiredState,
    applied: AppliedState,
    impacts: Impacts,
    *,
    has_secret: HasSecret,
    state: str = "",
    policy: Policy = BUILT_IN,
    kind: BaseKind = BaseKind.APPLIED,
) -> Plan:
    """The plan that leads from `applied` to `desired`. `state` is the store's URL, shown as what was compared with.

    `kind`: what `applied` is.
    """
    concerned = touched(desired, applied)
    running = _running(concerned, applied, impacts)
    plans: list[TenantPlan] = []
    removals: dict[str, Removal] = {}
    for unit in sorted(concerned, key=unit_order):
        wanted = desired.units.get(unit)
        runs = running[unit]
        changes = tuple(removal_of(runs) if wanted is None else changes_to(wanted, runs, policy))
        base = runs.unit.digest if runs.unit is not None else None
        plans.append(TenantPlan(unit, base, wanted.digest if wanted else None, changes))
        removals[unit] = _removal(wanted, runs, changes)
    serving = sum(a.status is AccountStatus.SERVING for a in applied.accounts.values())
    plans = list(_with_surroundings(plans, desired, applied))
    guards = tripped(removals, serving, policy.guards)
    return Plan(
        base=BaseKind.NOTHING if kind is BaseKind.APPLIED and not applied.units else kind,
        state=state,
        source=desired.source,
        commit=desired.commit.id if desired.commit is not None else None,
        tenants=tuple(replace(plan, guards=guards[plan.tenant]) for plan in plans),
        held=tuple(sorted(desired.held, key=unit_order)),
        secrets_to_provide=_secrets_to_provide(desired, has_secret),
        limits=policy.guards,
    )


def _with_surroundings(
    plans: Sequence[TenantPlan], desired: DesiredState, applied: AppliedState
) -> Iterator[TenantPlan]:
    """The plans with what depends on other units too: shares of a cycle, tenants served, tenants rerouted."""
    before, after = fleet_before(applied), fleet_after(desired, applied)
    units = {plan.tenant for plan in plans}
    concerned = before.tenants | after.tenants if MAIN in units else units
    was, becomes = before.served(concerned), after.served(concerned)
    renamed = {
        f"{plan.tenant}/{c.former}": f"{plan.tenant}/{c.account}" for plan in plans for c in plan.changes if c.former
    }
    moved = tuple(reroutes(was, becomes, renamed))
    serve_before, serve_after = _by_account(was), _by_account(becomes)
    for plan in plans:
        changes = []
        for change in plan.changes:
            if change.account is not None:
                old, new = f"{plan.tenant}/{change.former or change.account}", f"{plan.tenant}/{change.account}"
                id_ = change.former or change.account
                share = Share(before.share(plan.tenant, id_), after.share(plan.tenant, change.account))
                served = serve_before.get(old) or serve_after.get(new) or ()
                change = replace(change, share=share, serves=tuple(sorted(set(served))))
            changes.append(change)
        yield replace(plan, changes=tuple(changes), reroutes=tuple(r for r in moved if _due_to(r, plan, units)))


def _by_account(served: Served) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for (tenant, _), account in served.items():
        if account is not None:
            found[account].append(tenant)
    return found


def _due_to(reroute: Reroute, plan: TenantPlan, units: Collection[str]) -> bool:
    """A reroute is told where it is caused: in the tenant's own plan, else in that of the main accounts."""
    return plan.tenant == reroute.tenant or (plan.tenant == MAIN and reroute.tenant not in units)


def _running(units: frozenset[str], applied: AppliedState, impacts: Impacts) -> Mapping[str, Running]:
    accounts: dict[str, dict[str, AppliedAccount]] = defaultdict(dict)
    retired: dict[str, set[str]] = defaultdict(set)
    concerning: dict[str, dict[str, Impact]] = defaultdict(dict)
    for (unit, id_), account in applied.accounts.items():
        accounts[unit][id_] = account
    for unit, id_ in applied.retired:
        retired[unit].add(id_)
    for (unit, id_), impact in impacts.items():
        concerning[unit][id_] = impact
    bound = bindings(applied, units)
    return {
        u: Running(applied.units.get(u), accounts[u], frozenset(retired[u]), concerning[u], bound[u]) for u in units
    }


def bindings(applied: AppliedState, units: Collection[str]) -> Mapping[str, Mapping[str, frozenset[Destination]]]:
    """By unit and secret, where it is bound to: as remembered, else where running accounts send it."""
    remembered: dict[str, dict[str, frozenset[Destination]]] = {unit: {} for unit in units}
    for (unit, secret), bound in applied.bindings.items():
        if unit in remembered:
            remembered[unit][secret] = bound
    seen: dict[str, dict[str, set[Destination]]] = {unit: defaultdict(set) for unit in units}
    for account in applied.accounts.values():
        if account.unit in seen:
            for use in uses(account.account):
                seen[account.unit][use.secret].add(use.to)
    return {u: {s: frozenset(to) for s, to in seen[u].items()} | remembered[u] for u in units}


def _removal(wanted: Slice | None, running: Running, changes: tuple[Change, ...]) -> Removal:
    retiring = [running.accounts[c.account] for c in changes if c.op is Op.RETIRE and c.account is not None]
    return Removal(
        before=len(running.serving),
        retired=len(retiring),
        after=len(wanted.document.accounts) if wanted is not None else 0,
        protected=any(runs.account.protect for runs in retiring),
        open_referrals=any(c.impact is not None and c.impact.open_referrals > 0 for c in changes if _leaves(c)),
    )


def _leaves(change: Change) -> bool:
    """True if answers on their way to the account would arrive where nobody looks any more."""
    return change.op is Op.RETIRE or any(
        (field.path == "enabled" and field.new is False)
        or field.path in ("address", "type", "protocol")
        or (field.path.endswith((".host", ".username", ".path")) and not field.path.startswith("smtp."))
        for field in change.fields
    )


def _secrets_to_provide(desired: DesiredState, has_secret: HasSecret) -> tuple[str, ...]:
    named = {(unit, name) for unit, wanted in desired.units.items() for name in wanted.secrets}
    return tuple(f"{unit}/{name}" for unit, name in sorted(named) if not has_secret(unit, name))
