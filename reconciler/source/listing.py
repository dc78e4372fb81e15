"""Which files of the accounts folder belong to which unit, and what else lies there; parses nothing.

The rules are the same for a folder on disk and for a commit in Git; a `Tree` is what they have in common. On disk
nothing but regular files is ever opened, so that a pipe or device cannot hold the reader up. Links are followed as long
as they stay inside the folder: that is how a mounted ConfigMap looks.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from reconciler.core.account import MAIN
from reconciler.core.commit import Commit
from reconciler.core.errors import Unavailable
from reconciler.core.finding import Finding
from reconciler.core.secret import SLUG_PATTERN
from reconciler.source.yaml_reader import SIZE_CAP, too_large

_SLUG = re.compile(SLUG_PATTERN)
_LONGEST_NAME = 40
_IGNORED_NAMES = re.compile(r"^(README|LICENSE|CODEOWNERS)(?!.*\.ya?ml$)", re.DOTALL)
TENANT_FILE = "tenant.yaml"
_MOST_SWAPS = 5
"""How often a folder that is swapped while it is read is read anew; what is left over the next look mends."""


@dataclass(frozen=True, slots=True)
class RawFile:
    """A file's name relative to the accounts folder, and its bytes."""

    name: str
    data: bytes


@dataclass(slots=True)
class RawUnit:
    """The readable files of one unit, in file-name order. `refused`: something about the unit cannot be read."""

    unit: str
    is_folder: bool = False
    files: list[RawFile] = field(default_factory=list)
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything that was listed, by unit, with findings about names and kinds of files.

    `fingerprint` is a SHA-256 (hex) over all names and contents: as long as it stays, nothing has changed. `commit` is
    where it stood, if that is Git.
    """

    units: dict[str, RawUnit]
    findings: tuple[Finding, ...]
    fingerprint: str
    files: int
    commit: Commit | None = None


class Refused(Exception):
    """An entry of a tree that is never read; the text says why and how to mend it."""


class Tree(Protocol):
    """A folder as the reader sees it. Names are relative to it, with `/`; the folder itself is the empty name."""

    def names(self, folder: str) -> list[str]:
        """What lies in a folder, sorted. Raises OSError."""

    def is_folder(self, name: str) -> bool:
        """True for a folder, False for a file, links followed. Raises Refused for all else, and OSError."""

    def data(self, name: str) -> tuple[bytes, int]:
        """A file's bytes and its size; of a larger file than SIZE_CAP just enough to tell. Raises OSError."""


def list_folder(root: Path) -> Listing:
    """List the accounts folder and read its files' bytes.

    Raises Unavailable if the folder is missing or cannot be listed; everything less becomes a finding.
    """
    try:
        for _ in range(_MOST_SWAPS):
            generation = _generation(root)
            listing = list_tree(_Folder(root))
            if _generation(root) == generation:
                break
        return listing
    except OSError as error:
        raise Unavailable(
            f"the accounts folder {root} cannot be listed ({error.strerror}); nothing is changed until it can"
        ) from error


def _generation(root: Path) -> tuple[str, str]:
    """Which of the folders that are swapped behind a link is read: git-sync swaps the folder, a ConfigMap `..data`."""
    return os.path.realpath(root), os.path.realpath(root / "..data")


def list_tree(tree: Tree) -> Listing:
    """List a tree by the rules of the accounts folder. Raises OSError if the tree itself cannot be listed."""
    return _Reader(tree).read(tree.names(""))


def shown(name: str) -> str:
    """A file name as it can be printed: bytes that are not UTF-8 and control characters are escaped."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class _Reader:
    """Walks one accounts folder; collects units, findings and the fingerprint."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._units: dict[str, RawUnit] = {}
        self._findings: list[Finding] = []
        self._hash = hashlib.sha256()
        self._files = 0

    def read(self, names: list[str]) -> Listing:
        for name in names:
            if not _is_ignored(name):
                self._top(name)
        return Listing(self._units, tuple(self._findings), self._hash.hexdigest(), self._files)

    def _top(self, name: str) -> None:
        """One entry of the accounts folder itself."""
        stem, ending = _stem_and_ending(name)
        unit = stem if ending in (".yaml", ".yml") else name
        is_folder = self._is_folder(name, unit)
        if is_folder is None:
            return
        if is_folder:
            if ending:
                self._refuse(name, unit, "E110", "a folder of a tenant is named after it, without an ending")
            elif self._names_a_unit(name, unit):
                self._tenant_folder(name)
        elif ending == ".yaml":
            if self._names_a_unit(name, stem):
                self._tenant_file(name, stem)
        elif ending.lower() in (".yml", ".yaml"):
            self._refuse(name, stem, "E101", f"account files end in .yaml; rename this one to {shown(stem)}.yaml")
        else:
            self._ignore(name)

    def _is_folder(self, name: str, unit: str) -> bool | None:
        """Whether this is a folder or a file; None (and a finding) if it is neither or cannot be looked at."""
        try:
            return self._tree.is_folder(name)
        except Refused as reason:
            self._refuse(name, unit, "E110", str(reason))
        except OSError as error:
            self._refuse(name, unit, "E001", f"the file cannot be looked at ({error.strerror})")
        return None

    def _names_a_unit(self, name: str, unit: str) -> bool:
        if "\ufffd" in unit or not unit.isprintable():
            self._find(name, "", "E111", "the file's name is not printable UTF-8 text; rename it")
        elif not _SLUG.fullmatch(unit) or len(unit) > _LONGEST_NAME:
            message = "a tenant's name is a-z, 0-9 and single hyphens between them, 40 characters at most"
            self._find(name, "", "E105", message)
        elif unit == MAIN and name != "main.yaml":
            self._find(name, "", "E106", "`main` stands for the two main accounts; give the tenant another name")
        else:
            return True
        return False

    def _tenant_file(self, name: str, unit: str) -> None:
        known = self._units.get(unit)
        if known is not None and known.is_folder:
            message = f"{unit} is a folder too; move this file's contents into {unit}/{TENANT_FILE}"
            self._refuse(name, unit, "E102", message)
            return
        self._unit(unit)
        self._read_file(name, unit)

    def _tenant_folder(self, name: str) -> None:
        unit = self._unit(name)
        unit.is_folder = True
        try:
            inner = self._tree.names(name)
        except OSError as error:
            self._refuse(name, name, "E001", f"the folder cannot be listed ({error.strerror}); check its permissions")
            return
        before = self._files
        for entry in inner:
            if not _is_ignored(entry):
                self._inner(f"{name}/{entry}", entry, name)
        if self._files == before and not unit.refused:
            self._refuse(name, name, "E112", "the folder holds no .yaml file; fill or remove it")
        elif not unit.refused and all(file.name != f"{name}/{TENANT_FILE}" for file in unit.files):
            self._refuse(name, name, "E108", f"the folder needs a {TENANT_FILE} with version and tenant")

    def _inner(self, path: str, name: str, unit: str) -> None:
        """One entry of a tenant's folder."""
        is_folder = self._is_folder(path, unit)
        if is_folder is None:
            return
        stem, ending = _stem_and_ending(name)
        if is_folder:
            self._refuse(path, unit, "E103", "a tenant's folder holds files only; move its files up")
        elif ending == ".yaml":
            if "\ufffd" in shown(name) or not name.isprintable():
                self._refuse(path, unit, "E111", "the file's name is not printable UTF-8 text; rename it")
            else:
                self._read_file(path, unit)
        elif ending.lower() in (".yml", ".yaml"):
            self._refuse(path, unit, "E101", f"account files end in .yaml; rename this one to {shown(stem)}.yaml")
        else:
            self._ignore(path)

    def _read_file(self, name: str, unit: str) -> None:
        self._files += 1
        try:
            data, size = self._tree.data(name)
        except OSError as error:
            message = f"the file cannot be read ({error.strerror}); check its permissions"
            self._refuse(name, unit, "E001", message)
            return
        self._note(name, data)
        if len(data) > SIZE_CAP:
            self._refuse(name, unit, "E002", too_large(size))
            return
        self._unit(unit).files.append(RawFile(name, data))

    def _unit(self, unit: str) -> RawUnit:
        return self._units.setdefault(unit, RawUnit(unit))

    def _refuse(self, name: str, unit: str, code: str, message: str) -> None:
        """A finding that holds its unit: what cannot be read is never taken for removed."""
        known = bool(_SLUG.fullmatch(unit)) and len(unit) <= _LONGEST_NAME
        if known:
            self._unit(unit).refused = True
        self._find(name, unit if known else "", code, message)

    def _ignore(self, name: str) -> None:
        self._find(name, "", "W101", "not a .yaml file, so it is not read; move it out of the accounts folder")

    def _find(self, name: str, unit: str, code: str, message: str) -> None:
        self._note(name, code.encode())
        self._findings.append(Finding(shown(name), 1, 1, "", code, message, unit))

    def _note(self, name: str, data: bytes) -> None:
        for part in (os.fsencode(name), data):
            self._hash.update(len(part).to_bytes(8, "big"))
            self._hash.update(part)


class _Folder:
    """A folder on disk."""

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self._inside = os.path.realpath(root).rstrip(os.sep) + os.sep

    def names(self, folder: str) -> list[str]:
        with os.scandir(f"{self._root}/{folder}" if folder else self._root) as entries:
            return sorted(entry.name for entry in entries)

    def is_folder(self, name: str) -> bool:
        path = f"{self._root}/{name}"
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            mode = self._link_mode(path)
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise Refused("this is a pipe, socket or device; it is not opened, remove it")
        return stat.S_ISDIR(mode)

    def _link_mode(self, path: str) -> int:
        if not (os.path.realpath(path) + os.sep).startswith(self._inside):
            raise Refused("the link leads out of the accounts folder; put the file itself here")
        try:
            return Path(path).stat().st_mode
        except OSError as error:
            raise Refused(f"the link leads nowhere ({error.strerror}); remove or mend it") from error

    def data(self, name: str) -> tuple[bytes, int]:
        """At most one byte more than the cap of a regular file; raises OSError for everything else."""
        path = f"{self._root}/{name}"
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(0, "not a regular file any more")
            data = b""
            while len(data) <= SIZE_CAP and (chunk := os.read(descriptor, SIZE_CAP + 1)):
                data += chunk
            return data, max(status.st_size, len(data))
        finally:
            os.close(descriptor)


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or _IGNORED_NAMES.match(name) is not None


def _stem_and_ending(name: str) -> tuple[str, str]:
    """`acme.yaml` as `acme` and `.yaml`; a name without a dot has an empty ending."""
    stem, dot, ending = name.rpartition(".")
    return (stem, dot + ending) if dot else (name, "")
