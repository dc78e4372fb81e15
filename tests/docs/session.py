"""`docs/session.md`: a pull request from its files to what runs, every command run here, under a fixed clock."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import tempfile
from contextlib import chdir, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

from reconciler.cli.main import run
from tests.docs.pages import ROOT

TARGET = ROOT / "docs/session.md"

_HEAD = """\
<!-- Written by `make session`; a test compares it with what the commands print. -->
# A pull request, from its files to what runs

One pull request that adds, renames, re-weights, redirects and removes accounts. Every block below is a
command and what it prints; the page is made by a script with a fixed clock.
"""

_MAIN = """\
version: 1
accounts:
  - id: main-reply
    name: Customer Service
    type: reply
    address: reply@service.example
    protocol: imap
    imap: {host: mail.service.example, username: reply, password: {secret: main-reply}}
    smtp: {host: mail.service.example, username: reply, password: {secret: main-reply}}
  - id: main-second-level
    name: Customer Service
    type: second-level-reply
    address: inquiry@service.example
    protocol: imap
    imap: {host: mail.service.example, username: inquiry, password: {secret: main-inquiry}}
    smtp: {host: mail.service.example, username: inquiry, password: {secret: main-inquiry}}
"""

_ADA = {"NAME": "Ada", "EMAIL": "ada@acme.example"}

_POLICY = """\
version: 1
redirects:
  - {account: globex/support, from: "mail.globex.example:993", to: "imap.globex.example:993"}
"""


def _account(tenant: str, name: str, *further: str, host: str = "", login: str = "") -> str:
    server, login = f"mail.{tenant}.example", login or name
    lines = (
        f"- id: {name}",
        f"  name: {tenant.title()} {name.title()}",
        "  type: inbound",
        f"  address: {login}@{tenant}.example",
        *(f"  {line}" for line in further),
        "  protocol: imap",
        f"  imap: {{host: {host or server}, username: {login}, password: {{secret: {login}-imap}}, start: now}}",
        f"  smtp: {{host: {server}, username: {login}, password: {{secret: {login}-smtp}}}}",
    )
    return "".join(f"  {line}\n" for line in lines)


def _tenant(name: str, *accounts: str) -> str:
    return f"version: 1\ntenant: {name}\nname: {name.title()}\naccounts:\n{''.join(accounts)}"


_BEFORE = {
    "main": _MAIN,
    "acme": _tenant(
        "acme",
        _account("acme", "support", "weight: 5"),
        _account("acme", "sales"),
        _account("acme", "press", "protect: true"),
        _account("acme", "returns"),
    ),
    "globex": _tenant("globex", _account("globex", "support")),
}
_AFTER = {
    "acme": _tenant(
        "acme",
        _account("acme", "support", "weight: 7"),
        _account("acme", "orders", "moved_from: sales", login="sales"),
        _account("acme", "returns"),
        _account("acme", "events"),
    ),
    "globex": _tenant("globex", _account("globex", "support", host="imap.globex.example")),
}


class _Session:
    """Runs commands in the working folder and writes down what they print."""

    def __init__(self) -> None:
        self.page = [_HEAD]
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def say(self, heading: str, text: str, hour: int) -> None:
        self.now = self.now.replace(hour=hour)
        self.page.append(f"\n## {heading}\n\n{text}\n")

    def command(self, line: str, expected: int = 0) -> str:
        """Run it and write down what it prints; an exit code other than `expected` is an error."""
        if line.startswith("reconciler "):
            with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
                code = run(shlex.split(line)[1:])
            assert not err.getvalue(), f"{line}: {err.getvalue()}"
            printed = out.getvalue()
        else:
            done = subprocess.run(shlex.split(line), capture_output=True, text=True, check=False)
            code, printed = done.returncode, done.stdout
        assert code == expected, f"{line}: exit code {code}\n{printed}"
        said = f"$ echo $?\n{code}\n" if code else ""
        self.page.append(f"\n```console\n$ {line}\n{printed}{said}```\n")
        return printed

    def file(self, name: str, text: str) -> None:
        """Write a file and show it."""
        Path(name).write_text(text, encoding="utf-8")
        self.page.append(f"\n```yaml\n# {name}\n{text}```\n")


def _commit(files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        Path("accounts.d", f"{name}.yaml").write_text(text, encoding="utf-8")
    _git("add", "accounts.d")
    _git("commit", "--quiet", "-m", message)


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, capture_output=True)


def _provide_secrets() -> None:
    names = {
        "main": ["main-reply", "main-inquiry"],
        "acme": [f"{name}-{use}" for name in ("support", "sales", "press", "returns") for use in ("imap", "smtp")],
        "globex": ["support-imap", "support-smtp"],
    }
    for unit, secrets in names.items():
        folder = Path("secrets", unit)
        folder.mkdir(parents=True)
        for name in secrets:
            (folder / name).touch(0o600)
            (folder / name).write_text(f"value of {name}\n", encoding="utf-8")


def _play(session: _Session) -> None:
    Path("accounts.d").mkdir()
    _provide_secrets()
    _git("init", "--quiet", "--initial-branch=main")
    _commit(_BEFORE, "Accounts")
    session.say("What runs", "Two tenants are applied: acme with four accounts, globex with one.", 9)
    session.command("reconciler apply")
    _git("switch", "--quiet", "--create", "spring")
    _commit(_AFTER, "Accounts of spring")
    session.say(
        "The pull request",
        "At acme `support` gets more weight, `sales` becomes `orders` and says so, `press` goes, `events` is\n"
        "new. Globex moves to another server.",
        10,
    )
    session.command("git diff --unified=0 main spring")
    session.command("reconciler validate")
    session.say("The plan", "A guard blocks acme, since `press` is protected; a redirect blocks globex.", 11)
    session.command("reconciler plan", expected=3)
    session.say("The plan as a comment", "The same, as the checks put it on the pull request.", 11)
    session.command("reconciler plan --format markdown", expected=3)
    _let_pass(session)


def _let_pass(session: _Session) -> None:
    session.say(
        "The redirect",
        "No acknowledgement lets a secret go to another server. The operators' policy does, for these two servers\n"
        "alone; acme still waits.",
        12,
    )
    session.file("policy.yaml", _POLICY)
    printed = session.command("reconciler plan --policy policy.yaml", expected=3)
    session.say("The guard", "Whoever has read the plan acknowledges exactly that plan.", 13)
    (digest,) = re.findall(r"reconciler ack ([0-9a-f]{64})", printed)
    session.command(f"reconciler ack {digest} --reason 'The press office has a mailbox of its own'")
    session.say("What runs afterwards", "The same files are applied once; the second time nothing is left to do.", 14)
    session.command("reconciler apply --policy policy.yaml")
    session.command("reconciler apply --policy policy.yaml")
    session.command("reconciler plan --policy policy.yaml --exit-code")
    session.command("reconciler history")
    session.say(
        "How all stand",
        "All run as their files say; how their servers answer is not known before `reconciler run` has fetched.",
        15,
    )
    session.command("reconciler status", expected=4)


def written() -> str:
    """The page as the commands of today make it, in a folder of its own that is gone afterwards."""
    session = _Session()
    dates = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "2026-03-02T09:00:00Z")
    people = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in _ADA.items()}
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LOGNAME": "ada", **dates, **people}
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    with (
        tempfile.TemporaryDirectory() as folder,
        chdir(folder),
        patch.dict(os.environ, kept | settings, clear=True),
        patch("reconciler.runtime.clock.utc_now", lambda: session.now),
    ):
        _play(session)
    return "".join(session.page)


if __name__ == "__main__":
    TARGET.write_text(written(), encoding="utf-8")
