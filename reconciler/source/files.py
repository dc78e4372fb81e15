"""Loads the accounts folder: every unit's files as documents with positions; knows nothing of what the keys mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from reconciler.core.account import MAIN
from reconciler.core.commit import Commit
from reconciler.core.finding import Finding
from reconciler.source.listing import TENANT_FILE, Listing, RawUnit, list_folder
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

    `fingerprint`: SHA-256 (hex) over names and contents. `files`: how many .yaml files there are. `commit`: where
    it stood, if that is Git.
    """

    units: Mapping[str, UnitFiles]
    findings: tuple[Finding, ...]
    fingerprint: str
    files: int
    commit: Commit | None = None

    @property
    def listed(self) -> frozenset[str]:
        """The units that exist, readable or not."""
        return frozenset(self.units)


class Place(Protocol):
    """Where desired state is read from; `str()` of it is what people are shown."""

    def listed(self) -> Listing:
        """What lies there now. Raises Unavailable if it cannot be had, which is never the same as empty."""


class Watched(Place, Protocol):
    """A place that is looked at again and again."""

    def written(self, file: str) -> float | None:
        """When a file was written, in seconds since 1970; None if it cannot be half written, or is gone."""

    def renew(self) -> None:
        """Take nothing for known at the next look; safe in a signal handler."""


@dataclass(frozen=True, slots=True)
class Folder:
    """An accounts folder on disk."""

    root: Path

    def __str__(self) -> str:
        return str(self.root)

    def listed(self) -> Listing:
        """The folder's files. Raises Unavailable if it is missing or cannot be listed, and nothing else."""
        return list_folder(self.root)

    def written(self, file: str) -> float | None:
        """The time of the file's last change; None if it is gone."""
        try:
            return (self.root / file).lstat().st_mtime
        except (OSError, ValueError):
            return None

    def renew(self) -> None:
        """Nothing is ever taken for known."""


class Reader:
    """Turns what was listed into documents; a unit whose files are as they were is not parsed again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[RawUnit, UnitFiles]] = {}

    def read(self, listing: Listing) -> Loaded:
        """The documents of all units. Of an unchanged one they are the very objects of the last time."""
        findings = list(listing.findings)
        read: dict[str, tuple[RawUnit, UnitFiles]] = {}
        for unit, raw in listing.units.items():
            known = self._known.get(unit)
            read[unit] = known if known is not None and known[0] == raw else (raw, unit_files(raw))
            findings.extend(f for document in read[unit][1].documents for f in document.findings)
        self._known = read
        units = {unit: files for unit, (_, files) in read.items()}
        if MAIN not in units:
            findings.append(missing_main())
        return Loaded(units, tuple(findings), listing.fingerprint, listing.files, listing.commit)


def missing_main() -> Finding:
    """The finding about a folder without main.yaml."""
    message = "main.yaml is missing; without the two main accounts nothing advances"
    return Finding("main.yaml", 1, 1, "", "E107", message, MAIN)


def load(root: Path) -> Loaded:
    """Read the accounts folder. Raises Unavailable if it is missing or cannot be listed, and nothing else."""
    return Reader().read(list_folder(root))


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


def unit_files(raw: RawUnit) -> UnitFiles:
    """The documents of one unit's files."""
    documents = tuple(read_yaml(file.data, file.name, raw.unit) for file in raw.files)
    usable = tuple(document for document in documents if document.usable)
    complete = not raw.refused and len(usable) == len(documents)
    return UnitFiles(raw.unit, raw.is_folder, documents, complete and bool(documents))
