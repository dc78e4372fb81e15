"""The program as its users have it, beside real servers: accounts folder, secrets, commands, a process that runs."""

from __future__ import annotations

import email
import io
import json
import os
import re
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from email.message import Message
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any, TypeVar

from reconciler.cli import compose
from reconciler.cli.main import run
from reconciler.core.fetch import StepLine
from reconciler.runtime.cycle import Engine
from reconciler.runtime.fleet import read_fleet
from reconciler.runtime.settings import RunSettings
from reconciler.runtime.supervisor import House
from reconciler.runtime.tokens import add_key
from reconciler.runtime.writer import Writer
from tests.folders import Folder
from tests.rig.dovecot import Dovecot, StoredMail
from tests.rig.smtp_server import SmtpServer
from tests.warm import Started, warm

T = TypeVar("T")

DOOR = "RECONCILER_DOOR"
AGENT = "agent@service.example"
_PATIENCE_SECONDS = 30.0
_COMMAND_SECONDS = 90.0
_END_SECONDS = 20.0
_ROOT = Path(__file__).parents[1]


def until(fact: Callable[[], T], what: str, seconds: float = _PATIENCE_SECONDS) -> T:
    """Return what `fact()` gives once it is true; raise AssertionError naming `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not (found := fact()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:g} s in vain until {what}")
        time.sleep(0.02)
    return found


class Running:
    """A `reconciler run` that was started, and what it has logged."""

    def __init__(self, process: Started, log: Path, starts_at: int) -> None:
        self.process, self._log, self._starts_at = process, log, starts_at

    def log(self) -> list[dict[str, Any]]:
        """The events of this run so far, oldest first."""
        text = self._log.read_bytes()[self._starts_at :].decode()
        return [json.loads(line) for line in text.splitlines(keepends=True) if line[:1] == "{" and line[-1:] == "\n"]

    def events(self, name: str, **fields: Any) -> list[dict[str, Any]]:
        """The events of this name with these fields."""
        return [e for e in self.log() if e["event"] == name and fields.items() <= e.items()]

    def until(self, fact: Callable[[], T], what: str, seconds: float = _PATIENCE_SECONDS) -> T:
        """As `until`; fails at once, with the log, if the process has ended without the fact."""

        def ended_or_fact() -> Any:
            ended = self.process.poll() is not None
            return (fact(), ended) if (found := fact()) or ended else found

        found, _ = until(ended_or_fact, what, seconds)
        assert found, f"the run ended with {self.process.poll()} before {what}:\n{self._log.read_text()[-3000:]}"
        return found  # type: ignore[no-any-return]

    def stop(self, number: int = signal.SIGINT) -> int:
        """End it by a signal and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(
                f"the run did not end after signal {number}:\n{self._log.read_text()[-3000:]}"
            ) from None


class World:
    """An accounts folder with two main accounts whose servers are the rig's, and the program's command line over it.

    An address is its mailbox's login name on the rig. `environment` is what commands are run with and may be changed;
    `accounts`, `secrets` and `state` are where everything lies.
    """

    def __init__(self, tmp_path: Path, dovecot: Dovecot, smtp_server: SmtpServer, fresh: Callable[[str], str]) -> None:
        self.path, self.dovecot, self.smtp_server, self._fresh = tmp_path, dovecot, smtp_server, fresh
        self.accounts, self.secrets = tmp_path / "accounts.d", tmp_path / "secrets"
        self.state = f"sqlite:///{tmp_path / 'state.db'}"
        self.folder = Folder(self.accounts)
        self.main_reply, self.main_second_level = fresh("main-reply"), fresh("main-second-level")
        self.unit(
            "main",
            self.account("main-reply", self.main_reply, "reply", subaddressing="+"),
            self.account("main-second-level", self.main_second_level, "second-level-reply", subaddressing="+"),
        )
        add_key(self.secrets, ())
        kept = {k: v for k, v in os.environ.items() if k == DOOR or not k.startswith("RECONCILER_")}
        self.environment = kept | {
            "PYTHONPATH": str(_ROOT),
            # What a process of its own starts anew would else compile all modules, where bytecode is not to be written.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(dovecot.directory / "compiled"),
            "SSL_CERT_FILE": str(dovecot.certificate.cert),
            "RECONCILER_ACCOUNTS": str(self.accounts),
            "RECONCILER_SECRETS": str(self.secrets),
            "RECONCILER_STATE": self.state,
            "RECONCILER_AGENT": AGENT,
            "RECONCILER_POLL_SECONDS": "0.3",
            "RECONCILER_SEND_SECONDS": "0.2",
            "RECONCILER_SETTLE_SECONDS": "0",
        }

    def fresh(self, name: str = "support") -> str:
        """An address nobody else uses."""
        return self._fresh(name)

    def account(
        self, account_id: str, address: str, kind: str = "inbound", *, security: str = "none", **keys: Any
    ) -> dict[str, Any]:
        """An account as a file says it, on the rig's servers; its password's secret has the account's id for a name.

        `imap` and `smtp` keys given are laid over complete blocks, `smtp=None` leaves it out; `start` is `all`.
        """
        host, login = ("127.0.0.1" if security == "none" else "localhost"), {"secret": account_id}
        ports = (self.dovecot.tls_port, self.smtp_server.tls_port)
        imap_port, smtp_port = ports if security == "tls" else (self.dovecot.port, self.smtp_server.port)
        common = {"host": host, "security": security, "username": address, "password": login}
        imap = {**common, "port": imap_port, "start": "all", **keys.pop("imap", {})}
        over = keys.pop("smtp", {})
        smtp = {} if over is None else {"smtp": {**common, "port": smtp_port, **over}}
        base = {"id": account_id, "name": account_id.title(), "type": kind, "address": address, "poll": "1s"}
        return {**base, "protocol": "imap", "imap": imap, **smtp, **keys}

    def unit(self, unit: str, *accounts: dict[str, Any], **keys: Any) -> None:
        """Write a tenant's file (or main's), and the secrets of its accounts that are not there yet."""
        self.folder.write(unit, *accounts, **keys)
        for one in accounts:
            if not (self.secrets / unit / one["id"]).exists():
                self.secret(unit, one["id"], self.dovecot.password)

    def secret(self, unit: str, name: str, value: str | None) -> None:
        """Write a secret's file; None removes it."""
        file = self.secrets / unit / name
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if value is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(value + "\n", encoding="utf-8")

    def with_own_secret(self, unit: str, account: dict[str, Any], name: str) -> dict[str, Any]:
        """The account with a secret of this name, which logs in as well; one that is in use is bound to its server."""
        self.secret(unit, name, self.dovecot.password)
        blocks = {b: account[b] | {"password": {"secret": name}} for b in ("imap", "smtp") if b in account}
        return account | blocks

    def start(self, *arguments: str, **env: str) -> Started | subprocess.Popen[str]:
        """Start a command and leave it running; its output is piped."""
        if self.environment["PYTHONPATH"] != str(_ROOT):
            # What is installed besides, plug-ins for example, is found by a program that starts from nothing.
            return self._cold(arguments, self.environment | env)
        return warm().start(arguments, env=self.environment | env, cwd=self.path)

    def _cold(self, arguments: Sequence[str], env: dict[str, str]) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "reconciler", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=env, cwd=self.path, stdout=pipe, stderr=pipe, text=True)

    def command(
        self, *arguments: str, check: int | Sequence[int] | None = 0, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; `check` is the exit code it must have, or several, None for any."""
        process = self.start(*arguments, **env)
        try:
            out, err = process.communicate(timeout=_COMMAND_SECONDS)
        finally:
            process.kill()
        done = subprocess.CompletedProcess(arguments, process.returncode, out, err)
        allowed = [check] if isinstance(check, int) else check
        assert allowed is None or done.returncode in allowed, f"{arguments}: {done.returncode}\n{out}\n{err}"
        return done

    def json(self, *arguments: str, check: int | Sequence[int] | None = 0, **env: str) -> Any:
        """Run a command with --format json; its answer."""
        return json.loads(self.command(*arguments, "--format", "json", check=check, **env).stdout)

    def ndjson(self, *arguments: str, check: int | Sequence[int] | None = 0, **env: str) -> list[dict[str, Any]]:
        """Run a command with --format ndjson; its lines."""
        done = self.command(*arguments, "--format", "ndjson", check=check, **env)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def apply(self) -> Any:
        """Apply the folder as it stands, in this process, for speed; it must succeed. Returns the command's answer."""
        places = ("--accounts", self.accounts, "--state", self.state, "--secrets", self.secrets)
        with redirect_stdout(io.StringIO()) as out:
            code = run(["apply", *map(str, places), "--format", "json"])
        assert code == 0, out.getvalue()
        return json.loads(out.getvalue())

    def condition(self, account: str, unit: str = "acme") -> str:
        """The condition of an account as `status` tells it."""
        return str(self.account_status(account, unit)["condition"])

    def account_status(self, account: str, unit: str = "acme") -> dict[str, Any]:
        """What `status` tells of an account."""
        found: list[dict[str, Any]] = self.json("status", check=(0, 4))["accounts"]
        return next(a for a in found if (a["tenant"], a["account"]) == (unit, account))

    @contextmanager
    def running(self, *arguments: str, **env: str) -> Iterator[Running]:
        """A `reconciler run` that is ended with the block; anything it left is killed."""
        log = self.path / "run.log"
        with log.open("ab") as file:
            process = warm().start(
                ["run", *arguments],
                env=self.environment | env,
                cwd=self.path,
                stdout=file.fileno(),
                stderr=file.fileno(),
                start_new_session=True,
            )
            running = Running(process, log, file.tell())
        try:
            running.until(lambda: running.events("run.started"), "the run has started")
            yield running
            if process.poll() is None:
                running.stop()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def customer_writes(
        self, sender: str, to: str, subject: str = "A question", text: str = "Where is my parcel?", *headers: str
    ) -> str:
        """Send a mail as a stranger's server would, from `Name <address>` or an address; returns its Message-ID."""
        address = sender.rpartition("<")[2].rstrip(">")
        message_id = make_msgid(domain=address.rpartition("@")[2])
        raw = mail(sender, to, subject, text, f"Message-ID: {message_id}", *headers)
        with smtplib.SMTP("127.0.0.1", self.smtp_server.port, "stranger.example", timeout=20) as client:
            client.sendmail(address, [to], raw)
        return message_id

    def deliver(self, address: str, count: int, *, subject: str = "Mail", **how: Any) -> None:
        """Put so many distinct mails straight into a mailbox; `how` as for `Dovecot.deliver`."""
        for number in range(1, count + 1):
            self.dovecot.deliver(address, mail("c@customer.example", address, f"{subject} {number}"), **how)

    @contextmanager
    def house(self, **settings: Any) -> Iterator[House]:
        """What the loops share, in this process, over the applied state; `settings` are fields of RunSettings."""
        house = compose.house(self.state, self.secrets)
        try:
            yield replace(house, settings=RunSettings(**settings))
        finally:
            house.store.close()

    def steps(self, cycles: int | None = 1, **settings: Any) -> list[StepLine]:
        """Fetch so many cycles in this process, None until nothing waits, without routing; what each step said."""
        lines: list[StepLine] = []
        with self.house(**settings) as house:
            writer = Writer(house.store)
            engine = Engine(house.tools(writer), lines.append)
            with house.store.read() as connection:
                engine.set_accounts(read_fleet(connection, house.registry).accounts)
            engine.drain() if cycles is None else engine.run_cycles(cycles)
            engine.close()
            writer.close()
        return lines

    def mailbox(self, address: str, folder: str = "INBOX") -> list[Message]:
        """What lies in a mailbox, over IMAP, oldest first; no flag is changed."""
        return [email.message_from_bytes(one.raw) for one in self.dovecot.messages(address, folder)]

    def seen(self, address: str, folder: str = "INBOX") -> list[StoredMail]:
        """The mails of a folder that are marked as seen."""
        return [one for one in self.dovecot.messages(address, folder) if "\\Seen" in one.flags]


def mail(sender: str, to: str, subject: str, text: str = "Where is my parcel?", *headers: str) -> bytes:
    """A plain mail with CRLF line ends; a header given replaces the one of that name."""
    base = {
        "From": sender,
        "To": to,
        "Subject": subject,
        "Date": formatdate(),
        "Message-ID": make_msgid(domain="customer.example"),
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
    }
    given = {name.lower() for name, _, _ in (h.partition(":") for h in headers)}
    lines = [f"{name}: {value}" for name, value in base.items() if name.lower() not in given]
    return re.sub(r"\r?\n", "\r\n", "\n".join([*lines, *headers, "", text, ""])).encode()
