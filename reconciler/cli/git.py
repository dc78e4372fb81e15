"""The options that name a Git source, what they come to, and `reconciler accept-rewrite`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.options import DEFAULT_STATE, State

if TYPE_CHECKING:
    from reconciler.source.files import Place
    from reconciler.source.git import Branch

DEFAULT_BRANCH = "main"
DEFAULT_PATH = "accounts.d"
DEFAULT_GIT_DIR = Path(".reconciler/mirror.git")

GitUrl = Annotated[
    str | None,
    typer.Option(
        "--git",
        metavar="URL",
        envvar="RECONCILER_GIT",
        help="Read the accounts from a branch of this repository instead of a folder.",
    ),
]
BranchName = Annotated[str, typer.Option("--branch", metavar="NAME", help="With --git: the branch.")]
PathInside = Annotated[str, typer.Option("--path", metavar="PATH", help="With --git: the accounts folder in it.")]
GitDir = Annotated[
    Path,
    typer.Option(
        "--git-dir", metavar="DIR", envvar="RECONCILER_GIT_DIR", help="With --git: where the bare mirror is kept."
    ),
]
Rev = Annotated[
    str | None,
    typer.Option("--rev", metavar="REV", help="Read the accounts as they stand in a commit, not in the files."),
]


def branch_of(url: str, branch: str, path: str, git_dir: Path, signers: Path | None = None) -> Branch:
    """The branch that the options name; a bad name is a usage error."""
    from reconciler.source.git import Branch
    from reconciler.source.git_program import Remote

    if not url.strip() or url.startswith("-"):
        raise typer.BadParameter("--git: write the repository's URL or path")
    if not branch or branch.startswith(("-", "/")) or not branch.isprintable() or set(" ~^:?*[\\") & set(branch):
        raise typer.BadParameter("--branch: write the branch's name, such as main")
    if path.startswith("/") or ".." in path.split("/"):
        raise typer.BadParameter("--path: write a folder of the repository, such as accounts.d")
    return Branch(Remote.parse(url), branch, path, git_dir, signers)


def place_of(folder: Path, url: str | None, branch: str, path: str, git_dir: Path, rev: str | None) -> Place:
    """Where a command that looks once reads the accounts: a folder, its repository at a revision, or a branch."""
    if url is not None:
        from reconciler.source.git import BranchRevision, Mirror

        return BranchRevision(Mirror(branch_of(url, branch, path, git_dir)), rev)
    if rev is not None:
        from reconciler.source.git import LocalRevision

        return LocalRevision(folder, rev)
    from reconciler.source.files import Folder

    return Folder(folder)


def accept_rewrite(
    commit: Annotated[str, typer.Argument(metavar="COMMIT", help="The new head, all characters of its hash.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it may pass; kept for good.")],
    state: State = DEFAULT_STATE,
) -> None:
    """Let the running system follow a branch that was rewritten.

    Exactly this commit may then pass, once, though it does not descend from the one that was followed last. Signatures
    are asked for all the same.
    """
    import re

    from reconciler.cli.user import acting_user
    from reconciler.report.terminal import visible
    from reconciler.runtime.clock import utc_now
    from reconciler.store.database import open_store
    from reconciler.store.heads import allow_rewrite

    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit):
        raise typer.BadParameter("COMMIT: write all characters of the hash that the running system named")
    if not reason.strip():
        raise typer.BadParameter("--reason: write why the branch was rewritten")
    store = open_store(state)
    try:
        with store.write() as connection:
            allow_rewrite(connection, commit, reason, acting_user(), utc_now())
    finally:
        store.close()
    typer.echo(f"{commit} may pass, once: {visible(reason)}")
