"""The demo's IMAP server: pymap with mailboxes in memory, one per user; it knows nothing of SMTP."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Sequence
from datetime import datetime

from proxyprotocol.noop import ProxyProtocolNoop
from proxyprotocol.reader import ProxyProtocolReader
from pymap.backend.dict import Config, Identity, Login
from pymap.concurrent import Subsystem
from pymap.imap import IMAPServer
from pymap.parsing.message import AppendMessage
from pymap.user import UserMetadata
from pysasl.hashing import Cleartext


class ImapServer:
    """Mailboxes of `users`, all with one password; a login name is the user's address as given."""

    def __init__(self, users: Sequence[str], password: str) -> None:
        self._users = {user.lower(): user for user in users}
        self._password = password
        self._config = _loopback_config()
        self._login = Login(self._config)

    async def start(self) -> asyncio.Server:
        """Create the users and listen on a free loopback port."""
        self._config.apply_context()
        for user in self._users.values():
            await self._identity(user).set(UserMetadata(self._config, user, password=self._password))
        connected = ProxyProtocolReader(ProxyProtocolNoop()).get_callback(IMAPServer(self._login, self._config))
        return await asyncio.start_server(connected, "127.0.0.1", 0)

    def owner(self, recipient: str) -> str | None:
        """The user whose mailbox takes mail for this address, with or without `+subaddress`; None if nobody's does."""
        local, _, domain = recipient.lower().rpartition("@")
        return self._users.get(f"{local.partition('+')[0]}@{domain}")

    async def deliver(self, user: str, raw: bytes, *, now: datetime) -> None:
        """Append a mail to the user's INBOX; `now` becomes its INTERNALDATE. Idling clients are told."""
        if b"\r\n\r\n" not in raw:
            raw += b"\r\n"  # pymap cuts a byte off a mail that ends within its headers
        async with self._identity(user).new_session() as session:
            await session.append_messages("INBOX", [AppendMessage(raw, now)])

    def _identity(self, user: str) -> Identity:
        return Identity(user, self._login, None, frozenset())


def _loopback_config() -> Config:
    # Passwords stay plain and in memory: hashing with half a million rounds would cost the demo a second a login.
    return Config(
        Namespace(passlib_cfg=None, proxy_protocol=None),
        host="127.0.0.1",
        port=0,
        demo_data=False,
        demo_user="",
        demo_password="",
        tls_enabled=False,
        invalid_user_sleep=0.0,
        reject_dnsbl=False,
        hash_context=Cleartext(),
        cpu_subsystem=Subsystem.for_asyncio(),
    )
