"""Checks an accounts folder without making a desired state of it: thousands of files by all processors at once."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections import Counter
from collections.abc import Hashable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from reconciler.core.account import MAIN
from reconciler.core.clash import mailbox_identity
from reconciler.core.finding import Finding
from reconciler.core.policy import BUILT_IN, Policy
from reconciler.core.registry import Registry
from reconciler.core.revision import NOTHING_APPLIED
from reconciler.core.validation import clashing
from reconciler.runtime.desired import JudgedUnit, collector_paused, judge_unit, with_errors
from reconciler.source.files import Place, missing_main, unit_files
from reconciler.source.listing import RawUnit

MANY = 400
"""From so many units on, processes are worth what they cost to start."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was found (sorted) and how much was looked at; `accounts` counts those of readable files."""

    findings: tuple[Finding, ...]
    files: int
    tenants: int
    accounts: int


@dataclass(frozen=True, slots=True)
class _Share:
    """What came of some units: their findings, their accounts, and by unit what no other may have."""

    findings: tuple[Finding, ...]
    accounts: int
    claims: tuple[tuple[str, Hashable], ...]


def check_place(place: Place, registry: Registry, policy: Policy = BUILT_IN, processes: int | None = None) -> Check:
    """Read and judge a place, compared with nothing applied. Raises Unavailable if it cannot be had.

    `processes`: how many share the work; None: as many as there are processors, for few units this one alone.
    """
    with collector_paused():
        listing = place.listed()
        units = list(listing.units.values())
        shares = _shared(units, registry, policy, processes)
        findings = [*listing.findings, *(f for share in shares for f in share.findings)]
        if MAIN not in listing.units:
            findings.append(missing_main())
        claimed = Counter(claim for share in shares for _, claim in share.claims)
        rivals = {unit for share in shares for unit, claim in share.claims if claimed[claim] > 1}
        drafts = [j.draft for unit in units if unit.unit in rivals and (j := _judged(unit, registry, policy)).draft]
        findings += clashing([draft for draft in drafts if draft], with_errors(findings), NOTHING_APPLIED)
        accounts = sum(share.accounts for share in shares)
        return Check(tuple(sorted(findings)), listing.files, len(listing.units.keys() - {MAIN}), accounts)


def _shared(units: Sequence[RawUnit], registry: Registry, policy: Policy, processes: int | None) -> list[_Share]:
    workers = processes or (len(os.sched_getaffinity(0)) if len(units) >= MANY else 1)
    if workers == 1:
        return [_share(units, registry, policy)]
    # The models are built before the processes are made, which inherit them, and the files that were read.
    _prepare(registry)
    global _work
    _work = (units, registry, policy, workers)
    try:
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            return list(pool.map(_nth_share, range(workers)))
    except BrokenProcessPool:
        return [_share(units, registry, policy)]
    finally:
        _work = None


_work: tuple[Sequence[RawUnit], Registry, Policy, int] | None = None
"""What the processes inherit: sending the files to them would take longer than reading them."""


def _nth_share(number: int) -> _Share:
    assert _work is not None
    gc.disable()
    units, registry, policy, workers = _work
    return _share(units[number::workers], registry, policy)


def _share(units: Sequence[RawUnit], registry: Registry, policy: Policy) -> _Share:
    findings: list[Finding] = []
    claims: list[tuple[str, Hashable]] = []
    accounts = 0
    for unit in units:
        judged = _judged(unit, registry, policy)
        findings += [f for document in judged.files.documents for f in document.findings]
        findings += judged.findings
        for placed in judged.draft.accounts if judged.draft is not None else ():
            accounts += 1
            mailbox = mailbox_identity(placed.account)
            claims += [(unit.unit, c) for c in (mailbox, placed.account.address_identity) if c is not None]
    return _Share(tuple(findings), accounts, tuple(claims))


def _judged(unit: RawUnit, registry: Registry, policy: Policy) -> JudgedUnit:
    return judge_unit(unit_files(unit), registry, policy)


def _prepare(registry: Registry) -> None:
    for name in ("account", "tenant", "part", "main"):
        getattr(registry, name)
