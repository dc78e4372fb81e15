"""Plays the demo: servers up, example applied, every act played and judged, everything down again."""

from __future__ import annotations

import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

from reconciler.core.errors import ExitCode, NotSetUp, ReconcilerError
from reconciler.demo.example import Example
from reconciler.demo.servers import DemoServers
from reconciler.demo.stage import Stage
from reconciler.demo.story import ACTS, UNKNOWN, USERS, Act

Say = Callable[[str], None]

_DISABLED_SECONDS = 2.0
"""How long an act that was not played is waited for: nothing is going to come, and the story ends with it."""


def play(say: Say, *, keep: bool, disabled: str | None, patience: float) -> ExitCode:
    """Play all acts; the first that does not come out right ends the demo with FINDINGS, naming it.

    `disabled` names an act that is judged without being played: the demo must notice. `patience` is in seconds.
    """
    # Ended either way, it takes the running system and the servers with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="reconciler-demo-"))
    example = Example(_original(), folder)
    password = secrets.token_urlsafe(16)
    try:
        with DemoServers(folder, [*example.addresses(), *USERS], password, unknown_after_accept=UNKNOWN) as servers:
            example.point_at(servers.imap_port, servers.smtp_port, password)
            return _on_stage(Stage(servers, example, folder, password, patience), say, keep=keep, disabled=disabled)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _original() -> Path:
    """The example accounts: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).parent
    for folder in (package / "accounts.d", package.parent.parent / "accounts.d"):
        if (folder / "main.yaml").is_file():
            return folder
    raise NotSetUp("the example accounts are missing; install mail-account-reconciler anew")


def _on_stage(stage: Stage, say: Say, *, keep: bool, disabled: str | None) -> ExitCode:
    try:
        for command in (("validate",), ("plan",), ("apply",)):
            say(f"$ reconciler {' '.join(command)}")
            say(_shortened(stage.command(*command)))
        say("$ reconciler run &\n")
        stage.start()
        for number, act in enumerate(ACTS, start=1):
            if not _play(stage, act, number, say, is_disabled=act.name == disabled):
                return ExitCode.FINDINGS
        say("\nEverything came out right.")
        if keep:
            _keep(stage, say)
        return ExitCode.CLEAN
    finally:
        code = stage.stop()
        if code != 0:
            say(f"reconciler run ended with {code}")


def _play(stage: Stage, act: Act, number: int, say: Say, *, is_disabled: bool) -> bool:
    say(f"{number:2}. {act.title}")
    try:
        if is_disabled:
            stage.patience = min(stage.patience, _DISABLED_SECONDS)
        else:
            act.play(stage)
        seen = act.judge(stage)
    except ReconcilerError as error:
        seen = None
        say(f"    {error}")
    if seen is None:
        say(f"    ✗ act {act.name} did not come out right")
        return False
    say(f"    ✓ {seen}\n      because {act.because}")
    return True


def _keep(stage: Stage, say: Say) -> None:
    say("\nThe system goes on running until Ctrl-C. In another terminal:")
    for name in ("RECONCILER_ACCOUNTS", "RECONCILER_STATE", "RECONCILER_SECRETS", "RECONCILER_AGENT"):
        say(f"  export {name}={stage.environment[name]}")
    say("  reconciler cases")
    try:
        stage.wait()
    except KeyboardInterrupt:
        say("ending")


def _shortened(text: str, most: int = 14) -> str:
    lines = text.rstrip().splitlines()
    rest = len(lines) - most
    return "\n".join([*lines[:most], *([f"… {rest} more lines"] if rest > 0 else [])]) + "\n"
