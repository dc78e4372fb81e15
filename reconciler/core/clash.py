"""Two accounts on one mailbox or address: who has to give way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.core.account import Account
from reconciler.core.draft import Draft
from reconciler.core.finding import Finding
from reconciler.core.place import PlacedAccount
from reconciler.core.revision import AccountStatus, AppliedState

Identity = Callable[[Account], Hashable | None]


def mailbox_identity(account: Account) -> tuple[str, str] | None:
    """(lower-case host, username), whatever the protocol; ("", path) for one that reads a folder of this machine."""
    block = account.block
    return _identity(*(getattr(block, key, None) for key in ("host", "username", "path")))


def stored_mailbox(config: Mapping[str, Any]) -> tuple[str, str] | None:
    """The same of an account in its stored form."""
    block = config.get(str(config.get("protocol")))
    return _identity(*(block.get(key) for key in ("host", "username", "path"))) if isinstance(block, dict) else None


def _identity(host: object, username: object, path: object) -> tuple[str, str] | None:
    if isinstance(host, str) and isinstance(username, str):
        return host.lower(), username
    return ("", path) if isinstance(path, str) else None


def clash_findings(drafts: Sequence[Draft], held: Collection[str], applied: AppliedState) -> Iterator[Finding]:
    """A finding for every account that claims what another has.

    Inside a unit the later one gives way, across units the newcomer: the unit that does not have it in the applied
    state. If nobody has it there, all do. `held` names the units that keep their applied accounts.
    """
    yield from _clashes(drafts, held, applied, mailbox_identity, "E302", "mailbox", _at_mailbox)
    yield from _clashes(drafts, held, applied, lambda a: a.address_identity, "E303", "address", _at_address)


def _at_mailbox(placed: PlacedAccount) -> tuple[str, ...]:
    reads_a_folder = isinstance(getattr(placed.account.block, "path", None), str)
    return placed.account.protocol, "path" if reads_a_folder else "username"


def _at_address(_placed: PlacedAccount) -> tuple[str, ...]:
    return ("address",)


def _clashes(
    drafts: Sequence[Draft],
    held: Collection[str],
    applied: AppliedState,
    identity: Identity,
    code: str,
    what: str,
    path: Callable[[PlacedAccount], tuple[str, ...]],
) -> Iterator[Finding]:
    claims: dict[Hashable, list[PlacedAccount]] = defaultdict(list)
    for draft in drafts:
        for placed in draft.accounts:
            claimed = identity(placed.account)
            if claimed is not None:
                claims[claimed].append(placed)
    owners = _owners(claims, held, applied, identity)
    for claimed, group in claims.items():
        for placed, other in _losers(group, owners.get(claimed, {})):
            yield placed.finding(code, f"{other} has this {what} already; an account needs its own", *path(placed))


def _owners(
    claims: dict[Hashable, list[PlacedAccount]], held: Collection[str], applied: AppliedState, identity: Identity
) -> dict[Hashable, dict[str, str]]:
    """Identity → the units that have it and keep it, each with the label of its account."""
    owners: dict[Hashable, dict[str, str]] = defaultdict(dict)
    for known in applied.accounts.values():
        claimed = identity(known.account)
        group = claims.get(claimed)
        if group is None:
            continue
        # A system account that its file drops still takes late answers, so its mailbox is not free yet.
        drains = known.status is AccountStatus.DRAINING or known.account.type.is_system
        if drains or known.unit in held or any(placed.unit == known.unit for placed in group):
            owners[claimed][known.unit] = known.label
    return owners


def _losers(group: list[PlacedAccount], owners: dict[str, str]) -> Iterator[tuple[PlacedAccount, str]]:
    """The accounts that give way, each with the label of one that has the better claim."""
    if len(group) == 1 and not owners.keys() - {group[0].unit}:
        return
    first: dict[str, PlacedAccount] = {}
    for placed in group:
        kept = first.setdefault(placed.unit, placed)
        if kept is not placed:
            yield placed, kept.label
    for unit, placed in first.items():
        others = [label for owner, label in owners.items() if owner != unit]
        others += [] if owners else [p.label for other, p in first.items() if other != unit]
        if unit not in owners and others:
            yield placed, others[0]
