"""Which accounts of a unit are running ones under a new id; decides by `moved_from` and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from reconciler.core.account import Account
from reconciler.core.revision import AppliedAccount


def former_ids(
    wanted: Sequence[Account], running: Mapping[str, AppliedAccount], retired: Collection[str]
) -> dict[str, str]:
    """New id → former id of each account that was renamed since the running revision.

    A `moved_from` stays in the file after it was applied, so one that the running account says too is old news. A
    former account that is still wanted under its own id, and an id that is taken by another running account, are no
    renames, unless that one is itself renamed away (a chain or a swap).
    """
    found: dict[str, str] = {}
    for account in wanted:
        former = (account.moved_from or "").rpartition("/")[2]
        runs = running.get(account.id)
        news = runs is None or runs.account.moved_from != account.moved_from
        known = former in running or former in retired
        if news and known and former != account.id and former not in found.values():
            found[account.id] = former
    ids = {account.id for account in wanted}
    while impossible := _impossible(found, ids, running):
        for new in impossible:
            del found[new]
    return found


def _impossible(found: Mapping[str, str], ids: Collection[str], running: Collection[str]) -> list[str]:
    leaving = set(found.values())
    return [
        new
        for new, former in found.items()
        if (new in running and new not in leaving) or (former in ids and former not in found)
    ]
