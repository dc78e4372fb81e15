"""`reconciler validate`: reads the accounts folder and says what is to mend."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.git import (
    DEFAULT_BRANCH,
    DEFAULT_GIT_DIR,
    DEFAULT_PATH,
    BranchName,
    GitDir,
    GitUrl,
    PathInside,
    Rev,
    place_of,
)
from reconciler.cli.options import DEFAULT_ACCOUNTS, Accounts, Directory, PolicyFile, colour_wanted

if TYPE_CHECKING:
    from reconciler.core.finding import Finding
    from reconciler.core.policy import Policy
    from reconciler.report.findings import Checked
    from reconciler.runtime.desired import Reading
    from reconciler.source.files import Place


class FindingsFormat(StrEnum):
    """For people, for programs, and for the checks of a repository."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    GITLAB = "gitlab"
    SARIF = "sarif"


def validate(
    directory: Directory = None,
    accounts: Accounts = DEFAULT_ACCOUNTS,
    policy: PolicyFile = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
    output: Annotated[
        FindingsFormat,
        typer.Option("--format", help="For people, for programs, or as the checks of a repository show it."),
    ] = FindingsFormat.TEXT,
    probe: Annotated[
        bool, typer.Option("--probe", help="Try the servers as well, without a login; changes nothing there.")
    ] = False,
    git: GitUrl = None,
    branch: BranchName = DEFAULT_BRANCH,
    path: PathInside = DEFAULT_PATH,
    git_dir: GitDir = DEFAULT_GIT_DIR,
    rev: Rev = None,
) -> None:
    """Check the account files, and the policy file if one is given.

    Names every error of every file, with its line, in one run. Exits 0 if all is well, 1 with errors (with --strict:
    or warnings), 75 if the folder cannot be listed, or the branch not be fetched.
    """
    from reconciler.cli.checked import checked
    from reconciler.cli.compose import registry
    from reconciler.core.policy import BUILT_IN
    from reconciler.runtime.checking import check_place
    from reconciler.source.policy import load_policy

    folder = Path(directory or accounts)
    loaded = load_policy(policy)
    place = place_of(folder, git, branch, path, git_dir, rev)
    rules = loaded.policy or BUILT_IN
    place_found = _probed(place, rules) if probe else check_place(place, registry(), rules)
    found = checked(place_found, folder if git is None else path)
    found = replace(found, findings=(*_seen_from(folder, loaded.findings), *found.findings))
    typer.echo(_rendered(found, output), nl=False)
    raise typer.Exit(_exit_code(found, strict=strict))


def _probed(place: Place, policy: Policy) -> Reading:
    """What was read, with what is wrong with the servers of files that are right."""
    from reconciler.cli.compose import plugins, registry
    from reconciler.core.revision import NOTHING_APPLIED
    from reconciler.runtime.desired import read_place
    from reconciler.runtime.probing import Trial, findings_of, named_servers

    reading, installed = read_place(place, registry(), NOTHING_APPLIED, policy), plugins()
    tried = Trial(installed).tried(list(named_servers(reading.desired, installed)))
    return replace(reading, findings=tuple(sorted((*reading.findings, *findings_of(tried)))))


def _seen_from(folder: Path, findings: tuple[Finding, ...]) -> list[Finding]:
    """Findings about the policy, named like all others: relative to the accounts folder."""
    import os

    return [replace(found, file=Path(os.path.relpath(found.file, folder)).as_posix()) for found in findings]


def _rendered(checked: Checked, output: FindingsFormat) -> str:
    match output:
        case FindingsFormat.TEXT:
            from reconciler.report.findings import as_text

            return as_text(checked, colour=colour_wanted())
        case FindingsFormat.JSON:
            from reconciler.report.findings import as_json

            return as_json(checked)
        case FindingsFormat.GITHUB:
            from reconciler.report.github import as_github

            return as_github(checked)
        case FindingsFormat.GITLAB:
            from reconciler.report.gitlab import as_gitlab

            return as_gitlab(checked)
        case FindingsFormat.SARIF:
            from reconciler.report.sarif import as_sarif

            return as_sarif(checked)


def _exit_code(checked: Checked, *, strict: bool) -> int:
    from reconciler.core.errors import ExitCode
    from reconciler.core.finding import Severity

    bad = checked.findings if strict else checked.count(Severity.ERROR)
    return ExitCode.FINDINGS.value if bad else ExitCode.CLEAN.value
