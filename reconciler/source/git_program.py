"""Runs the program `git` so that nothing in a repository runs anything: no hooks, no prompts, no foreign transports."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from reconciler.core.errors import NotSetUp, Unavailable

_SETTINGS = {
    "protocol.ext.allow": "never",
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "advice.detachedHead": "false",
    "log.showSignature": "false",
}
_REPOSITORY_VARIABLES = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE"}
    | {"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT", "GIT_EXTERNAL_DIFF"}
)
"""A hook or alias that starts us leaves these behind; they would turn every call to another repository."""
_TRANSPORTS = "file:http:https:ssh"
# Git hands the URL on as an argument of other programs, which everybody on the machine can read: a name and password
# in it are taken out and answered through the environment, which only the user can.
_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" '
    '"$RECONCILER_GIT_USERNAME" "$RECONCILER_GIT_PASSWORD"; }; f'
)


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository's URL without credentials, as it is shown and handed to git, and the credentials apart."""

    url: str
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Remote({self.url!r})"

    @classmethod
    def parse(cls, written: str) -> Remote:
        """`https://name:token@host/path` taken apart; every other form (a path, `git@host:path`) as it is."""
        parts = urlsplit(written) if "://" in written else None
        if parts is None or "@" not in parts.netloc or parts.scheme not in ("http", "https"):
            return cls(written)
        login, _, host = parts.netloc.rpartition("@")
        username, _, password = login.partition(":")
        bare = urlunsplit((parts.scheme, host, parts.path, parts.query, parts.fragment))
        return cls(bare, unquote(username), unquote(password))


class GitFailed(Exception):
    """Git ended with an error; `text` is what it said, on one line, without credentials."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, slots=True)
class Git:
    """Git in one repository. `directory` is its git directory; `seconds` is how long one call may take."""

    directory: str
    seconds: float
    remote: Remote | None = None

    def run(self, arguments: Sequence[str], given: bytes = b"", extra: Mapping[str, str] | None = None) -> bytes:
        """What git prints. `extra` are settings of this call.

        Raises GitFailed if git ends with an error, Unavailable if it takes too long, NotSetUp if it is not installed.
        """
        settings = _SETTINGS | self._credentials() | dict(extra or {})
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = ["git", "--git-dir", self.directory, *options, *arguments]
        try:
            return _answer(command, self._environment(), given, self.seconds)
        except GitFailed as error:
            raise GitFailed(self._redacted(error.text)) from None

    def _credentials(self) -> dict[str, str]:
        return {"credential.helper": _HELPER} if self.remote is not None and self.remote.password else {}

    def _environment(self) -> dict[str, str]:
        if self.remote is None or not self.remote.password:
            return _environment()
        login = {"RECONCILER_GIT_USERNAME": self.remote.username, "RECONCILER_GIT_PASSWORD": self.remote.password}
        return _environment() | login

    def _redacted(self, text: str) -> str:
        secret = self.remote.password if self.remote is not None else ""
        return text.replace(secret, "***") if secret else text


def discover(folder: Path, seconds: float) -> tuple[str, str]:
    """The git directory of the repository a folder lies in, and its top folder. Raises GitFailed if it lies in none."""
    command = ["git", "-C", os.fspath(folder), "rev-parse", "--absolute-git-dir", "--show-toplevel"]
    directory, top = _answer(command, _environment(), b"", seconds).decode("utf-8", "surrogateescape").splitlines()
    return directory, top


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _REPOSITORY_VARIABLES}
    return kept | {
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": _TRANSPORTS,
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "SSH_ASKPASS_REQUIRE": "never",
        "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=10"),
    }


def _answer(command: Sequence[str], environment: Mapping[str, str], given: bytes, seconds: float) -> bytes:
    try:
        # A session of its own, so that the programs git starts (ssh, remote helpers) end with it.
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise NotSetUp("the program git is not installed; install it (Debian: apt-get install git)") from error
    try:
        out, said = process.communicate(given, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"git took longer than {seconds:g} s and was ended") from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode:
        raise GitFailed(_one_line(said))
    return out


def _one_line(said: bytes) -> str:
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines()]
    text = "; ".join(line.removeprefix("fatal: ").removeprefix("error: ") for line in lines if line)
    return "".join(c for c in text if c.isprintable())[:400] or "git failed without a word"
