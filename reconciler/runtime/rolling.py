"""Reads what is to run: the files, and for a tenant that is rolled back its earlier revision, judged like files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from reconciler.core.account import MAIN
from reconciler.core.policy import BUILT_IN, Policy
from reconciler.core.registry import Registry
from reconciler.core.revision import AppliedState, canonical
from reconciler.core.rollback import Rollback, sort_out
from reconciler.runtime.desired import Judge, Reading
from reconciler.source.files import Loaded, Place, Reader, UnitFiles
from reconciler.source.yaml_reader import SIZE_CAP, read_yaml
from reconciler.store import rollbacks

_BYTES_A_FILE = SIZE_CAP // 2
_NOT_IN_YAML = re.compile("[\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""What JSON writes as it is and YAML 1.2 (5.1, 5.4) takes for something else, or not at all."""


@dataclass(frozen=True, slots=True)
class Effective:
    """What is to run. `rolled_back`: the rollbacks that hold, by unit; `over`: those that the files have ended."""

    reading: Reading
    rolled_back: Mapping[str, Rollback] = field(default_factory=dict)
    over: tuple[Rollback, ...] = ()


def read_effective(
    connection: Connection,
    place: Place,
    registry: Registry,
    applied: AppliedState,
    now: datetime,
    policy: Policy = BUILT_IN,
) -> Effective:
    """Read the place and put the rollbacks in force over it. Raises Unavailable if it cannot be had."""
    loaded = Reader().read(place.listed())
    return judge_effective(connection, place, loaded, Judge(registry), applied, now, policy)


def judge_effective(
    connection: Connection,
    place: Place,
    loaded: Loaded,
    judge: Judge,
    applied: AppliedState,
    now: datetime,
    policy: Policy = BUILT_IN,
) -> Effective:
    """The same of what was read of the place, by a judge who may remember earlier looks.

    An earlier revision meets every rule that files meet today: other tenants' accounts, the policy, the guards.
    """
    reading = judge.judge(str(place), loaded, applied, policy)
    holding, over = sort_out(rollbacks.in_force(connection, judge.registry, now), reading.desired)
    if holding:
        reading = Judge(judge.registry).judge(str(place), _with_earlier(loaded, holding), applied, policy)
    return Effective(reading, holding, over)


def _with_earlier(loaded: Loaded, holding: Mapping[str, Rollback]) -> Loaded:
    units, findings = dict(loaded.units), [f for f in loaded.findings if f.unit not in holding]
    for unit, rollback in holding.items():
        documents = tuple(read_yaml(_text(data), name, unit) for name, data in _files(rollback))
        findings += [finding for document in documents for finding in document.findings]
        usable = all(document.usable for document in documents)
        units[unit] = UnitFiles(unit, unit != MAIN, documents, usable)
    return replace(loaded, units=units, findings=tuple(findings))


def _files(rollback: Rollback) -> Iterator[tuple[str, dict[str, Any]]]:
    """The revision as files of a folder, so that the largest tenant keeps within the size of a file."""
    unit, document = rollback.unit, json.loads(canonical(rollback.document))
    if unit == MAIN:
        yield f"revision-{rollback.revision}.yaml", document
        return
    listed = document.pop("accounts", [])
    head = {"version": document["version"], "tenant": unit}
    for first, some in _shares(listed):
        yield f"{unit}/revision-{rollback.revision}-{first:05}.yaml", head | {"accounts": some}
    yield f"{unit}/tenant.yaml", document


def _shares(accounts: list[dict[str, Any]]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """The accounts in shares that are each a file's size at most, with the position of its first; one at the least."""
    first, some, size = 0, list[dict[str, Any]](), 0
    for position, account in enumerate(accounts):
        its = len(_text(account))
        if some and size + its > _BYTES_A_FILE:
            yield first, some
            first, some, size = position, [], 0
        some.append(account)
        size += its
    if some:
        yield first, some


def _text(data: dict[str, Any]) -> bytes:
    # As few bytes as the files had: what they may hold, this holds too.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()
