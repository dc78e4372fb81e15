"""Hands a connection that imapclient made and logged in over to the fast door, if nothing of it was read ahead."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

from imapclient import IMAPClient

from reconciler.core.health import Condition, Trouble
from reconciler.core.secret import Secret
from reconciler.protocol.base import Limits
from reconciler.protocol.imap_failure import translated
from reconciler.protocol.imap_flow import ImapFlow, Manners
from reconciler.protocol.imap_login import drop, logged_in_client
from reconciler.protocol.imap_settings import ImapSettings


class ImapOpener:
    """Opens IMAP connections for the fast door and remembers what their hosts proved to take; any thread may call.

    `untried` makes what is held of a host that was not met before.
    """

    def __init__(self, untried: Callable[[], Manners] = Manners) -> None:
        self._untried = untried
        self._manners: dict[tuple[str, int], Manners] = {}

    def __call__(self, settings: ImapSettings, secret: Secret, limits: Limits) -> tuple[socket.socket, ImapFlow]:
        """A socket that does not block, and the conversation over it. Raises what `imap.open_session` raises."""
        host = (settings.host, settings.effective_port)
        where = f"IMAP server {settings.host}:{settings.effective_port}"
        client = logged_in_client(settings, secret, limits, where)
        try:
            with translated(where, "hand the connection over"):
                offered = frozenset(one.decode("ascii", "replace").upper() for one in client.capabilities())
                connection = _taken_over(client, where)
        except BaseException:
            drop(client)
            raise
        return connection, ImapFlow(settings, where, offered, self._manners.setdefault(host, self._untried()))


def _taken_over(client: IMAPClient, where: str) -> socket.socket:
    """The bare socket. What imaplib had read ahead would be lost to whoever reads on, so nothing may be there."""
    connection, reader = client.socket(), client._imap.file
    connection.setblocking(False)
    try:
        ahead = bool(reader.peek(1))
    except (BlockingIOError, ssl.SSLWantReadError):
        ahead = False
    if ahead or (isinstance(connection, ssl.SSLSocket) and connection.pending()):
        raise Trouble(Condition.PROTOCOL_ERROR, f"{where} said more than it was asked after the login")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    reader.close()
    taken: socket.socket = connection
    return taken
