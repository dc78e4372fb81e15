"""A plan as a comment on a pull request: Markdown of at most 65,000 characters, whatever the plan's size.

What does not fit is left out in steps: first the keys of changes, then the changes, of which counts stay. Guards,
digests and changes that remove or destroy stay in each step, and are what is shown first where not even they fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import IntEnum

from reconciler.core.binding import Redirect
from reconciler.core.difference import FieldChange
from reconciler.core.plan import Change, Op, Plan, TenantPlan
from reconciler.core.policy import GuardPolicy
from reconciler.report.findings import Checked, severities
from reconciler.report.markdown import code
from reconciler.report.plan import base_sentence, impact_words, in_order, most_severe_first
from reconciler.report.terminal import shown

MOST_CHARACTERS = 65_000
"""GitHub takes 65,536 characters; what a script puts around the plan fits into the rest."""

MARKER = "<!-- reconciler plan -->"
"""The comment's first line, which nobody sees: the next plan finds the comment by it and takes its place."""

_MOST_NAMES = 50
_MOST_REMOVALS = 20
"""Of one unit, where not all units fit: one that loses a thousand accounts is not to push the others out."""


class Detail(IntEnum):
    """How much of each change is shown, from everything to counts."""

    FIELDS = 0
    CHANGES = 1
    COUNTS = 2


_MOST_FINDINGS = {Detail.FIELDS: 100, Detail.CHANGES: 50, Detail.COUNTS: 20}
_MOST_OF_A_MESSAGE = 300
_LEFT_OUT = {
    Detail.CHANGES: "The plan is long: the keys of changes are left out. `reconciler plan` shows them.",
    Detail.COUNTS: "The plan is long: only what removes or destroys is shown singly. `reconciler plan` shows the rest.",
}


def plan_markdown(plan: Plan, acknowledged: frozenset[str], found: Checked) -> str:
    """What is to mend in the files and the plan, in the most detailed rendering that fits. It ends with a line end."""
    for detail in Detail:
        text = _rendered(plan, acknowledged, found, detail)
        if len(text) <= MOST_CHARACTERS:
            return text
    return _cut(plan, acknowledged, found)


def _rendered(plan: Plan, acknowledged: frozenset[str], found: Checked, detail: Detail) -> str:
    parts = [_head(plan, acknowledged, detail), _findings(found, detail)]
    parts += [_unit(unit, plan.limits, acknowledged, detail) for unit in in_order(plan)]
    parts += [_secrets(plan, detail)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _cut(plan: Plan, acknowledged: frozenset[str], found: Checked) -> str:
    """As many units as fit, those that wait for a person and those that lose something first."""
    blocked = {unit.tenant for unit in plan.blocked(acknowledged)}
    units = sorted(in_order(plan), key=lambda unit: unit.tenant not in blocked)
    parts = [_head(plan, acknowledged, Detail.COUNTS), _findings(found, Detail.COUNTS)]
    secrets = _secrets(plan, Detail.COUNTS)
    room = MOST_CHARACTERS - sum(map(len, parts)) - len(secrets) - 400
    for position, unit in enumerate(units):
        text = _unit(unit, plan.limits, acknowledged, Detail.COUNTS, _MOST_REMOVALS)
        room -= len(text) + 2
        if room < 0:
            parts.append(_rest(units[position:], blocked))
            break
        parts.append(text)
    return "\n\n".join(filter(None, [*parts, secrets])) + "\n"


def _rest(units: Sequence[TenantPlan], blocked: set[str]) -> str:
    waiting = sum(unit.tenant in blocked for unit in units)
    losing = sum(any(change.removes for change in unit.changes) for unit in units)
    return (
        f"**{len(units)} more units are not shown here**, {waiting} of them blocked, {losing} losing something: "
        f"{_counted(change for unit in units for change in unit.changes)}. `reconciler plan` shows them all."
    )


def _head(plan: Plan, acknowledged: frozenset[str], detail: Detail) -> str:
    changes = [change for unit in plan.tenants for change in unit.changes]
    units = f"{len(plan.tenants)} unit{'s' if len(plan.tenants) != 1 else ''}"
    lines = [MARKER, f"### Plan: {f'{_counted(changes)} in {units}' if plan.tenants else 'no changes'}", ""]
    removing = sum(change.removes for change in changes)
    blocked = [unit.tenant for unit in plan.blocked(acknowledged)]
    said = [
        base_sentence(plan, code),
        f"**{removing} of these retire something or take mails off a server.**" if removing else "",
        f"**Blocked:** {_names(blocked)}" if blocked else "",
        f"**Held by errors in their files**, so left as they are: {_names(plan.held)}" if plan.held else "",
        f"_{_LEFT_OUT[detail]}_" if detail in _LEFT_OUT else "",
    ]
    return "\n".join([*lines, *(f"- {line}" for line in said if line)])


def _findings(found: Checked, detail: Detail) -> str:
    if not found.findings:
        return ""
    most = _MOST_FINDINGS[detail]
    lines = [f"#### To mend: {severities(found)}", ""]
    for finding in found.apart[:most]:
        place = code(f"{found.path(finding)}:{finding.line}:{finding.column}")
        lines.append(f"- {place} {finding.severity} {finding.code}: {code(_shortened(finding.message))}")
    if len(found.findings) > most:
        lines.append(f"- and {len(found.findings) - most} more. `reconciler validate` shows them all.")
    return "\n".join(lines)


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_OF_A_MESSAGE else f"{text[: _MOST_OF_A_MESSAGE - 1]}…"


def _unit(
    unit: TenantPlan, limits: GuardPolicy, acknowledged: frozenset[str], detail: Detail, most: int | None = None
) -> str:
    lines = [f"#### {code(unit.tenant)}: {_counted(unit.changes) or 'only the way it is written changed'}", ""]
    lines += [f"- **{guard.value}**: {guard.sentence(limits)}" for guard in unit.guards]
    lines += [f"- **redirect**: {code(r.sentence(f'{unit.tenant}/{c.account}'))}" for c, r in unit.locked]
    if unit.guards and unit.digest not in acknowledged:
        lines.append(f"- to let it pass: {code(f'reconciler ack {unit.digest} --reason TEXT')}")
    else:
        lines.append(f"- {'acknowledged' if unit.guards else 'digest'}: {code(unit.digest)}")
    for reroute in unit.reroutes:
        was, becomes = code(reroute.before or "nobody"), code(reroute.after or "nobody")
        lines.append(f"- **reroute**: {code(reroute.tenant)} is served by {becomes} instead of {was} ({reroute.type})")
    shown_changes = [c for c in most_severe_first(unit.changes) if detail is not Detail.COUNTS or c.removes][:most]
    for change in shown_changes:
        lines += _change(change, detail)
    if (left := len(unit.changes) - len(shown_changes)) and shown_changes:
        lines.append(f"- and {left} more")
    return "\n".join(lines)


def _change(change: Change, detail: Detail) -> Iterator[str]:
    what = "the tenant's own keys" if change.account is None else code(change.account)
    was = f" (was {code(change.former)})" if change.former is not None else ""
    op = f"**{change.op}**" if change.removes else change.op.value
    yield f"- {op} {what}{was}: {change.consequence}{impact_words(change.impact)}"
    if detail is Detail.FIELDS:
        yield from (_field(change, field) for field in change.fields)
        yield from (_redirect(redirect) for redirect in change.redirects)
    elif change.fields:
        yield f"  - {len(change.fields)} key{'s' if len(change.fields) != 1 else ''}"


def _field(change: Change, field: FieldChange) -> str:
    is_new = change.op in (Op.CREATE, Op.RESTORE) and not field.old
    before = "" if is_new else f"{code(shown(field.old))} → "
    origin = field.origin
    where = f" ({code(f'{origin.file}:{origin.line}')})" if origin else ""
    return f"  - {code(field.path)}: {before}{code(shown(field.new))}{where}"


def _redirect(redirect: Redirect) -> str:
    how = "the policy lets it pass" if redirect.unlocked else "**blocked**"
    bound = ", ".join(code(str(place)) for place in redirect.bound)
    return f"  - the secret {code(redirect.secret)} would go from {bound} to {code(str(redirect.to))}: {how}"


def _secrets(plan: Plan, detail: Detail) -> str:
    names = plan.secrets_to_provide
    if not names:
        return ""
    if detail is Detail.COUNTS:
        return f"#### Secrets to provide\n\n{_names(names)}"
    return "\n".join(["#### Secrets to provide", "", *(f"- {code(name)}" for name in names)])


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(map(code, names[:_MOST_NAMES])) + more


def _counted(changes: Iterator[Change] | Sequence[Change]) -> str:
    counted = Counter(change.op for change in changes)
    return ", ".join(f"{counted[op]} to {op}" for op in Op if counted[op])
