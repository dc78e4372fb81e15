"""A real SMTP server in its own process that records, delivers into Dovecot, and refuses or hangs on request.

Run as `python -m tests.rig.smtp_server`, it prints its ports as one JSON line once it listens. What it does with a
recipient is a word of `BEHAVIOURS`, taken from the control file or else from the beginning of the local part.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import re
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword, Session
from aiosmtpd.smtp import Envelope as Transaction
from imapclient import IMAPClient

from reconciler.demo.bounce import bounce
from reconciler.demo.envelope import Envelope as DemoEnvelope
from tests.rig.certificate import Certificate

BEHAVIOURS = {
    "tempfail": "RCPT is answered 451 4.3.0",
    "permfail": "RCPT is answered 550 5.1.1",
    "tempdata": "the data is answered 451 4.3.0",
    "permdata": "the data is answered 554 5.6.0",
    "hang": "the data is never answered and not recorded",
    "drop-after-dot": "the data is recorded and delivered, then the connection closed without an answer",
    "drop-at-rcpt": "the connection is closed without an answer to RCPT",
    "closing": "RCPT is answered 421 4.3.2 and the connection closed",
    "lose": "the data is recorded and answered 250, but delivered nowhere",
    "bounce": "the data is recorded and answered 250; the envelope sender gets a delivery status notification",
    "accept": "the data is recorded, delivered and answered 250",
}
_AT_RCPT = {"tempfail": "451 4.3.0 Try again later", "permfail": "550 5.1.1 No such user here"}
_AT_DATA = {"tempdata": "451 4.3.0 Queue is full", "permdata": "554 5.6.0 Content refused"}
_OLD_SERVER_SIZE = 65536


@dataclass(frozen=True, slots=True)
class Envelope:
    """An accepted mail as it arrived: `data` is exactly what came between DATA and the final dot."""

    mail_from: str
    rcpt_tos: tuple[str, ...]
    data: bytes
    helo: str
    user: str | None
    tls: bool


def mailbox_of(address: str) -> str:
    """The user whose mailbox an address leads to: lower-case, without a `+` subaddress."""
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}".lower()


def _transport(server: SMTP) -> asyncio.Transport:
    transport = server.transport
    assert isinstance(transport, asyncio.Transport)
    return transport


def _cut(server: SMTP) -> None:
    _transport(server).abort()


def _sender(envelope: Transaction) -> str:
    return (envelope.mail_from or "").removeprefix("<").removesuffix(">")


class _Handler:
    def __init__(self, record: Path, control: Path, imap: str | None, tokeninfo_port: int) -> None:
        self.record, self.control, self.imap, self.tokeninfo_port = record, control, imap, tokeninfo_port

    def behaviour(self, address: str) -> str:
        mailbox = mailbox_of(address)
        told: dict[str, str] = json.loads(self.control.read_text()) if self.control.exists() else {}
        if exactly := told.get(f"={address.lower()}"):
            return exactly
        named = [word for word in BEHAVIOURS if mailbox.startswith(word)]
        return told.get(mailbox) or (named[0] if named else "accept")

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Transaction, address: str, options: list[str]
    ) -> str:
        behaviour = self.behaviour(address)
        if behaviour == "drop-at-rcpt":
            _cut(server)
        if behaviour == "closing":
            _transport(server).write(b"421 4.3.2 Closing the connection\r\n")
            _transport(server).close()
        if behaviour in _AT_RCPT:
            return _AT_RCPT[behaviour]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def auth_XOAUTH2(self, server: SMTP, arguments: list[str]) -> AuthResult:
        return await self._by_token(server, arguments, rb"user=([^\x01]*)\x01auth=Bearer ([^\x01]*)\x01\x01")

    async def auth_OAUTHBEARER(self, server: SMTP, arguments: list[str]) -> AuthResult:
        return await self._by_token(server, arguments, rb"n,a=([^,]*),\x01.*auth=Bearer ([^\x01]*)\x01\x01")

    async def _by_token(self, server: SMTP, arguments: list[str], form: bytes) -> AuthResult:
        found = re.fullmatch(form, base64.b64decode(arguments[1]))
        user, token = (part.decode() for part in found.groups()) if found else ("", "")
        if user and await asyncio.get_running_loop().run_in_executor(None, self._owner, token) == user:
            return AuthResult(success=True, auth_data=user.encode())
        await server.challenge_auth(b'{"status":"invalid_token"}')
        return AuthResult(success=False, handled=False)

    def _owner(self, token: str) -> str:
        address = f"http://127.0.0.1:{self.tokeninfo_port}/tokeninfo?access_token={token}"
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return str(json.load(answer)["username"])
        except OSError:
            return ""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Transaction) -> str:
        behaviours = {self.behaviour(address) for address in envelope.rcpt_tos}
        for behaviour in behaviours & _AT_DATA.keys():
            return _AT_DATA[behaviour]
        if "hang" in behaviours:
            await asyncio.Event().wait()
        self._record(server, session, envelope)
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._deliver, envelope)
        except Exception as error:
            return f"451 4.3.0 The rig could not deliver: {type(error).__name__}"
        if "drop-after-dot" in behaviours:
            _cut(server)
        return "250 2.0.0 OK"

    def _record(self, server: SMTP, session: Session, envelope: Transaction) -> None:
        user = session.auth_data.decode() if isinstance(session.auth_data, bytes) else None
        line = {
            "mail_from": _sender(envelope),
            "rcpt_tos": envelope.rcpt_tos,
            "data": base64.b64encode(envelope.original_content or b"").decode(),
            "helo": session.host_name,
            "user": user,
            "tls": _transport(server).get_extra_info("ssl_object") is not None,
        }
        with self.record.open("a", encoding="ascii") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _deliver(self, envelope: Transaction) -> None:
        if self.imap is None:
            return
        host, port, password = self.imap.split(":", 2)
        for address in envelope.rcpt_tos:
            behaviour = self.behaviour(address)
            to, raw = address, envelope.original_content or b""
            if behaviour == "lose":
                continue
            if behaviour == "bounce":
                original = DemoEnvelope(_sender(envelope), (address,), raw)
                to, raw = original.mail_from, bounce(original, address, host="mail.example", now=datetime.now(UTC))
            trace = f"Return-Path: <{'' if behaviour == 'bounce' else _sender(envelope)}>\r\nDelivered-To: {to}\r\n"
            with IMAPClient(host, int(port), ssl=False, timeout=20) as client:
                client._imap.debug = 0
                client.login(mailbox_of(to), password)
                client.append("INBOX", trace.encode() + raw)


def _authenticator(password: str) -> Any:
    def check(server: SMTP, session: Session, envelope: Transaction, mechanism: str, login: Any) -> AuthResult:
        right = isinstance(login, LoginPassword) and login.password.decode() == password
        return AuthResult(success=right, handled=False, auth_data=login.login if right else None)

    return check


async def _serve(options: argparse.Namespace) -> None:
    handler = _Handler(options.record, options.control, options.imap, options.tokeninfo)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options.cert, options.key)
    login: dict[str, Any] = {"authenticator": _authenticator(options.password), "auth_require_tls": False}
    modern: dict[str, Any] = {**login, "enable_SMTPUTF8": True, "timeout": 600}

    def starttls() -> SMTP:
        return SMTP(handler, tls_context=context, **modern)

    def implicit() -> SMTP:
        return SMTP(handler, auth_required=True, **modern)

    def old() -> SMTP:
        return SMTP(handler, data_size_limit=_OLD_SERVER_SIZE, timeout=600)

    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(starttls, "127.0.0.1", 0),
        await loop.create_server(implicit, "127.0.0.1", 0, ssl=context),
        await loop.create_server(old, "127.0.0.1", 0),
    ]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    print(json.dumps(ports), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


class SmtpServer:
    """One SMTP server with three ports that share what they record.

    `port` offers STARTTLS, AUTH and SMTPUTF8 and demands none; `tls_port` is TLS from the first byte and demands AUTH;
    `old_port` knows no TLS, AUTH or SMTPUTF8 and takes 64 KB. Any login name works with `password`.
    """

    password = "rig-password"
    host = "localhost"

    def __init__(
        self, directory: Path, certificate: Certificate, imap: str | None = None, tokeninfo_port: int = 0
    ) -> None:
        """`imap` as host:port:password of a Dovecot in which each recipient has a mailbox; None delivers nowhere.

        Access tokens are good if the token server on `tokeninfo_port` says so.
        """
        self.tokeninfo_port = tokeninfo_port
        self.record, self.control = directory / "envelopes.jsonl", directory / "behaviour.json"
        self.certificate, self.imap = certificate, imap
        self.port = self.tls_port = self.old_port = 0
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> SmtpServer:
        """Start and wait until it listens."""
        command = [sys.executable, "-W", "ignore", "-m", "tests.rig.smtp_server", "--password", self.password]
        command += ["--record", str(self.record), "--control", str(self.control)]
        command += ["--cert", str(self.certificate.cert), "--key", str(self.certificate.key)]
        command += ["--imap", self.imap] if self.imap else []
        command += ["--tokeninfo", str(self.tokeninfo_port)]
        root = Path(__file__).parents[2]
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        self._process = subprocess.Popen(command, cwd=root, stdin=pipe, stdout=pipe, stderr=nowhere, text=True)
        assert self._process.stdout is not None
        self.port, self.tls_port, self.old_port = json.loads(self._process.stdout.readline())
        return self

    def stop(self) -> None:
        """End it, whatever it hangs on."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def behave(self, address: str, behaviour: str | None) -> None:
        """From now on do this with mail to `address`, a word of `BEHAVIOURS`; None goes back to the address's own."""
        self._tell(mailbox_of(address), behaviour)

    def behave_exactly(self, address: str, behaviour: str | None) -> None:
        """The same for this very address and no subaddress of it."""
        self._tell(f"={address.lower()}", behaviour)

    def _tell(self, key: str, behaviour: str | None) -> None:
        if behaviour is not None and behaviour not in BEHAVIOURS:
            raise ValueError(f"no such behaviour: {behaviour}")
        told = json.loads(self.control.read_text()) if self.control.exists() else {}
        told[key] = behaviour
        fresh = self.control.with_suffix(".new")
        fresh.write_text(json.dumps(told))
        fresh.replace(self.control)

    def envelopes(self, to: str | None = None) -> list[Envelope]:
        """What was accepted so far, oldest first; with `to` only what went to that mailbox (any subaddress)."""
        every, _ = self.envelopes_since(0)
        return [one for one in every if to is None or mailbox_of(to) in map(mailbox_of, one.rcpt_tos)]

    def envelopes_since(self, position: int) -> tuple[list[Envelope], int]:
        """What was accepted after a position of the record, oldest first, and the position after it; 0 is the start."""
        if not self.record.exists():
            return [], position
        with self.record.open("rb") as file:
            file.seek(position)
            lines = file.read().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        rows = [json.loads(line) for line in whole]
        found = [
            Envelope(**{**row, "rcpt_tos": tuple(row["rcpt_tos"]), "data": base64.b64decode(row["data"])})
            for row in rows
        ]
        return found, position + sum(map(len, whole))


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--record", "--control", "--cert", "--key"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--tokeninfo", type=int, default=0, help="the port of a token server on loopback")
    parser.add_argument("--imap", help="host:port:password of the IMAP server to deliver to")
    asyncio.run(_serve(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
