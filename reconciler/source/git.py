"""Where desired state comes from when that is a Git repository: which commit, by whom, signed or not, and its files.

Files are read from Git's objects at a commit; nothing is ever checked out, so neither filters nor attributes of the
repository have a say.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from reconciler.core.commit import Commit
from reconciler.core.errors import Invalid, Unavailable
from reconciler.source.git_program import Git, GitFailed, Remote, discover
from reconciler.source.git_tree import GitTree
from reconciler.source.listing import Listing, list_tree

FETCH_SECONDS = 120.0
"""How long one call of git may take, a fetch included."""

_SIGNED = "G"  # git-log's %G?: a good signature by a signer that is allowed and was at the time


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch of a repository, and the accounts folder in it; `directory` is the bare mirror that is kept of it.

    `signers`: the file of SSH keys (ssh-keygen's allowed_signers) one of which must have signed each commit; None:
    nobody asks.
    """

    remote: Remote
    branch: str
    path: str
    directory: Path
    signers: Path | None = None

    def __str__(self) -> str:
        return f"{self.remote.url}#{self.branch}:{self.path}"


class Mirror:
    """A bare copy of one branch. Its methods raise Unavailable if git, the network or the disk does not do its part."""

    def __init__(self, branch: Branch, seconds: float = FETCH_SECONDS) -> None:
        self.branch = branch
        self._git = Git(os.fspath(branch.directory), seconds, branch.remote)

    def __str__(self) -> str:
        return str(self.branch)

    @cached_property
    def _ref(self) -> str:
        # One mirror may serve several branches, and one branch of another URL is another branch.
        name = f"{self.branch.remote.url}\0{self.branch.branch}".encode()
        return f"refs/reconciler/{hashlib.sha256(name).hexdigest()[:16]}"

    def fetch(self) -> Commit:
        """Bring the branch up to date, also where it was rewritten; its new head."""
        self._create()
        source = f"+refs/heads/{self.branch.branch}:{self._ref}"
        what = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--end-of-options"]
        self._run([*what, self.branch.remote.url, source], "cannot be fetched")
        return self.commit(self._ref)

    def commit(self, revision: str) -> Commit:
        """The commit of that name. Raises Invalid if there is none."""
        return commit_at(self._git, revision, str(self))

    def descends(self, new: str, old: str) -> bool:
        """Whether `old` is `new` or an ancestor of it; False if `old` is not even here."""
        try:
            self._git.run(["merge-base", "--is-ancestor", "--end-of-options", old, new])
        except GitFailed:
            return False
        return True

    def unsigned(self, new: str, old: str | None) -> tuple[str, ...] | None:
        """The commits after `old`, `new` included, that no allowed signer signed, oldest first; None if none need be.

        With `old` None, and where nothing lies between them, `new` alone is looked at.
        """
        if self.branch.signers is None:
            return None
        try:
            self.branch.signers.read_bytes()
        except OSError as error:
            named = f"--allowed-signers {self.branch.signers}"
            raise Unavailable(f"{named}: {error.strerror}; nothing is followed") from error
        verdicts = self._verdicts(self.branch.signers, ["--no-walk", new, "--"])
        if old is not None and old != new:
            between = ["--reverse", "--topo-order", new, f"^{old}", "--"]
            verdicts = self._verdicts(self.branch.signers, between) | verdicts
        return tuple(commit for commit, verdict in verdicts.items() if verdict != _SIGNED)

    def listed(self, commit: Commit) -> Listing:
        """The accounts folder at that commit."""
        return listed_at(self._git, commit, self.branch.path, str(self))

    def _verdicts(self, signers: Path, which: list[str]) -> dict[str, str]:
        settings = {
            "gpg.ssh.allowedSignersFile": os.fspath(signers.resolve()),
            "gpg.ssh.program": "ssh-keygen",
            # Only SSH signatures count: a keyring of whoever runs this says nothing about who may sign here.
            "gpg.program": "/bin/false",
            "gpg.x509.program": "/bin/false",
        }
        output = self._run(["log", "--format=%H %G?", *which], "cannot be verified", settings)
        return dict(line.split(" ", 1) for line in output.decode("ascii").splitlines())

    def _create(self) -> None:
        folder = self.branch.directory
        if (folder / "HEAD").exists():
            return
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"--git-dir {folder} cannot be made: {error.strerror}") from error
        # Without a template there are no hooks, and no configuration but git's own.
        self._run(["init", "--quiet", "--bare", "--template="], "cannot be mirrored")

    def _run(self, arguments: list[str], trouble: str, settings: dict[str, str] | None = None) -> bytes:
        try:
            return self._git.run(arguments, extra=settings)
        except GitFailed as error:
            raise Unavailable(f"{self} {trouble}: {error.text}") from error


@dataclass(frozen=True, slots=True)
class BranchRevision:
    """A commit of a branch, fetched now; its head if `revision` is None."""

    mirror: Mirror
    revision: str | None

    def __str__(self) -> str:
        return str(self.mirror) if self.revision is None else f"{self.mirror}@{self.revision}"

    def listed(self) -> Listing:
        """The accounts folder at that commit. Raises Invalid if the repository has none of that name."""
        head = self.mirror.fetch()
        return self.mirror.listed(head if self.revision is None else self.mirror.commit(self.revision))


@dataclass(frozen=True, slots=True)
class LocalRevision:
    """A revision of the repository that the accounts folder lies in."""

    folder: Path
    revision: str

    def __str__(self) -> str:
        return f"{self.folder}@{self.revision}"

    def listed(self) -> Listing:
        """The folder as it stood then. Raises Invalid if this is no repository or has no such revision."""
        there = self.folder
        while not there.is_dir():
            there = there.parent
        try:
            directory, top = discover(there, FETCH_SECONDS)
        except GitFailed as error:
            raise Invalid(f"--rev {self.revision}: {self.folder} is in no Git repository ({error.text})") from error
        inner = os.path.relpath(os.path.realpath(self.folder), os.path.realpath(top))
        git = Git(directory, FETCH_SECONDS)
        return listed_at(git, commit_at(git, self.revision, str(self)), "" if inner == "." else inner, str(self))


def commit_at(git: Git, revision: str, source: str) -> Commit:
    """The commit a revision names. Raises Invalid if it names none."""
    try:
        found = git.run(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"])
        name = found.decode("ascii").strip()
        facts = git.run(["log", "-1", "--no-walk", "--format=%an <%ae>%x00%cI", name, "--"])
    except GitFailed as error:
        raise Invalid(f"{source}: there is no commit {revision}") from error
    author, _, committed = facts.decode("utf-8", "replace").strip().partition("\0")
    return Commit(name, author, datetime.fromisoformat(committed))


def listed_at(git: Git, commit: Commit, path: str, source: str) -> Listing:
    """The folder `path` at a commit. Raises Unavailable if the commit has no such folder: that is not an empty one."""
    inner = re.sub(r"^(\./)+|/+$", "", path)
    tree = f"{commit.id}:{'' if inner == '.' else inner}"
    try:
        git.run(["cat-file", "tree", tree])
        listing = list_tree(GitTree(git, tree))
    except GitFailed as error:
        raise Unavailable(f"{source}: commit {commit.id[:12]} has no folder {path}; nothing is changed") from error
    return replace(listing, commit=commit)
