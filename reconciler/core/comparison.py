"""What would change in one unit: its tenant's keys, its accounts, and the consequence of each in its context."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.core.account import MAIN, Account, Document, TenantDocument
from reconciler.core.binding import Destination, Redirect, goes_elsewhere, uses
from reconciler.core.difference import FieldChange, differences, dump
from reconciler.core.plan import Change, Impact, Op
from reconciler.core.policy import Policy
from reconciler.core.renaming import former_ids
from reconciler.core.revision import AccountStatus, AppliedAccount, AppliedUnit, Origin, Slice
from reconciler.core.settings import Consequence

_TAKES_MAILS_AWAY = ("delete", "move")
_WHERE_SECRETS_GO = (
    *(".host", ".port", ".security", ".min_tls", ".ca", ".pin"),
    *(".username", ".secret", ".token_endpoint", ".client_id"),
)
_BESIDE_ACCOUNTS = ("version", "tenant", "accounts", "routing", "tests")


@dataclass(frozen=True, slots=True)
class Running:
    """What runs of one unit. `unit` None: it never ran. `accounts` holds the serving and draining ones by id.

    `bound`: secret → where it may be sent without being redirected.
    """

    unit: AppliedUnit | None
    accounts: Mapping[str, AppliedAccount]
    retired: frozenset[str]
    impacts: Mapping[str, Impact]
    bound: Mapping[str, frozenset[Destination]]

    @property
    def serving(self) -> dict[str, AppliedAccount]:
        """The accounts that a removal would retire."""
        return {id_: a for id_, a in self.accounts.items() if a.status is AccountStatus.SERVING}


def removal_of(running: Running) -> Iterator[Change]:
    """The changes that the removal of a unit's file brings: everything retires."""
    yield Change(Op.RETIRE, None, Consequence.DRAIN)
    for account in running.serving.values():
        yield _retire(account, running)


def changes_to(wanted: Slice, running: Running, policy: Policy) -> Iterator[Change]:
    """The changes that lead from what runs to what is wanted, tenant's keys first, retirements last."""
    former = former_ids(wanted.document.accounts, running.accounts, running.retired)
    yield from _tenant_change(wanted, running)
    for account in wanted.document.accounts:
        change = _account_change(account, former.get(account.id, account.id), wanted, running, policy)
        if change is not None:
            yield change
    kept = {former.get(account.id, account.id) for account in wanted.document.accounts}
    for id_, runs in running.serving.items():
        if id_ not in kept:
            yield _retire(runs, running)


def _retire(runs: AppliedAccount, running: Running) -> Change:
    serves = runs.account.type.is_system and runs.account.enabled
    consequence = Consequence.REROUTE if serves else Consequence.DRAIN
    return Change(Op.RETIRE, runs.account.id, consequence, impact=running.impacts.get(runs.account.id))


def _tenant_change(wanted: Slice, running: Running) -> Iterator[Change]:
    old = running.unit.document if running.unit is not None else None
    model = type(wanted.document)
    before = _tenant_leaves(old) if old is not None else {}
    after = _tenant_leaves(wanted.document, written=old is None)
    fields = [
        FieldChange(path, was, becomes, consequence, wanted.locate(path.replace(".", "/")))
        for path, was, becomes, consequence in differences(model, before, after)
    ]
    if old is not None:
        fields += _orders(old, wanted)
    if running.unit is None:
        if wanted.unit != MAIN:
            yield Change(Op.CREATE, None, Consequence.COSMETIC, tuple(fields))
    elif running.unit.retired:
        yield Change(Op.RESTORE, None, Consequence.REROUTE, tuple(fields))
    elif fields:
        yield Change(Op.UPDATE, None, _most_severe(Consequence.COSMETIC, fields), tuple(fields))


def _tenant_leaves(document: Document, *, written: bool = False) -> dict[str, Any]:
    """What a document says beside its accounts; a routing rule is one leaf, by its id, and so are all rule tests."""
    found = dump(document, _BESIDE_ACCOUNTS, written=written)
    if isinstance(document, TenantDocument):
        for rule in document.routing:
            found[f"routing.{rule.id}"] = rule.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        if document.tests:
            found["tests"] = [t.model_dump(mode="json", by_alias=True, exclude_defaults=True) for t in document.tests]
    return found


def _orders(old: Document, wanted: Slice) -> Iterator[FieldChange]:
    """Rules are asked in their order. Another order of accounts does nothing, but is another text with its digest."""
    for path, consequence in (("accounts", Consequence.COSMETIC), ("routing", Consequence.REROUTE)):
        before = [item.id for item in getattr(old, path, ())]
        after = [item.id for item in getattr(wanted.document, path, ())]
        stay = set(before) & set(after)
        if [id_ for id_ in before if id_ in stay] != [id_ for id_ in after if id_ in stay]:
            yield FieldChange(path, before, after, consequence, wanted.locate(path))


def _account_change(account: Account, former: str, wanted: Slice, running: Running, policy: Policy) -> Change | None:
    runs = running.accounts.get(former)
    redirects = tuple(_redirects(account, wanted.unit, running, policy))
    blocks = {redirect.block for redirect in redirects}
    fields = _written(account, wanted, blocks) if runs is None else _differing(account, runs.account, wanted, blocks)
    least = Consequence.REDIRECT if redirects else Consequence.COSMETIC
    if former != account.id:
        op = Op.RENAME if runs is not None and runs.status is AccountStatus.SERVING else Op.ADOPT
    elif runs is None:
        op = Op.RESTORE if former in running.retired else Op.CREATE
    elif runs.status is AccountStatus.DRAINING:
        op = Op.RESTORE
    elif fields or redirects:
        op = Op.UPDATE
    else:
        return None
    if runs is None or runs.status is AccountStatus.DRAINING:
        serves = account.type.is_system and account.enabled
        least = max(least, Consequence.REROUTE if serves else Consequence.RESCHEDULE, key=lambda c: c.severity)
    return Change(
        op,
        account.id,
        _most_severe(least, fields),
        tuple(fields),
        running.impacts.get(former),
        former if former != account.id else None,
        redirects,
    )


def _redirects(account: Account, unit: str, running: Running, policy: Policy) -> Iterator[Redirect]:
    for use in uses(account):
        bound = running.bound.get(use.secret, frozenset())
        if goes_elsewhere(use.to, bound):
            unlocked = policy.unlocks(f"{unit}/{account.id}", bound, use.to)
            yield Redirect(use.secret, use.block, tuple(sorted(bound)), use.to, unlocked)


def _written(account: Account, wanted: Slice, redirected: Collection[str]) -> list[FieldChange]:
    """The keys of an account that did not run. None of them changes anything running; only its mails and secrets
    are at stake."""
    return [
        FieldChange(
            path,
            None,
            value,
            _consequence(path, value, Consequence.COSMETIC, redirected),
            _origin(account, path, wanted),
        )
        for path, value in dump(account, written=True).items()
    ]


def _differing(account: Account, runs: Account, wanted: Slice, redirected: Collection[str]) -> list[FieldChange]:
    return [
        FieldChange(
            path, before, after, _consequence(path, after, declared, redirected), _origin(account, path, wanted)
        )
        for path, before, after, declared in differences(type(account), dump(runs), dump(account))
    ]


def _consequence(path: str, value: object, declared: Consequence, redirected: Collection[str]) -> Consequence:
    """Of `after_fetch` only the values that take mails off their folder destroy anything; a server's keys redirect
    only if a secret goes along to where it is not sent yet."""
    if path.rpartition(".")[2] == "after_fetch":
        return Consequence.DESTRUCTIVE if value in _TAKES_MAILS_AWAY else Consequence.RESCHEDULE
    if path.partition(".")[0] in redirected and path.endswith(_WHERE_SECRETS_GO):
        return Consequence.REDIRECT
    return Consequence.RECONNECT if declared is Consequence.REDIRECT else declared


def _origin(account: Account, path: str, wanted: Slice) -> Origin:
    return wanted.locate(f"accounts/{account.id}/{path.replace('.', '/')}")


def _most_severe(least: Consequence, fields: Sequence[FieldChange]) -> Consequence:
    return max((least, *(f.consequence for f in fields)), key=lambda c: c.severity)
