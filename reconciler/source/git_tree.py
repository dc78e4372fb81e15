"""The accounts folder as it stands in a commit: listed and read from Git's objects, never from a work tree."""

from __future__ import annotations

import errno
import os
import posixpath
from dataclasses import dataclass

from reconciler.source.git_program import Git
from reconciler.source.listing import Refused
from reconciler.source.yaml_reader import SIZE_CAP

_MOST_LINKS = 8


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of `git ls-tree`: mode (100644, 120000 for a link, 160000 for a submodule), object and size in bytes."""

    mode: str
    object: str
    size: int


class GitTree:
    """A folder at a commit. `git ls-tree` lists it and one `git cat-file --batch` reads all files in it."""

    def __init__(self, git: Git, tree: str) -> None:
        """`tree` names the folder's tree object. Raises GitFailed and Unavailable as Git does."""
        self._entries = dict(_listed(git.run(["ls-tree", "-r", "-l", "-z", "--full-tree", tree])))
        self._folders: dict[str, set[str]] = {"": set()}
        for name in self._entries:
            self._file_under(name)
        wanted = sorted({e.object for e in self._entries.values() if e.mode != "160000" and e.size <= SIZE_CAP})
        self._blobs = _blobs(git, wanted)

    def names(self, folder: str) -> list[str]:
        """What lies in a folder, sorted; a link to a folder is looked through."""
        at = self._followed(folder) if folder else ""
        if at not in self._folders:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return sorted(self._folders[at])

    def is_folder(self, name: str) -> bool:
        """True for a folder, False for a file; Refused for a submodule and for a link that leads out or nowhere."""
        at = self._followed(name)
        if at in self._folders:
            return True
        if at in self._entries and self._entries[at].mode == "160000":
            raise Refused("this is a submodule; it is not read, put the files themselves here")
        return False

    def data(self, name: str) -> tuple[bytes, int]:
        """A file's bytes and size; of one that is over the cap a filler of the same size."""
        entry = self._entries[self._followed(name)]
        if entry.size > SIZE_CAP:
            return bytes(SIZE_CAP + 1), entry.size
        return self._blobs[entry.object], entry.size

    def _file_under(self, name: str) -> None:
        while name:
            folder, _, last = name.rpartition("/")
            known = self._folders.setdefault(folder, set())
            if last in known:
                return
            known.add(last)
            name = folder

    def _followed(self, name: str) -> str:
        """Where a name leads, links followed, also those on the way to it. Raises Refused as `is_folder` says."""
        for _ in range(_MOST_LINKS):
            link = next((part for part in _ways(name) if self._is_link(part)), None)
            if link is None:
                if name not in self._entries and name not in self._folders:
                    raise Refused("the link leads nowhere; remove or mend it")
                return name
            target = os.fsdecode(self._blobs.get(self._entries[link].object, b""))
            rest = name[len(link) :]
            name = posixpath.normpath(posixpath.join(posixpath.dirname(link), target) + rest)
            if name.startswith(("/", "..")):
                raise Refused("the link leads out of the accounts folder; put the file itself here")
        raise Refused("the link leads in circles; remove or mend it")

    def _is_link(self, name: str) -> bool:
        return name in self._entries and self._entries[name].mode == "120000"


def _ways(name: str) -> list[str]:
    """`a/b/c` as `a`, `a/b`, `a/b/c`."""
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _listed(output: bytes) -> list[tuple[str, _Entry]]:
    found = []
    for line in output.split(b"\0"):
        if line:
            facts, _, name = line.partition(b"\t")
            mode, _kind, object_id, size = facts.decode("ascii").split()
            found.append((os.fsdecode(name), _Entry(mode, object_id, 0 if size == "-" else int(size))))
    return found


def _blobs(git: Git, objects: list[str]) -> dict[str, bytes]:
    """Object → bytes, by one process for all."""
    if not objects:
        return {}
    output = git.run(["cat-file", "--batch"], "".join(f"{o}\n" for o in objects).encode("ascii"))
    found, at = {}, 0
    while at < len(output):
        end = output.index(b"\n", at)
        object_id, _kind, size = output[at:end].decode("ascii").split()
        found[object_id] = output[end + 1 : end + 1 + int(size)]
        at = end + 2 + int(size)
    return found
