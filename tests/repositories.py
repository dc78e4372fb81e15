"""Git repositories for tests: a real bare repository, and a clone that commits into it, signed where asked."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.folders import system
from tests.states import account

_IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada Admin",
    "GIT_AUTHOR_EMAIL": "ada@acme.example",
    "GIT_COMMITTER_NAME": "Ada Admin",
    "GIT_COMMITTER_EMAIL": "ada@acme.example",
    "GIT_AUTHOR_DATE": "2026-03-01T09:00:00+00:00",
    "GIT_COMMITTER_DATE": "2026-03-01T10:00:00+00:00",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}


class Repository:
    """A bare repository whose branch main holds `accounts.d` with two main accounts and the tenant acme."""

    def __init__(self, folder: Path) -> None:
        self.url = str(folder / "upstream.git")
        self.work = folder / "work"
        self.keys = folder / "keys"
        self.signers = folder / "allowed_signers"
        self.keys.mkdir(parents=True)
        self.signers.write_text("")
        self._run("git", "init", "-q", "--bare", "-b", "main", self.url)
        self._run("git", "init", "-q", "-b", "main", str(self.work))
        self.write("main", system("main-reply"), system("main-second", "second-level-reply"))
        self.write("acme", account("a"), account("b"), system("reply"))

    def write(self, unit: str, *accounts: dict[str, Any]) -> None:
        """Write a unit's file."""
        tenant = {} if unit == "main" else {"tenant": unit}
        self.write_text(f"{unit}.yaml", json.dumps({"version": 1, **tenant, "accounts": accounts}, indent=1))

    def write_text(self, name: str, text: str) -> None:
        """Write whatever a file of the accounts folder should hold."""
        path = self.work / "accounts.d" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def commit(self, message: str = "Change accounts", *, key: str | None = None) -> str:
        """Commit everything and push it, also over what is there; the commit's hash."""
        self.git("add", "-A")
        signed = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={self.key(key)}"] if key else []
        self.git(*signed, "commit", "-q", "--allow-empty", *(["-S"] if key else []), "-m", message)
        self.push()
        return self.head()

    def push(self) -> None:
        """Make the clone's head the branch's, by force."""
        self.git("push", "-q", "--force", self.url, "HEAD:refs/heads/main")

    def head(self) -> str:
        """The clone's commit."""
        return self.git("rev-parse", "HEAD")

    def back_to(self, commit: str) -> None:
        """Make this older commit the branch's head, by force."""
        self.git("reset", "-q", "--hard", commit)
        self.push()

    def key(self, name: str) -> Path:
        """An SSH key of that name, made at first."""
        path = self.keys / name
        if not path.exists():
            self._run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path))
        return path

    def allow(self, name: str) -> None:
        """Let this key's signatures count."""
        public = self.key(name).with_suffix(".pub").read_text()
        with self.signers.open("a") as file:
            file.write(f"ada@acme.example {public}")

    def git(self, *arguments: str) -> str:
        """What git prints in the clone."""
        return self._run("git", "-C", str(self.work), *arguments)

    def _run(self, *command: str) -> str:
        done = subprocess.run(command, env=os.environ | _IDENTITY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
