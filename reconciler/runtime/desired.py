"""From the accounts folder to the desired state: loads, checks shapes and rules, joins folders; applies nothing."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from reconciler.core.account import MAIN, Document, TenantPart
from reconciler.core.draft import Draft
from reconciler.core.finding import Finding, Severity
from reconciler.core.place import AccountOrigins, PlacedAccount, Source, UnitPlaces, finding_at
from reconciler.core.policy import BUILT_IN, Policy
from reconciler.core.registry import Registry
from reconciler.core.revision import NOTHING_APPLIED, AppliedState, DesiredState, Slice, digest
from reconciler.core.shape import account_alone, read_shape
from reconciler.core.validation import clashing, unit_findings
from reconciler.source.files import Folder, Loaded, Place, Reader, UnitFiles


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the accounts folder: the valid units, everything to mend (sorted), and how much was read.

    `main_missing`: the folder has no main.yaml, so nothing may be applied. `accounts` counts those of readable files.
    """

    desired: DesiredState
    findings: tuple[Finding, ...]
    files: int
    tenants: int
    accounts: int
    fingerprint: str
    main_missing: bool


def read_desired(
    root: Path, registry: Registry, applied: AppliedState = NOTHING_APPLIED, policy: Policy = BUILT_IN
) -> Reading:
    """Read and judge the folder. Raises Unavailable if it is missing or cannot be listed."""
    return read_place(Folder(root), registry, applied, policy)


def read_place(
    place: Place, registry: Registry, applied: AppliedState = NOTHING_APPLIED, policy: Policy = BUILT_IN
) -> Reading:
    """Read and judge a folder, or what a repository holds of one. Raises Unavailable if it cannot be had."""
    with collector_paused():
        return judge(place, Reader().read(place.listed()), registry, applied, policy)


def judge(
    place: Place | Path,
    loaded: Loaded,
    registry: Registry,
    applied: AppliedState = NOTHING_APPLIED,
    policy: Policy = BUILT_IN,
) -> Reading:
    """Judge what was loaded from the folder."""
    return Judge(registry).judge(str(place), loaded, applied, policy)


@dataclass
class JudgedUnit:
    """A unit's files and what was found in them, by the policy of then."""

    files: UnitFiles
    policy: Policy
    draft: Draft | None
    findings: tuple[Finding, ...]

    @cached_property
    def slice(self) -> Slice | None:
        """The unit's desired state; None if its files do not make one."""
        if self.draft is None or self.draft.document is None:
            return None
        places = UnitPlaces(self.draft.head, self.draft.accounts)
        document = self.draft.document
        return Slice(self.draft.unit, document, digest(document), AccountOrigins(self.draft.accounts), places)


def judge_unit(files: UnitFiles, registry: Registry, policy: Policy) -> JudgedUnit:
    """What one unit's files come to by themselves."""
    draft, findings = _draft(files, registry)
    if draft is not None:
        findings += unit_findings(draft, registry, policy)
    return JudgedUnit(files, policy, draft, tuple(findings))


class Judge:
    """Judges look after look; a unit whose files and policy are the same is not judged again by itself."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._known: dict[str, JudgedUnit] = {}

    def judge(self, source: str, loaded: Loaded, applied: AppliedState, policy: Policy) -> Reading:
        """Everything that was loaded, judged by itself and together."""
        with collector_paused():
            judged: dict[str, JudgedUnit] = {}
            for unit, files in loaded.units.items():
                known = self._known.get(unit)
                same = known is not None and known.files is files and known.policy == policy
                judged[unit] = known if known and same else judge_unit(files, self.registry, policy)
            self._known = judged
            findings = [*loaded.findings, *(f for unit in judged.values() for f in unit.findings)]
            drafts = [unit.draft for unit in judged.values() if unit.draft is not None]
            findings += clashing(drafts, with_errors(findings), applied)
            return _reading(source, loaded, judged, findings)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Hold the cyclic collector back while thousands of values without cycles are made, which halves the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _reading(source: str, loaded: Loaded, judged: Mapping[str, JudgedUnit], findings: list[Finding]) -> Reading:
    held = with_errors(findings)
    valid = ((unit, known.slice) for unit, known in judged.items() if unit not in held)
    units = {unit: slice_ for unit, slice_ in valid if slice_ is not None}
    return Reading(
        desired=DesiredState(units, frozenset(held), source, loaded.commit),
        findings=tuple(sorted(findings)),
        files=loaded.files,
        tenants=len(loaded.listed - {MAIN}),
        accounts=sum(len(known.draft.accounts) for known in judged.values() if known.draft is not None),
        fingerprint=loaded.fingerprint,
        main_missing=MAIN not in loaded.listed,
    )


def with_errors(findings: Iterable[Finding]) -> set[str]:
    """The units that have an error among these findings."""
    return {finding.unit for finding in findings if finding.severity is Severity.ERROR and finding.unit}


def _draft(files: UnitFiles, registry: Registry) -> tuple[Draft | None, list[Finding]]:
    """The unit's files as models; a draft without document if something about them is wrong."""
    findings: list[Finding] = []
    accounts: list[PlacedAccount] = []
    head: Document | None = None
    broken = not files.complete
    usable = [document for document in files.documents if document.usable]
    if not usable:
        return None, findings
    for source in usable:
        model, found = read_shape(_model(files, source, registry), source, files.unit)
        found += tuple(_misnamed(files.unit, source))
        findings += found
        broken = broken or model is None
        if isinstance(model, Document):
            head = model
        accounts += _placed(model, source, files.unit, registry)
    document = None
    if head is not None and not broken:
        joined = tuple(placed.account for placed in accounts)
        document = head if len(usable) == 1 else head.model_copy(update={"accounts": joined})
    source = next((s for s in usable if s.file == files.head.file), usable[0])
    return Draft(files.unit, source, tuple(accounts), document), findings


def _model(files: UnitFiles, source: Source, registry: Registry) -> type[Document] | type[TenantPart]:
    if files.unit == MAIN:
        return registry.main
    return registry.part if files.is_folder and source.file != files.head.file else registry.tenant


def _misnamed(unit: str, source: Source) -> Iterator[Finding]:
    tenant = source.data.get("tenant")
    if unit != MAIN and isinstance(tenant, str) and tenant != unit:
        where = "folder" if "/" in source.file else "file"
        yield finding_at(source, unit, ("tenant",), "E104", f"the {where} is named {unit}; write `tenant: {unit}`")


def _placed(
    model: Document | TenantPart | None, source: Source, unit: str, registry: Registry
) -> Iterator[PlacedAccount]:
    """The file's accounts; of a file whose shape is wrong those accounts that are well by themselves."""
    if model is not None:
        for index, account in enumerate(model.accounts):
            yield PlacedAccount(unit, account, source, index)
        return
    listed = source.data.get("accounts")
    for index, data in enumerate(listed if isinstance(listed, list) else ()):
        if (well := account_alone(registry.account, data)) is not None:
            yield PlacedAccount(unit, well, source, index)
