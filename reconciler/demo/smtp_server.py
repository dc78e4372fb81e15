"""The demo's SMTP server: accepts, refuses or bounces mail and delivers it into the IMAP mailboxes, as an MTA would."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword, Session
from aiosmtpd.smtp import Envelope as Transaction

from reconciler.demo.bounce import bounce
from reconciler.demo.envelope import Envelope, to_line
from reconciler.demo.imap_server import ImapServer

HOST = "mx.demo.example"
REFUSED_DOMAIN = "nowhere.example"


class SmtpServer:
    """Takes mail with or without AUTH; what became of a recipient follows from its address (see `handle_RCPT`).

    Every accepted mail is a line in `journal` before the client hears 250.
    """

    def __init__(
        self, mailboxes: ImapServer, *, password: str, unknown_after_accept: Sequence[str], journal: Path
    ) -> None:
        self._mailboxes = mailboxes
        self._password = password.encode()
        self._unknown_after_accept = frozenset(address.lower() for address in unknown_after_accept)
        self._journal = journal

    async def start(self) -> asyncio.Server:
        """Begin an empty journal and listen on a free loopback port."""
        self._journal.write_bytes(b"")
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: self._conversation(loop), "127.0.0.1", 0)

    def _conversation(self, loop: asyncio.AbstractEventLoop) -> SMTP:
        return SMTP(
            self, loop=loop, hostname=HOST, ident="demo", authenticator=self._authenticate, auth_require_tls=False
        )

    def _authenticate(
        self, _server: SMTP, _session: Session, _transaction: Transaction, _mechanism: str, login: object
    ) -> AuthResult:
        known = (
            isinstance(login, LoginPassword)
            and self._mailboxes.owner(login.login.decode(errors="replace")) is not None
            and hmac.compare_digest(login.password, self._password)
        )
        return AuthResult(success=known, handled=False)

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, transaction: Transaction, address: str, _options: list[str]
    ) -> str:
        """Refuse the unknown of one domain at once; everybody else is accepted, and the unknown among them bounce."""
        if self._owner(address) is None and address.lower().endswith("@" + REFUSED_DOMAIN):
            return f"550 5.1.1 <{address}>: user unknown"
        transaction.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, transaction: Transaction) -> str:
        """Write the mail down, then deliver or bounce it for each recipient."""
        raw = transaction.content
        if not isinstance(raw, bytes):
            return "554 5.6.0 no mail"
        # aiosmtpd strips the brackets of every reverse path but the empty one.
        mail_from = (transaction.mail_from or "").removeprefix("<>")
        envelope = Envelope(mail_from, tuple(transaction.rcpt_tos), raw)
        with self._journal.open("a", encoding="ascii") as journal:
            journal.write(to_line(envelope))
        for recipient in envelope.recipients:
            await self._hand_over(envelope, recipient, greeted_as=session.host_name or "unknown")
        return "250 2.0.0 accepted"

    async def _hand_over(self, envelope: Envelope, recipient: str, *, greeted_as: str) -> None:
        now = datetime.now(UTC)
        owner = self._owner(recipient)
        if owner is not None:
            trace = _trace(envelope.mail_from, recipient, greeted_as=greeted_as, now=now)
            await self._mailboxes.deliver(owner, trace + envelope.raw, now=now)
            return
        # A mail with the null sender is never answered, else two servers could bounce bounces for ever (RFC 5321, 6.1).
        sender = self._owner(envelope.mail_from)
        if sender is not None:
            report = bounce(envelope, recipient, host=HOST, now=now)
            trace = _trace("", envelope.mail_from, greeted_as="localhost", now=now)
            await self._mailboxes.deliver(sender, trace + report, now=now)

    def _owner(self, address: str) -> str | None:
        if address.lower() in self._unknown_after_accept:
            return None
        return self._mailboxes.owner(address)


def _trace(mail_from: str, recipient: str, *, greeted_as: str, now: datetime) -> bytes:
    """The headers that the last mail server puts on top of a mail (RFC 5321, section 4.4)."""
    lines = (
        f"Return-Path: <{mail_from}>",
        f"Delivered-To: {recipient}",
        f"Received: from {greeted_as} by {HOST} with ESMTP; {format_datetime(now)}",
    )
    return "".join(line + "\r\n" for line in lines).encode("ascii", "replace")
