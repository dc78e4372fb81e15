"""`reconciler run`: the running system over one accounts folder."""

from __future__ import annotations

from dataclasses import dataclass
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
    branch_of,
)
from reconciler.cli.options import (
    DEFAULT_ACCOUNTS,
    DEFAULT_SECRETS,
    DEFAULT_STATE,
    Accounts,
    Directory,
    PolicyFile,
    ReportFile,
    Secrets,
    State,
)

if TYPE_CHECKING:
    from contextlib import ExitStack

    from reconciler.runtime.following import FollowedBranch
    from reconciler.runtime.heartbeat import Heartbeats
    from reconciler.runtime.observer import Observer
    from reconciler.runtime.supervisor import House
    from reconciler.source.git import Branch
    from reconciler.store.database import Store
    from reconciler.store.lease import Lease


def run(
    directory: Directory = None,
    accounts: Accounts = DEFAULT_ACCOUNTS,
    state: State = DEFAULT_STATE,
    secrets: Secrets = DEFAULT_SECRETS,
    policy: PolicyFile = None,
    git: GitUrl = None,
    branch: BranchName = DEFAULT_BRANCH,
    path: PathInside = DEFAULT_PATH,
    git_dir: GitDir = DEFAULT_GIT_DIR,
    allowed_signers: Annotated[
        Path | None,
        typer.Option(
            "--allowed-signers",
            metavar="FILE",
            envvar="RECONCILER_ALLOWED_SIGNERS",
            help="With --git: follow only commits signed by an SSH key of this file.",
        ),
    ] = None,
    no_apply: Annotated[bool, typer.Option("--no-apply", help="Only follow what `apply` applies.")] = False,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            metavar="ADDRESS",
            envvar="RECONCILER_METRICS",
            help="Serve /metrics, /healthz and /readyz on HOST:PORT, or on PORT of loopback.",
        ),
    ] = None,
    report: ReportFile = None,
    after_restore: Annotated[
        bool, typer.Option("--after-restore", help="The state was restored: hold what may have been sent already.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Log more.")] = False,
) -> None:
    """Apply, watch, fetch, route and send until Ctrl-C; structured logs go to standard error.

    Exits 0 after a clean end, 1 if a part of it died or was stuck, 75 if another process writes to the same state, 78
    if the state is a backup that was put in place and --after-restore does not say so.
    """
    from reconciler.runtime.telemetry import configure_logs

    followed = branch_of(git, branch, path, git_dir, allowed_signers) if git is not None else None
    if followed is None and allowed_signers is not None:
        raise typer.BadParameter("--allowed-signers: only commits are signed; name the repository with --git")
    configure_logs("debug" if debug else "info")
    folder = Path(directory or accounts)
    wanted = _Wanted(folder, followed, policy, metrics, report, no_apply=no_apply, after_restore=after_restore)
    _supervise(wanted, state, secrets)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a run is to do. `branch` None: it looks at the folder."""

    folder: Path
    branch: Branch | None
    policy: Path | None
    metrics: str | None
    report: Path | None
    no_apply: bool
    after_restore: bool


def _supervise(wanted: _Wanted, state: str, secrets: Path) -> None:
    import os
    from contextlib import ExitStack
    from dataclasses import replace

    from reconciler.cli.compose import house
    from reconciler.core.errors import ExitCode
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.heartbeat import Heartbeats, Watchdog, limits_of
    from reconciler.runtime.holding import holding
    from reconciler.runtime.restoring import begin_restored
    from reconciler.runtime.supervisor import Supervisor
    from reconciler.runtime.systemd import Notifier
    from reconciler.source.files import Folder, Watched
    from reconciler.store.lease import Right

    wired = house(state, secrets, create=not wanted.no_apply, restored=wanted.after_restore, policy=wanted.policy)
    wired = replace(wired, report_file=wanted.report)
    beats = Heartbeats(limits_of(wired.settings))
    with ExitStack() as held:
        supervisor: list[Supervisor] = []

        def lost() -> None:
            for running in supervisor:
                running.lease_lost()

        rights = [Right.MAIL] if wanted.no_apply else [Right.MAIL, Right.APPLY]
        leases = {right: held.enter_context(holding(wired.store, right, "run", lost, beats)) for right in rights}
        if wanted.after_restore:
            begin_restored(wired.store, utc_now())
        observer = _served(wanted.metrics, wired.store, beats, list(leases.values()), held) if wanted.metrics else beats
        watchdog = Watchdog(beats, Notifier(os.environ))
        lease = leases.get(Right.APPLY)
        place: Watched = Folder(wanted.folder)
        if wanted.branch is not None and lease is not None:
            place = _followed(wanted.branch, wired, lease)
        supervisor.append(Supervisor(wired, place, lease, watchdog, observer))
        supervisor[0].run()
    raise typer.Exit(ExitCode.FINDINGS.value if supervisor[0].died else ExitCode.CLEAN.value)


def _followed(branch: Branch, house: House, lease: Lease) -> FollowedBranch:
    """The branch, fetched now and then as the operators say."""
    from reconciler.runtime.clock import utc_now
    from reconciler.runtime.following import FollowedBranch
    from reconciler.source.git import Mirror

    mirror = Mirror(branch, house.settings.git_seconds)
    return FollowedBranch(mirror, house.store, lease, house.settings.git_poll_seconds, utc_now)


def _served(address: str, store: Store, beats: Heartbeats, leases: list[Lease], held: ExitStack) -> Observer:
    """Listen for those who watch, until the end; the observer that counts for them."""
    from reconciler.runtime.endpoint import Endpoint, Facts, parse_address
    from reconciler.runtime.metrics import Metrics

    counting = Metrics(store, beats)
    endpoint = Endpoint(parse_address(address), Facts(counting, beats, store, leases).answer)
    held.callback(endpoint.close)
    return counting
