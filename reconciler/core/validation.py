"""The rules across a unit's accounts, its routing and templates, and across units; judges drafts, reads no files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from reconciler.core.account import MAIN, AccountType, TenantDocument, address_identity
from reconciler.core.account_rules import account_findings
from reconciler.core.clash import clash_findings
from reconciler.core.draft import Draft
from reconciler.core.finding import Finding, Severity
from reconciler.core.policy import BUILT_IN, Policy
from reconciler.core.policy_rules import unit_policy_findings
from reconciler.core.registry import Registry
from reconciler.core.revision import AppliedState
from reconciler.core.rule import ReferKind, When
from reconciler.core.rule_match import run_test
from reconciler.core.rule_reach import impossible, shadowed

MOST_TEST_WORK = 2_000_000
"""Tests times conditions: some seconds of work, so that one tenant's tests cannot keep the others waiting."""

_SYSTEM_TYPES = (AccountType.REPLY, AccountType.SECOND_LEVEL_REPLY)


def clashing(drafts: Sequence[Draft], held: Collection[str], applied: AppliedState) -> tuple[Finding, ...]:
    """What drafts take from each other and from what is applied; `held` names the units that have errors already."""
    blocked = set(held)
    while True:
        clashes = tuple(clash_findings(drafts, blocked, applied))
        newly = _with_errors(clashes) - blocked
        if not newly:
            return clashes
        # A unit that has to give way keeps what it has applied, which may in turn be in another unit's way.
        blocked |= newly


def _with_errors(findings: Collection[Finding]) -> set[str]:
    return {finding.unit for finding in findings if finding.severity is Severity.ERROR}


def unit_findings(draft: Draft, registry: Registry, policy: Policy = BUILT_IN) -> Iterator[Finding]:
    """Everything wrong inside one unit."""
    seen: set[str] = set()
    for placed in draft.accounts:
        if placed.account.id in seen:
            message = f"another account of {draft.unit} has the id `{placed.account.id}`; ids are unique in a tenant"
            yield placed.finding("E301", message, "id")
        seen.add(placed.account.id)
        yield from account_findings(placed, draft, registry, policy)
    yield from unit_policy_findings(draft, policy)
    if draft.unit == MAIN:
        yield from _main_accounts(draft)
    elif isinstance(draft.document, TenantDocument):
        yield from _defaults(draft)
        yield from _missing_accounts(draft)
        yield from _routing(draft, draft.document)
        yield from _templates(draft, draft.document)


def _main_accounts(draft: Draft) -> Iterator[Finding]:
    for placed in draft.accounts:
        if not placed.account.type.is_system:
            yield placed.finding("E207", "an inbound account belongs to a tenant; main.yaml holds none", "type")
    for kind in _SYSTEM_TYPES:
        of_kind = [placed for placed in draft.accounts if placed.account.type is kind]
        for placed in of_kind[1:]:
            message = f"a second account of type {kind.value}; main.yaml has exactly one, remove the other"
            yield placed.finding("E304", message)
        for placed in of_kind[:1]:
            if not placed.account.enabled:
                yield placed.finding("E304", f"the main account of type {kind.value} must be enabled", "enabled")
        if not of_kind and draft.document is not None:
            yield draft.finding("E304", f"main.yaml needs an account of type {kind.value}", "accounts", key=True)


def _defaults(draft: Draft) -> Iterator[Finding]:
    for kind in _SYSTEM_TYPES:
        of_kind = [placed for placed in draft.accounts if placed.account.type is kind]
        defaults = [placed for placed in of_kind if placed.account.default]
        for placed in defaults[1:]:
            message = f"`{defaults[0].account.id}` is the default of type {kind.value} already; only one can be"
            yield placed.finding("E305", message, "default")
        serving = [placed for placed in of_kind if placed.account.enabled]
        if not defaults and len(serving) > 1:
            ids = ", ".join(placed.account.id for placed in serving)
            message = f"several accounts of type {kind.value} ({ids}); one of them says `default: true`"
            yield serving[1].finding("E305", message)


def _missing_accounts(draft: Draft) -> Iterator[Finding]:
    if not draft.accounts:
        yield draft.finding("W201", "the tenant has no account of its own; only the main accounts serve it")
    elif not any(p.account.enabled and p.account.type is AccountType.INBOUND for p in draft.accounts):
        yield draft.finding("W202", "no enabled inbound account: customers cannot write to this tenant", "accounts")


def _routing(draft: Draft, document: TenantDocument) -> Iterator[Finding]:
    ids = Counter[str]()
    for index, rule in enumerate(document.routing):
        ids[rule.id] += 1
        if ids[rule.id] > 1:
            yield draft.finding("E311", f"another rule has the id `{rule.id}`", "routing", index, "id")
        yield from _unknown_accounts(draft, rule.when, ("routing", index, "when"))
    yield from _unreachable(draft, document)
    yield from _actions(draft, document)
    yield from _tests(draft, document)


def _tests(draft: Draft, document: TenantDocument) -> Iterator[Finding]:
    work = len(document.tests) * sum(rule.when.conditions for rule in document.routing)
    if work > MOST_TEST_WORK:
        message = (
            f"{len(document.tests)} tests times the conditions of all rules are {work} comparisons, at most "
            f"{MOST_TEST_WORK} are made; remove tests or conditions"
        )
        yield draft.finding("E318", message, "tests", key=True)
        return
    for index, test in enumerate(document.tests):
        if test.mail.account not in draft.by_id:
            message = f"no account `{test.mail.account}` exists in {draft.unit}"
            yield draft.finding("E306", message, "tests", index, "mail", "account")
        elif (difference := run_test(document.routing, test)) is not None:
            yield draft.finding("E313", difference, "tests", index, "expect", key=True)


def _unknown_accounts(draft: Draft, when: When, path: tuple[str | int, ...]) -> Iterator[Finding]:
    for position, name in enumerate(when.account or ()):
        if name not in draft.by_id:
            yield draft.finding("E306", f"no account `{name}` exists in {draft.unit}", *path, "account", position)
    for key, inner in (("all", when.all), ("any", when.any), ("not", when.not_)):
        if inner is not None:
            yield from _unknown_accounts(draft, inner, (*path, key))


def _unreachable(draft: Draft, document: TenantDocument) -> Iterator[Finding]:
    """Rules that no mail satisfies, and those behind one that takes every mail of theirs."""
    inbound = frozenset(p.account.id for p in draft.accounts if p.account.type is AccountType.INBOUND)
    for index, rule in enumerate(document.routing):
        if why := impossible(rule.when, inbound):
            yield draft.finding("W205", f"never hit: {why}", "routing", index, "when", key=True)
    for index, before in shadowed(document.routing):
        message = f"never reached: `{before}` before it matches every mail this rule does; first match wins"
        yield draft.finding("W204", message, "routing", index)


def _actions(draft: Draft, document: TenantDocument) -> Iterator[Finding]:
    """Rules that ask for what cannot be done."""
    own = {placed.account.address_identity for placed in draft.accounts}
    for index, rule in enumerate(document.routing):
        then, where = rule.then, ("routing", index, "then")
        if then.refer is not None and then.refer.kind is ReferKind.INQUIRY and then.agent is None:
            message = "an inquiry's answer goes to the case's agent; name one in `agent`"
            yield draft.finding("E320", message, *where, "refer", key=True)
        if (then.hold or then.discard) and (then.notify or then.refer):
            yield draft.finding("E320", "a mail that is held or discarded opens no case to tell of", *where)
        for key, to in (("notify", then.notify), ("refer", then.refer.to if then.refer else ())):
            for address in to:
                if address_identity(address) in own:
                    message = f"{address} is an account of the tenant; no mail of ours goes to one of ours"
                    yield draft.finding("E320", message, *where, key, key=True)


def _templates(draft: Draft, document: TenantDocument) -> Iterator[Finding]:
    if not document.templates:
        return
    # Templates are rare and the template engine is slow to load.
    from reconciler.core.template import TemplateSource, check

    for name, text in document.templates.items():
        for problem in check(TemplateSource(text.subject, text.text), name):
            key = "text" if problem.line else "subject"
            where = f"line {problem.line} of the text: " if problem.line else ""
            yield draft.finding("E312", f"{where}{problem.message}", "templates", name, key)
