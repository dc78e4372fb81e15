"""What every door knows of connections: how they begin and end, what a failed one means; knows no mail protocol."""

from __future__ import annotations

import io
import re
import socket
import ssl
import threading
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


class Opening:
    """A connection in the making, which any thread may cut off; to be closed when it is made, or is not."""

    def __init__(self) -> None:
        self._lock, self._is_cut = threading.Lock(), False
        # A descriptor of its own: TLS takes the socket's away, and another connection may get its number.
        self._own: socket.socket | None = None

    def made(self, connection: socket.socket) -> None:
        """There is a socket now, on which whoever opens may wait for long."""
        with self._lock:
            self._release()
            self._own = connection.dup()
            if self._is_cut:
                cut(self._own)

    def cut(self) -> None:
        """Let every call on the connection fail, those to come too."""
        with self._lock:
            self._is_cut = True
            cut(self._own)

    def close(self) -> None:
        """Forget the connection, which stays as it is."""
        with self._lock:
            self._release()

    def _release(self) -> None:
        if self._own is not None:
            self._own.close()
            self._own = None


def connected(
    host: str, port: int, seconds: float, context: ssl.SSLContext | None, opening: Opening | None
) -> socket.socket:
    """A connection, through TLS if there is a context; `seconds` is the time for each answer until then."""
    connection = socket.create_connection((host, port), seconds)
    try:
        if opening is not None:
            opening.made(connection)
        return connection if context is None else context.wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise


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
