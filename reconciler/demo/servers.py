"""The demo's mail servers as its story sees them: started and ended here, read over IMAP, written to over SMTP."""

from __future__ import annotations

import json
import os
import re
import selectors
import smtplib
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from reconciler.core.errors import Invalid, NotSetUp, Permanent, Temporary, Unavailable
from reconciler.demo.envelope import Envelope, read_journal

HOST = "127.0.0.1"
_START_SECONDS = 30.0
_STOP_SECONDS = 5.0
_CLIENT_SECONDS = 10.0


class DemoServers:
    """An IMAP and an SMTP server on free loopback ports, without TLS, in one child process; mail lives in memory.

    `users` are e-mail addresses; each has a mailbox and may log in, to both servers, with the one password.
    `unknown_after_accept` are addresses whose mail is accepted and then bounced to its sender. Any other address that
    is no user's bounces likewise, except in the domain nowhere.example, which refuses it at RCPT TO with 550.
    `folder` gets `servers.log` and `envelopes.jsonl`; nothing is written elsewhere.
    """

    imap_port: int
    smtp_port: int

    def __init__(
        self, folder: Path, users: Sequence[str], password: str, *, unknown_after_accept: Sequence[str] = ()
    ) -> None:
        self._journal = folder.resolve() / "envelopes.jsonl"
        self._log = folder.resolve() / "servers.log"
        self._password = password
        self._config = {
            "users": list(users),
            "password": password,
            "unknown_after_accept": list(unknown_after_accept),
            "journal": str(self._journal),
        }

    def __enter__(self) -> Self:
        """Start the child and wait until both ports listen. Raises NotSetUp, or Unavailable if it does not come up."""
        missing = [name for name in ("pymap", "aiosmtpd") if find_spec(name) is None]
        if missing:
            raise NotSetUp(f"{' and '.join(missing)} missing; run: pip install 'mail-account-reconciler[demo]'")
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._child = _start_child(self._log)
        try:
            _stdin(self._child).write(json.dumps(self._config).encode() + b"\n")
            _stdin(self._child).flush()
            ports = json.loads(_first_line(self._child))
        except (OSError, ValueError) as error:
            _end(self._child)
            raise Unavailable(f"the demo's mail servers did not start; see {self._log}") from error
        except BaseException:
            _end(self._child)
            raise
        self.imap_port = ports["imap_port"]
        self.smtp_port = ports["smtp_port"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _end(self._child)

    def mailbox(self, address: str, folder: str = "INBOX") -> list[bytes]:
        """The raw mails of a user's folder, oldest first; nothing is marked seen.

        Raises Invalid if there is no such user or folder, Unavailable if the server does not answer.
        """
        try:
            with IMAPClient(HOST, self.imap_port, ssl=False, timeout=_CLIENT_SECONDS) as client:
                client.login(address, self._password)
                client.select_folder(folder, readonly=True)
                uids = client.search("ALL")
                mails = client.fetch(uids, ["BODY.PEEK[]"]) if uids else {}
        except IMAPClientError as error:
            raise Invalid(f"the demo has no folder {folder} for {address}: {error}") from error
        except OSError as error:
            raise Unavailable(f"the demo's IMAP server does not answer; see {self._log}") from error
        return [mails[uid][b"BODY[]"] for uid in sorted(uids)]

    def send(self, mail_from: str, recipient: str, raw: bytes) -> None:
        """Hand in a mail as a stranger's mail server would, without AUTH; an empty `mail_from` is the null sender.

        Raises Permanent if the server refuses it (5yz), Temporary if it asks to wait (4yz), Unavailable if it is gone.
        """
        # The server takes CRLF only (RFC 5321, section 2.3.8); smtplib leaves the line ends of bytes as they are.
        wire = re.sub(rb"\r?\n", b"\r\n", raw)
        try:
            with smtplib.SMTP(HOST, self.smtp_port, "stranger.example", timeout=_CLIENT_SECONDS) as client:
                client.sendmail(mail_from, [recipient], wire)
        except smtplib.SMTPRecipientsRefused as error:
            raise _refusal(*error.recipients[recipient]) from error
        except smtplib.SMTPResponseException as error:
            raise _refusal(error.smtp_code, error.smtp_error) from error
        except OSError as error:
            raise Unavailable(f"the demo's SMTP server does not answer; see {self._log}") from error

    def envelopes(self) -> list[Envelope]:
        """What the SMTP server has accepted since the start, in order; its own bounces are not among it."""
        return read_journal(self._journal)


def _refusal(code: int, answer: bytes | str) -> Permanent | Temporary:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return Temporary(f"{code} {text}") if code < 500 else Permanent(f"{code} {text}")


def _start_child(log: Path) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C in the terminal reaches the story, which then ends the servers in its own time.
    # FQDN spares the IMAP greeting a DNS look-up; a certificate named in the environment is not the demo's.
    environment = {k: v for k, v in os.environ.items() if k not in ("CERT_FILE", "KEY_FILE")} | {"FQDN": "localhost"}
    with log.open("ab") as stderr:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "reconciler.demo.server_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment,
            start_new_session=True,
        )


def _stdin(child: subprocess.Popen[bytes]) -> IO[bytes]:
    assert child.stdin is not None
    return child.stdin


def _first_line(child: subprocess.Popen[bytes]) -> bytes:
    """The child's first line; empty if it ended instead. Raises TimeoutError when it says nothing for too long."""
    assert child.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        if not selector.select(_START_SECONDS):
            raise TimeoutError
    return child.stdout.readline()


def _end(child: subprocess.Popen[bytes]) -> None:
    """Close the child's stdin, which ends it, and kill it if that does not; afterwards it is surely gone."""
    try:
        child.communicate(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
