"""How a POP3 connection is made, protected and logged in; knows nothing of mails."""

from __future__ import annotations

import base64
import contextlib
import poplib
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from io import BufferedReader
from typing import Any, cast

from reconciler.core.errors import ReconcilerError
from reconciler.core.health import Condition, Refused, Trouble
from reconciler.core.oauth import OAuthSettings, answer_to_refusal, chosen_mechanism, initial_response, no_mechanism
from reconciler.core.secret import Secret
from reconciler.core.settings import Security
from reconciler.protocol.base import Limits
from reconciler.protocol.connection import CleanStart, connected, do_not_delay
from reconciler.protocol.pop3_failure import (
    Code,
    answer_of,
    busy,
    code_of,
    coded_failure,
    meaning,
    sounds_busy,
    translated,
)
from reconciler.protocol.pop3_settings import Pop3Settings
from reconciler.protocol.tls import context_for

Capabilities = Mapping[str, Sequence[str]]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def logged_in_client(settings: Pop3Settings, secret: Secret, limits: Limits, where: str) -> poplib.POP3:
    """Connect, protect the connection as `settings.security` says, and log in; raises what `open_session` raises."""
    client = _protected_client(settings, limits, where)
    try:
        _log_in(client, settings, secret, where)
    except BaseException:
        drop(client)
        raise
    return client


def greet(settings: Pop3Settings, limits: Limits) -> frozenset[str]:
    """Connect, protect the connection, and leave without a login; what the server announces until then, in capitals."""
    where = f"POP3 server {settings.host}:{settings.effective_port}"
    client = _protected_client(settings, limits, where)
    try:
        with translated(where, "ask for capabilities"):
            return frozenset(capabilities(client) or ())
    finally:
        drop(client)


def drop(client: poplib.POP3) -> None:
    """Close the connection without a word; never raises."""
    with contextlib.suppress(OSError):
        client.close()


def ask(client: Any, command: str) -> None:
    """Send a command and read the first line of its answer; raises poplib.error_proto unless it is +OK."""
    client._shortcmd(command)


def ask_for_lines(client: Any, command: str) -> list[bytes]:
    """Send a command and read its multi-line answer of short lines (up to 2,048 bytes); raises as `ask`."""
    lines: list[bytes] = client._longcmd(command)[1]
    return lines


def capabilities(client: poplib.POP3) -> Capabilities | None:
    """What the server announces (RFC 2449 section 5), by upper-case name; None if it does not know CAPA."""
    try:
        lines = ask_for_lines(client, "CAPA")
    except poplib.error_proto as error:
        if answer_of(error) is None:
            raise
        return None
    words = (line.decode("ascii", "replace").split() for line in lines)
    return {name.upper(): arguments for name, *arguments in filter(None, words)}


def seconds_between_logins(known: Capabilities | None) -> float:
    """LOGIN-DELAY (RFC 2449 section 6.5); 0 if the server names none."""
    arguments = (known or {}).get("LOGIN-DELAY", ())
    return float(arguments[0]) if arguments and re.fullmatch("[0-9]{1,7}", arguments[0]) else 0.0


def _protected_client(settings: Pop3Settings, limits: Limits, where: str) -> poplib.POP3:
    with translated(where, "connect"):
        client = _connected(settings, limits)
    try:
        with translated(where, "start TLS"):
            _protect(client, settings, where)
    except BaseException:
        drop(client)
        raise
    return client


class _Client(poplib.POP3):
    """poplib over a connection that is made already."""

    def __init__(self, host: str, port: int, connection: socket.socket) -> None:
        self._made = connection
        super().__init__(host, port)

    def _create_socket(self, *_: object) -> socket.socket:
        return self._made


def _connected(settings: Pop3Settings, limits: Limits) -> poplib.POP3:
    host, port = settings.host, settings.effective_port
    context = context_for(settings) if settings.security is Security.TLS else None
    connection = connected(host, port, limits.connect, context, limits.opening)
    try:
        client = _Client(host, port, connection)
    except BaseException:
        connection.close()
        raise
    do_not_delay(client.sock)
    client.sock.settimeout(limits.command)
    return client


def _protect(client: poplib.POP3, settings: Pop3Settings, where: str) -> None:
    if settings.security is not Security.STARTTLS:
        return
    if "STLS" not in (capabilities(client) or {}):
        raise Refused(Condition.TLS_FAILED, f"{where} does not offer STARTTLS; use security: tls and port 995")
    context = CleanStart(context_for(settings), where, lambda: cast("BufferedReader", client.file))
    client.stls(context=cast("ssl.SSLContext", context))


def _log_in(client: poplib.POP3, settings: Pop3Settings, secret: Secret, where: str) -> None:
    # Raised outside the handler: a chained cause's words and frames can hold the password.
    failure: ReconcilerError
    try:
        password = secret.reveal()
        if _CONTROL.search(password):
            raise Refused(Condition.AUTH_FAILED, f"{where}: the password has a control character; correct the secret")
        if settings.oauth is not None:
            _show_token(client, settings, settings.oauth, password, where)
            return
        client.user(settings.username)
        client.pass_(password)
        return
    except ReconcilerError as error:
        failure = error
    except Exception as error:
        failure = _login_failure(error, client, secret, where)
    raise failure


def _show_token(client: poplib.POP3, settings: Pop3Settings, oauth: OAuthSettings, token: str, where: str) -> None:
    """AUTH (RFC 5034): a token is longer than an initial response may be, so that it follows in a line of its own."""
    offered = [name.upper() for name in (capabilities(client) or {}).get("SASL", ())]
    mechanism = chosen_mechanism(oauth.mechanism, offered)
    if mechanism is None:
        raise Refused(Condition.AUTH_FAILED, no_mechanism(where, oauth.mechanism))
    first = initial_response(mechanism, settings.username, token, settings.host, settings.effective_port)
    talk: Any = client
    talk._shortcmd(f"AUTH {mechanism.value.upper()}")
    answer = talk._shortcmd(base64.b64encode(first).decode("ascii"))
    if not answer.startswith(b"+OK"):
        talk._shortcmd(base64.b64encode(answer_to_refusal(mechanism)).decode("ascii"))


def _login_failure(error: Exception, client: poplib.POP3, secret: Secret, where: str) -> Trouble | Refused:
    text = answer_of(error, secret.reveal()) if isinstance(error, poplib.error_proto) else None
    if text is None:
        return meaning(error, where, "log in", secret.reveal())
    wait = None
    if code_of(text) is Code.LOGIN_DELAY:
        with contextlib.suppress(Exception):
            wait = seconds_between_logins(capabilities(client))
    coded = coded_failure(text, where, wait=wait)
    if coded is not None:
        return coded
    if sounds_busy(text):
        return busy(text, where)
    return Refused(Condition.AUTH_FAILED, f"{where} refused the login ({text}); correct username or secret")
