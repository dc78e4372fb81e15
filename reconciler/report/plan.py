"""Renders a plan: JSON is its one model, the text a rendering of the same."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any

from reconciler.core.binding import Destination, Redirect
from reconciler.core.difference import FieldChange
from reconciler.core.plan import BaseKind, Change, Impact, Op, Plan, TenantPlan
from reconciler.core.policy import GuardPolicy
from reconciler.report.terminal import as_json, columns, instant, shown, visible

_SIGNS = {Op.CREATE: "+", Op.UPDATE: "~", Op.RENAME: "~", Op.RETIRE: "-", Op.RESTORE: "+", Op.ADOPT: "+"}


def plan_json(plan: Plan, acknowledged: Container[str] = frozenset()) -> str:
    """The plan as JSON. `tenant` is `main` for the main accounts; `account` null: the tenant's own keys."""
    document: dict[str, Any] = {
        "format_version": 1,
        "base": {"kind": plan.base, "state": plan.state},
        "target": {"source": plan.source, "commit": plan.commit},
        "counts": {op.value: count for op, count in plan.counts.items()},
        "tenants": [_tenant_json(tenant, plan.limits, acknowledged) for tenant in plan.tenants],
        "held": list(plan.held),
        "secrets_to_provide": list(plan.secrets_to_provide),
    }
    return as_json(document)


def plan_text(plan: Plan, acknowledged: frozenset[str]) -> str:
    """The summary, then each unit's changes, those that remove or destroy first."""
    return "\n".join([*_summary(plan, acknowledged), *_tenants(plan, acknowledged), *_secrets(plan)]) + "\n"


def _tenant_json(tenant: TenantPlan, limits: GuardPolicy, acknowledged: Container[str]) -> dict[str, Any]:
    return {
        "tenant": tenant.tenant,
        "digest": tenant.digest,
        "base": tenant.base,
        "target": tenant.target,
        "changes": [change_json(change) for change in tenant.changes],
        "guards": [guard.value for guard in tenant.guards],
        "blocked": tenant.reason(acknowledged, limits) or None,
        "reroutes": [{"tenant": r.tenant, "type": r.type, "from": r.before, "to": r.after} for r in tenant.reroutes],
    }


def change_json(change: Change) -> dict[str, Any]:
    """One change with its fields and whom it concerns."""
    return {
        "op": change.op,
        "account": change.account,
        **({"moved_from": change.former} if change.former is not None else {}),
        "consequence": change.consequence,
        "fields": [_field_json(field) for field in change.fields],
        "impact": _impact_json(change.impact, change.mails_taken_off),
        "share": None if change.share is None else {"before": change.share.before, "after": change.share.after},
        "serves": list(change.serves),
        "redirects": [_redirect_json(redirect) for redirect in change.redirects],
    }


def _redirect_json(redirect: Redirect) -> dict[str, Any]:
    return {
        "secret": redirect.secret,
        "from": [_destination_json(bound) for bound in redirect.bound],
        "to": _destination_json(redirect.to),
        "unlocked": redirect.unlocked,
    }


def _destination_json(to: Destination) -> dict[str, Any]:
    return {
        "host": to.host,
        "port": to.port,
        "username": to.username,
        "security": to.security,
        "min_tls": to.min_tls,
        "trust": to.trust or None,
    }


def _field_json(field: FieldChange) -> dict[str, Any]:
    origin = field.origin
    return {
        "path": field.path,
        "old": field.old,
        "new": field.new,
        "file": origin.file if origin else None,
        "line": origin.line if origin else None,
        "column": origin.column if origin else None,
    }


def _impact_json(impact: Impact | None, taken_off: int | None) -> dict[str, Any] | None:
    if impact is None:
        return None
    return {
        "open_cases": impact.open_cases,
        "open_referrals": impact.open_referrals,
        "last_mail": instant(impact.last_mail),
        "backlog": impact.backlog,
        "left_behind": impact.left_behind,
        "mails_taken_off": taken_off,
    }


def base_sentence(plan: Plan, quoted: Callable[[str], str]) -> str:
    """What the plan compares with, if that is not what runs. `quoted` makes names harmless where they are shown."""
    match plan.base:
        case BaseKind.FILES:
            return f"compared with the files of {quoted(plan.state)} alone: whom a change concerns is not known"
        case BaseKind.SNAPSHOT:
            return f"compared with the snapshot {quoted(plan.state)}"
        case BaseKind.NOTHING:
            return f"no applied state at {quoted(plan.state)}: everything is new"
        case BaseKind.APPLIED:
            return ""


def in_order(plan: Plan) -> list[TenantPlan]:
    """The units, those first in which something retires or mails are taken off a server."""
    return sorted(plan.tenants, key=lambda unit: not any(change.removes for change in unit.changes))


def most_severe_first(changes: Sequence[Change]) -> list[Change]:
    """What removes or destroys, then the rest by its consequence."""
    return sorted(changes, key=lambda change: (not change.removes, -change.consequence.severity))


def _summary(plan: Plan, acknowledged: frozenset[str]) -> Iterator[str]:
    if sentence := base_sentence(plan, visible):
        yield sentence
    counts = [f"{count} to {op}" for op, count in plan.counts.items() if count]
    where = f"{len(plan.tenants)} unit{'s' if len(plan.tenants) != 1 else ''}"
    yield f"Plan for {visible(plan.source)}: {', '.join(counts) + ' in ' + where if plan.tenants else 'no changes'}"
    destructive = sum(change.removes for tenant in plan.tenants for change in tenant.changes)
    if destructive:
        yield f"  of these, {destructive} retire something or take mails off a server"
    blocked = plan.blocked(acknowledged)
    if blocked:
        yield f"  blocked: {', '.join(tenant.tenant for tenant in blocked)}"
    if plan.held:
        yield f"  held by errors in their files, so left as they are: {', '.join(map(visible, plan.held))}"


def _tenants(plan: Plan, acknowledged: frozenset[str]) -> Iterator[str]:
    for tenant in in_order(plan):
        yield ""
        yield visible(tenant.tenant)
        for guard in tenant.guards:
            yield f"  ! {guard.value}: {guard.sentence(plan.limits)}"
        for change, redirect in tenant.locked:
            yield visible(f"  ! redirect: {redirect.sentence(f'{tenant.tenant}/{change.account}')}")
        if tenant.guards and tenant.digest in acknowledged:
            yield f"  ! acknowledged: {tenant.digest}"
        elif tenant.guards:
            yield f"  ! to let it pass: reconciler ack {tenant.digest} --reason TEXT"
        for reroute in tenant.reroutes:
            was, becomes = reroute.before or "nobody", reroute.after or "nobody"
            yield visible(f"  ! reroute: {reroute.tenant} is served by {becomes} instead of {was} ({reroute.type})")
        if not tenant.changes:
            yield "  only the way it is written changed"
        for change in most_severe_first(tenant.changes):
            yield from change_text(change)


def change_text(change: Change) -> Iterator[str]:
    """The same in lines."""
    what = "tenant" if change.account is None else change.account
    was = f" (was {change.former})" if change.former is not None else ""
    concerns = impact_words(change.impact)
    yield visible(f"  {_SIGNS[change.op]} {change.op} {what}{was}: {change.consequence}{concerns}")
    rows = [
        (
            visible(f.path),
            f"{shown(f.old)} → {shown(f.new)}" if change.op not in (Op.CREATE, Op.RESTORE) or f.old else shown(f.new),
            visible(f"{f.origin.file}:{f.origin.line}:{f.origin.column}") if f.origin else "",
        )
        for f in change.fields
    ]
    yield from columns(rows, "      ")
    for redirect in change.redirects:
        how = "the policy lets it pass" if redirect.unlocked else "BLOCKED"
        bound = ", ".join(map(str, redirect.bound))
        yield visible(f"      redirect: secret {redirect.secret} from {bound} to {redirect.to}: {how}")


def impact_words(impact: Impact | None) -> str:
    """Whom the change concerns, behind a semicolon; empty if that is not known."""
    if impact is None:
        return ""
    said = [
        f"{impact.open_cases} open cases" if impact.open_cases else "",
        f"{impact.open_referrals} open referrals" if impact.open_referrals else "",
        f"{impact.backlog} mails waiting" if impact.backlog else "",
        f"last mail {instant(impact.last_mail)}" if impact.last_mail else "no mail yet",
    ]
    return "; " + ", ".join(filter(None, said))


def _secrets(plan: Plan) -> Iterator[str]:
    if plan.secrets_to_provide:
        yield ""
        yield "Secrets to provide:"
        yield from (f"  {visible(name)}" for name in plan.secrets_to_provide)
