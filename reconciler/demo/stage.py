"""What the story plays on: the servers, a copy of the example, the program's commands, and a running system."""

from __future__ import annotations

import email
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from email.header import decode_header, make_header
from email.message import Message
from pathlib import Path
from typing import IO, Any

from imapclient import IMAPClient

from reconciler.core.errors import Unavailable
from reconciler.demo.example import Example
from reconciler.demo.servers import HOST, DemoServers

AGENT = "agent@service.example"
_NEXT_LOOK_SECONDS = 0.1
_END_SECONDS = 20.0


class Stage:
    """The servers, the example, and the program as a user has it: a command line and a process that runs."""

    def __init__(self, servers: DemoServers, example: Example, folder: Path, password: str, patience: float) -> None:
        self.servers, self.example, self.patience = servers, example, patience
        self._password = password
        self._log = folder / "run.log"
        self.environment = os.environ | {
            "RECONCILER_ACCOUNTS": str(example.accounts),
            "RECONCILER_SECRETS": str(example.secrets),
            "RECONCILER_STATE": f"sqlite:///{folder / 'state.db'}",
            "RECONCILER_AGENT": AGENT,
            "RECONCILER_POLL_SECONDS": "0.5",
            "RECONCILER_SEND_SECONDS": "0.2",
        }
        self._run: subprocess.Popen[bytes] | None = None
        self.notes: dict[str, Any] = {}

    def command(self, *arguments: str) -> str:
        """Run one command and return what it printed. Raises Unavailable with its error text if it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "reconciler", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Unavailable(f"reconciler {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """Run one command with --format json and return its answer."""
        return json.loads(self.command(*arguments, "--format", "json"))

    def start(self) -> None:
        """Start `reconciler run`."""
        log: IO[bytes] = self._log.open("ab")
        with log:
            self._run = subprocess.Popen(
                [sys.executable, "-m", "reconciler", "run"], env=self.environment, stderr=log, start_new_session=True
            )

    def stop(self) -> int:
        """End it as Ctrl-C would; returns its exit code."""
        if self._run is None:
            return 0
        self._run.send_signal(signal.SIGINT)
        try:
            return self._run.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._run.kill()
            return self._run.wait()

    def wait(self) -> None:
        """Wait until the running system ends."""
        if self._run is not None:
            self._run.wait()

    def log(self) -> list[dict[str, Any]]:
        """The events the running system has logged so far."""
        return [json.loads(line) for line in self._log.read_text("utf-8").splitlines() if line.startswith("{")]

    def until(self, condition: Callable[[], bool]) -> bool:
        """Wait until the condition holds; False if the patience is over first."""
        end = time.monotonic() + self.patience
        while not condition():
            if time.monotonic() > end or (self._run is not None and self._run.poll() is not None):
                return condition()
            time.sleep(_NEXT_LOOK_SECONDS)
        return True

    def write(self, sender: str, to: str, subject: str, text: str, *headers: str) -> None:
        """Send a mail as a stranger's mail program would."""
        name, address = sender.rstrip(">").split(" <")
        lines = [
            f"From: {name} <{address}>",
            f"To: {to}",
            f"Subject: {subject}",
            f"Date: {email.utils.formatdate()}",
            f"Message-ID: {email.utils.make_msgid(domain=address.partition('@')[2])}",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            *headers,
            "",
            *text.splitlines(),
            "",
        ]
        self.servers.send(address, to, "\r\n".join(lines).encode())

    def mails(self, address: str) -> list[Message]:
        """What lies in a mailbox, over IMAP."""
        return [email.message_from_bytes(raw) for raw in self.servers.mailbox(address)]

    def mail(self, address: str, words: str) -> Message | None:
        """The newest mail in the mailbox whose text holds these words."""
        return next((m for m in reversed(self.mails(address)) if words in text_of(m)), None)

    def unseen(self, address: str) -> int:
        """How many mails of an account's mailbox the program has not acknowledged."""
        with IMAPClient(HOST, self.servers.imap_port, ssl=False) as client:
            client.login(address, self._password)
            client.select_folder("INBOX", readonly=True)
            return len(client.search("UNSEEN"))


def text_of(mail: Message) -> str:
    """All inline text of a mail, decoded."""
    parts = [p for p in mail.walk() if p.get_content_maintype() == "text"]
    return "\n".join(_decoded(part) for part in parts)


def header_of(mail: Message, name: str) -> str:
    """A header, decoded and on one line; empty if it is not there."""
    return " ".join(str(make_header(decode_header(mail.get(name, "")))).split())


def _decoded(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
