"""From the accounts folder to the desired state: loads, checks shapes and rules, joins folders; applies nothing."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.account import MAIN, Document, TenantPart
from reconciler.core.draft import Draft
from reconciler.core.finding import Finding, Severity
from reconciler.core.place import AccountOrigins, PlacedAccount, Source, UnitPlaces, finding_at
from reconciler.core.policy import BUILT_IN, Policy
from reconciler.core.registry import Registry
from reconciler.core.revision import NOTHING_APPLIED, AppliedState, DesiredState, Slice, digest
from reconciler.core.shape import account_alone, read_shape
from reconciler.core.validation import check_drafts
from reconciler.source.files import Folder, Loaded, Place, UnitFiles


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
    with _collector_paused():
        return judge(place, place.load(), registry, applied, policy)


def judge(
    place: Place | Path,
    loaded: Loaded,
    registry: Registry,
    applied: AppliedState = NOTHING_APPLIED,
    policy: Policy = BUILT_IN,
) -> Reading:
    """Judge what was loaded from the folder."""
    with _collector_paused():
        findings = list(loaded.findings)
        drafts = []
        for files in loaded.units.values():
            draft, shape_findings = _draft(files, registry)
            findings += shape_findings
            if draft is not None:
                drafts.append(draft)
        findings += check_drafts(drafts, _with_errors(findings), registry, applied, policy)
        return _reading(str(place), loaded, drafts, findings)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Hold the cyclic collector back while thousands of values without cycles are made, which halves the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _reading(source: str, loaded: Loaded, drafts: list[Draft], findings: list[Finding]) -> Reading:
    held = _with_errors(findings)
    units = {
        draft.unit: _slice(draft, draft.document)
        for draft in drafts
        if draft.unit not in held and draft.document is not None
    }
    return Reading(
        desired=DesiredState(units, frozenset(held), source, loaded.commit),
        findings=tuple(sorted(findings)),
        files=loaded.files,
        tenants=len(loaded.listed - {MAIN}),
        accounts=sum(len(draft.accounts) for draft in drafts),
        fingerprint=loaded.fingerprint,
        main_missing=MAIN not in loaded.listed,
    )


def _with_errors(findings: list[Finding]) -> set[str]:
    return {finding.unit for finding in findings if finding.severity is Severity.ERROR and finding.unit}


def _slice(draft: Draft, document: Document) -> Slice:
    places = UnitPlaces(draft.head, draft.accounts)
    return Slice(draft.unit, document, digest(document), AccountOrigins(draft.accounts), places)


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
