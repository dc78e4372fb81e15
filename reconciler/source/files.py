"""Loads the accounts folder: every unit's files as documents with positions; knows nothing of what the keys mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.core.account import MAIN
from reconciler.core.finding import Finding
from reconciler.source.listing import TENANT_FILE, RawUnit, list_folder
from reconciler.source.yaml_reader import Document, read_yaml


@dataclass(frozen=True, slots=True)
class UnitFiles:
    """A unit's documents in file-name order; `complete` is False if one of its files could not be read."""

    unit: str
    is_folder: bool
    documents: tuple[Document, ...]
    complete: bool

    @property
    def head(self) -> Document:
        """The unit's file, or its folder's tenant.yaml (the first file if that is missing)."""
        named = (d for d in self.documents if self.is_folder and d.file == f"{self.unit}/{TENANT_FILE}")
        return next(named, self.documents[0])


@dataclass(frozen=True, slots=True)
class Loaded:
    """A successfully listed folder. A unit that is not in `listed` has been removed; every other one has not.

    `fingerprint`: SHA-256 (hex) over names and contents. `files`: how many .yaml files there are.
    """

    units: Mapping[str, UnitFiles]
    findings: tuple[Finding, ...]
    fingerprint: str
    files: int

    @property
    def listed(self) -> frozenset[str]:
        """The units that exist, readable or not."""
        return frozenset(self.units)


def load(root: Path) -> Loaded:
    """Read the accounts folder. Raises Unavailable if it is missing or cannot be listed, and nothing else."""
    listing = list_folder(root)
    findings = list(listing.findings)
    units = {}
    for unit, raw in listing.units.items():
        units[unit] = _documents(raw)
        findings.extend(f for document in units[unit].documents for f in document.findings)
    if MAIN not in units:
        message = "main.yaml is missing; without the two main accounts nothing advances"
        findings.append(Finding("main.yaml", 1, 1, "", "E107", message, MAIN))
    return Loaded(units, tuple(findings), listing.fingerprint, listing.files)


def with_texts(loaded: Loaded, texts: Mapping[str, str]) -> Loaded:
    """The folder as it would be with these files written (name relative to the folder → text)."""
    units, findings = dict(loaded.units), [f for f in loaded.findings if f.file not in texts]
    added = 0
    for name, text in texts.items():
        folder, _, file = name.rpartition("/")
        unit = folder or file.removesuffix(".yaml")
        document = read_yaml(text.encode("utf-8"), name, unit)
        findings.extend(document.findings)
        old = units.get(unit, UnitFiles(unit, bool(folder), (), True))
        others = tuple(d for d in old.documents if d.file != name)
        added += len(others) == len(old.documents)
        documents = tuple(sorted((*others, document), key=lambda d: d.file))
        units[unit] = replace(old, documents=documents, complete=old.complete and document.usable)
    return Loaded(units, tuple(findings), loaded.fingerprint, loaded.files + added)


def fingerprint(root: Path) -> str:
    """The folder's fingerprint without parsing it, for the poll. Raises Unavailable as `load` does."""
    return list_folder(root).fingerprint


def _documents(raw: RawUnit) -> UnitFiles:
    documents = tuple(read_yaml(file.data, file.name, raw.unit) for file in raw.files)
    usable = tuple(document for document in documents if document.usable)
    complete = not raw.refused and len(usable) == len(documents)
    return UnitFiles(raw.unit, raw.is_folder, documents, complete and bool(documents))
