"""What every door knows of connections: how they begin and end, what a failed one means; knows no mail protocol."""

from __future__ import annotations

import io
import re
import socket
import ssl
from collections.abc import Callable

from reconciler.core.health import Condition, Refused, Trouble

_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\uffff]+")
_SAID_AT_MOST = 300


def do_not_delay(connection: socket.socket) -> None:
    """Send small commands at once (TCP_NODELAY)."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def cut(connection: socket.socket | None) -> None:
    """End a connection under a call that may hang on it in another thread; never raises.

    The plain socket's own shutdown: TLS would drop its state from under that call. The descriptor stays open, so that
    nobody else gets its number while the call still uses it.
    """
    if connection is None:
        return
    try:
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        return


class CleanStart:
    """A context for STARTTLS that refuses what the peer has sent before TLS begins (RFC 3501 6.2.1, CVE-2011-0411).

    The libraries call `wrap_socket` between the answer to STARTTLS and the handshake; `reader` is their buffer then.
    """

    def __init__(self, context: ssl.SSLContext, where: str, reader: Callable[[], io.BufferedReader | None]) -> None:
        self._context = context
        self._where = where
        self._reader = reader

    def wrap_socket(self, sock: socket.socket, *, server_hostname: str) -> ssl.SSLSocket:
        """Do the handshake; raises Refused(TLS_FAILED) if anything unprotected is waiting to be read."""
        reader = self._reader()
        if reader is not None and self._waiting(sock, reader):
            raise Refused(
                Condition.TLS_FAILED,
                f"{self._where} sent data before TLS began; somebody may be tampering: use security: tls",
            )
        return self._context.wrap_socket(sock, server_hostname=server_hostname)

    def _waiting(self, sock: socket.socket, reader: io.BufferedReader) -> bool:
        patience = sock.gettimeout()
        sock.setblocking(False)
        try:
            return bool(reader.peek(1))
        finally:
            sock.settimeout(patience)


def network_failure(error: Exception, where: str) -> Trouble | Refused | None:
    """What a failure below the mail protocol means; None if it is not of the network. `where` names the server."""
    match error:
        case ssl.SSLCertVerificationError():
            return Refused(
                Condition.TLS_FAILED,
                f"{where}: the certificate is not trusted ({error.verify_message}); correct host, renew the "
                "certificate, or name its authority in ca or SSL_CERT_FILE",
            )
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return Trouble(Condition.UNREACHABLE, f"{where} closed the connection")
        case ssl.SSLError():
            reason = error.reason or "unknown reason"
            return Trouble(Condition.TLS_FAILED, f"{where}: TLS failed ({reason}); check port and security")
        case TimeoutError():
            return Trouble(Condition.TIMED_OUT, f"{where} did not answer in time; check host, port and firewall")
        case socket.gaierror():
            return Trouble(Condition.UNREACHABLE, f"{where}: the name cannot be resolved; check host and DNS")
        case ConnectionRefusedError():
            return Trouble(Condition.UNREACHABLE, f"{where} refused the connection; check host, port and firewall")
        case OSError():
            return Trouble(Condition.UNREACHABLE, f"{where}: {error.strerror or type(error).__name__}")
    return None


def said(text: bytes | str, *secrets: str) -> str:
    """A server's words fit for an error text: one line, printable, at most 300 characters, no secret in them."""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        words = words.replace(secret, "***")
    words = _NOT_PRINTABLE.sub(" ", words).strip()
    return words if len(words) <= _SAID_AT_MOST else words[: _SAID_AT_MOST - 1] + "…"
