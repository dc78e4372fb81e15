"""How an IMAP connection is made, protected and logged in; knows nothing of folders and mails."""

from __future__ import annotations

import imaplib
import socket

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import CapabilityError

from reconciler.core.errors import ReconcilerError
from reconciler.core.health import Condition, Refused
from reconciler.core.oauth import OAuthSettings, answer_to_refusal, chosen_mechanism, initial_response, no_mechanism
from reconciler.core.secret import Secret
from reconciler.core.settings import Security
from reconciler.protocol.base import Limits
from reconciler.protocol.connection import CleanStart, connected, do_not_delay, said
from reconciler.protocol.imap_answers import asks_to_wait, quoted
from reconciler.protocol.imap_failure import meaning, translated, words
from reconciler.protocol.imap_settings import ImapSettings
from reconciler.protocol.tls import context_for


def logged_in_client(settings: ImapSettings, secret: Secret, limits: Limits, where: str) -> IMAPClient:
    """Connect, protect the connection as `settings.security` says, and log in; raises what `open_session` raises."""
    client = _protected_client(settings, limits, where)
    try:
        _log_in(client, settings, secret, where)
        with translated(where, "ask for capabilities"):
            client.capabilities()
    except BaseException:
        drop(client)
        raise
    return client


def greet(settings: ImapSettings, limits: Limits) -> frozenset[str]:
    """Connect, protect the connection, and leave without a login; what the server announces until then, in capitals."""
    where = f"IMAP server {settings.host}:{settings.effective_port}"
    client = _protected_client(settings, limits, where)
    try:
        with translated(where, "ask for capabilities"):
            return frozenset(name.decode("ascii", "replace").upper() for name in client.capabilities())
    finally:
        drop(client)


def drop(client: IMAPClient) -> None:
    """Close the connection without a word; never raises."""
    try:
        client.shutdown()
    except OSError:
        return


def _protected_client(settings: ImapSettings, limits: Limits, where: str) -> IMAPClient:
    with translated(where, "connect"):
        client = _connected(settings, limits)
    try:
        with translated(where, "start TLS"):
            _protect(client, settings, where)
    except BaseException:
        drop(client)
        raise
    return client


class _Conversation(imaplib.IMAP4):
    """imaplib over a connection that is made already."""

    def __init__(self, host: str, port: int, connection: socket.socket) -> None:
        self._made = connection
        super().__init__(host, port)

    def _create_socket(self, *_: object) -> socket.socket:
        return self._made


class _Client(IMAPClient):  # type: ignore[misc]
    """imapclient over a connection that is made already."""

    def __init__(self, settings: ImapSettings, limits: Limits, connection: socket.socket) -> None:
        self._made = connection
        host, port, implicit = settings.host, settings.effective_port, settings.security is Security.TLS
        super().__init__(host, port, ssl=implicit, timeout=SocketTimeout(limits.connect, limits.command))

    def _create_IMAP4(self) -> imaplib.IMAP4:
        return _Conversation(self.host, self.port, self._made)


def _connected(settings: ImapSettings, limits: Limits) -> IMAPClient:
    context = context_for(settings) if settings.security is Security.TLS else None
    connection = connected(settings.host, settings.effective_port, limits.connect, context, limits.opening)
    try:
        client = _Client(settings, limits, connection)
    except BaseException:
        connection.close()
        raise
    # Otherwise every line, the one with the password too, is formatted for a log.
    client._imap.debug = 0
    do_not_delay(client.socket())
    return client


def _protect(client: IMAPClient, settings: ImapSettings, where: str) -> None:
    starttls = settings.security is Security.STARTTLS
    if client._imap.state != "NONAUTH":
        condition = Condition.TLS_FAILED if starttls else Condition.PROTOCOL_ERROR
        raise Refused(
            condition, f"{where} greets as already logged in (PREAUTH), as whom it does not say; use security: tls"
        )
    if not starttls:
        return
    try:
        client.starttls(CleanStart(context_for(settings), where, lambda: client._imap.file))
    except CapabilityError as error:
        raise Refused(
            Condition.TLS_FAILED, f"{where} does not offer STARTTLS; use security: tls and port 993"
        ) from error
    # RFC 3501 6.2.1: what was said before TLS is forgotten.
    client._imap.untagged_responses.clear()


def _log_in(client: IMAPClient, settings: ImapSettings, secret: Secret, where: str) -> None:
    # Raised outside the handler: a chained cause's words and frames can hold the password.
    failure: ReconcilerError
    try:
        if settings.oauth is not None:
            _show_token(client, settings, settings.oauth, secret.reveal(), where)
        else:
            _authenticate(client, settings.username, secret.reveal(), where)
        return
    except ReconcilerError as error:
        failure = error
    except Exception as error:
        failure = _login_failure(error, secret, where)
    raise failure


def _authenticate(client: IMAPClient, username: str, password: str, where: str) -> None:
    """LOGIN, which every server knows, if it can carry the words; else AUTHENTICATE PLAIN in UTF-8 (RFC 4616)."""
    offered = client._imap.capabilities
    simple = (username + password).isascii() and (username + password).isprintable()
    if simple and "LOGINDISABLED" not in offered:
        client._imap.login(quoted(username), password)
        return
    if "AUTH=PLAIN" not in offered:
        mend = "choose an ASCII password" if not simple else "use security: tls or starttls"
        raise Refused(Condition.AUTH_FAILED, f"{where} has no way to log in with this password; {mend}")
    if "\0" in password:
        raise Refused(Condition.AUTH_FAILED, f"{where}: the password contains a NUL; correct the secret")
    client._imap.authenticate("PLAIN", lambda _: f"\0{username}\0{password}")


def _show_token(client: IMAPClient, settings: ImapSettings, oauth: OAuthSettings, token: str, where: str) -> None:
    offered = {name.removeprefix("AUTH=") for name in client._imap.capabilities if name.startswith("AUTH=")}
    mechanism = chosen_mechanism(oauth.mechanism, offered)
    if mechanism is None:
        raise Refused(Condition.AUTH_FAILED, no_mechanism(where, oauth.mechanism))
    first = initial_response(mechanism, settings.username, token, settings.host, settings.effective_port)
    said_it = [answer_to_refusal(mechanism), first]

    def respond(_challenge: bytes) -> bytes | None:
        return said_it.pop() if said_it else None

    client._imap.authenticate(mechanism.value.upper(), respond)


def _login_failure(error: Exception, secret: Secret, where: str) -> ReconcilerError:
    text = said(words(error), secret.reveal())
    answered_no = isinstance(error, imaplib.IMAP4.error) and not isinstance(error, imaplib.IMAP4.abort)
    if answered_no and "command error: BAD" not in text and not asks_to_wait(text):
        return Refused(Condition.AUTH_FAILED, f"{where} refused the login ({text}); correct username or secret")
    return meaning(error, where, "log in", text)
