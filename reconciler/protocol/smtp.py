"""The SMTP door: hands one finished mail to a submission server for one recipient; neither builds nor retries mail."""

from __future__ import annotations

import base64
import contextlib
import re
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

from reconciler.core.endpoint import SmtpSettings
from reconciler.core.errors import ReconcilerError
from reconciler.core.health import Condition, Refused, Trouble
from reconciler.core.oauth import OAuthSettings, answer_to_refusal, chosen_mechanism, initial_response, no_mechanism
from reconciler.core.outbox import Delivery, Outcome
from reconciler.core.secret import Secret
from reconciler.core.settings import Security
from reconciler.protocol.base import Limits
from reconciler.protocol.connection import CleanStart, cut, do_not_delay, network_failure, said
from reconciler.protocol.tls import context_for

_NOT_IN_ADDRESS = re.compile(r"[\x00-\x1f\x7f<>]")
_BARE_LINE_END = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_ENHANCED = re.compile(r"^([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s|$)")
_PIECE = 64 * 1024
_GOODBYE_SECONDS = 1.0

Reply = tuple[int, bytes]

# RFC 4954 section 6 and RFC 3207: log in first, encrypt first. X.7.57 is Exchange's "not authenticated to send".
_FAULT_CODES = {530: Condition.AUTH_FAILED, 534: Condition.AUTH_FAILED, 535: Condition.AUTH_FAILED}
_FAULT_CODES |= {538: Condition.TLS_FAILED}
_FAULT_STATUSES = {"5.7.8": Condition.AUTH_FAILED, "5.7.9": Condition.AUTH_FAILED, "5.7.57": Condition.AUTH_FAILED}
_FAULT_STATUSES |= {"5.7.11": Condition.TLS_FAILED}


@dataclass(frozen=True, slots=True)
class Offer:
    """What a submission server offers over this connection; `size` is in bytes, None if it names no limit."""

    tls: bool
    auth: tuple[str, ...]
    size: int | None
    extensions: tuple[str, ...]


def open_connection(settings: SmtpSettings, secret: Secret | None, limits: Limits) -> SmtpConnection:
    """Connect, protect the connection as `settings.security` says, and log in if there is a `username`.

    Raises Refused(SECRET_MISSING, TLS_FAILED, AUTH_FAILED) or
    Trouble(UNREACHABLE, TIMED_OUT, TLS_FAILED, THROTTLED, PROTOCOL_ERROR).
    """
    where = _where(settings)
    if settings.username is not None and secret is None:
        raise Refused(
            Condition.SECRET_MISSING, f"{where} needs the password of {settings.username}; provide the secret"
        )
    client = _protected_client(settings, limits)
    try:
        if settings.username is not None and secret is not None:
            _log_in(client, settings, settings.username, secret, where)
    except BaseException:
        client.close()
        raise
    return SmtpConnection(client, limits, where)


def greet(settings: SmtpSettings, limits: Limits) -> frozenset[str]:
    """Connect, protect the connection, and leave without a login; the extensions offered until then, in capitals."""
    client = _protected_client(settings, limits)
    client.close()
    return frozenset(name.upper() for name in client.esmtp_features)


def _where(settings: SmtpSettings) -> str:
    return f"SMTP server {settings.host}:{settings.effective_port}"


def _protected_client(settings: SmtpSettings, limits: Limits) -> smtplib.SMTP:
    where = _where(settings)
    with _translated(where):
        client = _connected(settings, limits)
    try:
        with _translated(where):
            _protect(client, settings, where)
    except BaseException:
        client.close()
        raise
    return client


class SmtpConnection:
    """An open connection that sends mail after mail, one recipient each; used by one thread at a time."""

    def __init__(self, client: smtplib.SMTP, limits: Limits, where: str) -> None:
        self._client = client
        self._limits = limits
        self._where = where
        self.usable = True
        """False once the connection is lost or out of step; open another one then."""

    @property
    def offer(self) -> Offer:
        """What the server said of itself."""
        said_so = self._client.esmtp_features
        size = said_so.get("size", "").strip()
        return Offer(
            tls=isinstance(self._client.sock, ssl.SSLSocket),
            auth=tuple(sorted(said_so.get("auth", "").upper().split())),
            size=int(size) if size.isdigit() and int(size) > 0 else None,
            extensions=tuple(sorted(name.upper() for name in said_so)),
        )

    def alive(self) -> bool:
        """Whether the server still answers (NOOP); to be asked of a connection that was idle. Never raises."""
        try:
            self.usable = self.usable and self._client.noop()[0] == 250
        except (OSError, smtplib.SMTPException):
            self._drop()
        return self.usable

    def deliver(self, mail_from: str, recipient: str, data: bytes) -> Delivery:
        """One transaction. `data` has CRLF line ends and is sent as it is, with dots doubled; `mail_from` may be "".

        Never raises for what a server or the network does: that is the outcome. Before the final dot a lost
        connection is TEMPORARY, after it UNKNOWN.
        """
        refusal = self._refusal(mail_from, recipient, data)
        if refusal is not None:
            return Delivery(Outcome.PERMANENT, None, refusal)
        if not self.usable:
            return Delivery(Outcome.TEMPORARY, None, f"{self._where} is no longer connected")
        try:
            refused = self._announce(mail_from, recipient, data)
            if refused is not None:
                return refused
            self._send_all_but_the_dot(data)
        except (OSError, smtplib.SMTPException) as error:
            return self._lost(Outcome.TEMPORARY, error)
        try:
            return self._finish()
        except (OSError, smtplib.SMTPException) as error:
            return self._lost(Outcome.UNKNOWN, error)

    def close(self) -> None:
        """Say QUIT if that takes no time, and close; never raises."""
        if self.usable and self._client.sock is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self._client.sock.settimeout(_GOODBYE_SECONDS)
                self._client.quit()
        self.usable = False
        with contextlib.suppress(OSError):
            self._client.close()

    def abort(self) -> None:
        """Cut the connection at once; safe to call from another thread while `deliver` hangs. Never raises."""
        self.usable = False
        cut(self._client.sock)

    def _refusal(self, mail_from: str, recipient: str, data: bytes) -> str | None:
        """Why this mail cannot be sent here at all, before a word is said to the server."""
        if not recipient or _NOT_IN_ADDRESS.search(mail_from + recipient):
            return "an address is empty or holds characters no address may hold"
        if not (mail_from + recipient).isascii() and not self._client.has_extn("smtputf8"):
            return f"{self._where} takes no addresses beyond ASCII (SMTPUTF8)"
        # RFC 5321 2.3.8; a lone LF before a dot could end the mail early and smuggle in another.
        if _BARE_LINE_END.search(data) or b"\0" in data:
            return "the mail holds a NUL or a line end that is not CRLF"
        limit = self._client.esmtp_features.get("size", "")
        if limit.isdigit() and 0 < int(limit) < len(data):
            return f"the mail has {len(data)} bytes, {self._where} takes {limit} at most"
        return None

    def _announce(self, mail_from: str, recipient: str, data: bytes) -> Delivery | None:
        """MAIL, RCPT and DATA; what the server refused, if it did."""
        for command, wanted in (
            (f"MAIL FROM:<{mail_from}>{self._options(mail_from, recipient, data)}", 2),
            (f"RCPT TO:<{recipient}>", 2),
            ("DATA", 3),
        ):
            reply = self._client.docmd(command)
            if reply[0] // 100 != wanted:
                return self._refused(reply)
        return None

    def _options(self, mail_from: str, recipient: str, data: bytes) -> str:
        beyond_ascii = not (mail_from + recipient).isascii()
        self._client.command_encoding = "utf-8" if beyond_ascii else "ascii"
        options = {
            f"SIZE={len(data)}": self._client.has_extn("size"),
            "BODY=8BITMIME": self._client.has_extn("8bitmime") and not data.isascii(),
            "SMTPUTF8": beyond_ascii,
        }
        return "".join(f" {option}" for option, wanted in options.items() if wanted)

    def _refused(self, reply: Reply) -> Delivery:
        """The outcome of a refusal; brings the connection back into step for the next mail."""
        if reply[0] // 100 not in (4, 5) or reply[0] == 421:
            self._drop()
        else:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self.usable = self._client.rset()[0] == 250
        delivery = _delivery(reply, Outcome.PERMANENT if reply[0] // 100 == 5 else Outcome.TEMPORARY)
        fault = _FAULT_CODES.get(reply[0]) or _FAULT_STATUSES.get(delivery.status or "")
        if fault is None:
            return delivery
        text = f"{self._where} demands a login or TLS; correct the smtp block: {reply[0]} {delivery.text}"
        return replace(delivery, outcome=Outcome.TEMPORARY, code=None, text=text, fault=fault)

    def _send_all_but_the_dot(self, data: bytes) -> None:
        stuffed = data.replace(b"\r\n.", b"\r\n..")
        stuffed = b"." + stuffed if stuffed.startswith(b".") else stuffed
        # In pieces, for a socket's time limit counts for a whole sendall.
        for first in range(0, len(stuffed), _PIECE):
            self._client.send(stuffed[first : first + _PIECE])
        if not stuffed.endswith(b"\r\n") and stuffed:
            self._client.send(b"\r\n")

    def _finish(self) -> Delivery:
        self._client.send(b".\r\n")
        if self._client.sock is not None:
            self._client.sock.settimeout(self._limits.final_answer)
        reply = self._client.getreply()
        if reply[0] // 100 not in (2, 4, 5) or reply[0] == 421:
            self._drop()
        elif self._client.sock is not None:
            self._client.sock.settimeout(self._limits.command)
        outcomes = {2: Outcome.ACCEPTED, 4: Outcome.TEMPORARY, 5: Outcome.PERMANENT}
        return _delivery(reply, outcomes.get(reply[0] // 100, Outcome.UNKNOWN))

    def _lost(self, outcome: Outcome, error: Exception) -> Delivery:
        failure = _network_failure(error, self._where)
        text = str(failure) if failure is not None else f"{self._where}: {said(str(error))}"
        self._drop()
        return Delivery(outcome, None, text)

    def _drop(self) -> None:
        self.usable = False
        with contextlib.suppress(OSError):
            self._client.close()


def _delivery(reply: Reply, outcome: Outcome) -> Delivery:
    code, message = reply
    text = said(message)
    enhanced = _ENHANCED.match(text)
    return Delivery(outcome, code if code > 0 else None, text, enhanced[1] if enhanced else None)


def _connected(settings: SmtpSettings, limits: Limits) -> smtplib.SMTP:
    host, port, patience = settings.host, settings.effective_port, limits.connect
    # A given name keeps smtplib from asking DNS for this machine's own; the address is known once connected.
    client: smtplib.SMTP
    if settings.security is Security.TLS:
        context = context_for(settings)
        client = smtplib.SMTP_SSL(host, port, local_hostname="localhost", timeout=patience, context=context)
    else:
        client = smtplib.SMTP(host, port, local_hostname="localhost", timeout=patience)
    connection = client.sock
    if connection is None:
        raise smtplib.SMTPServerDisconnected("closed after its greeting")
    do_not_delay(connection)
    connection.settimeout(limits.command)
    address = connection.getsockname()[0]
    client.local_hostname = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
    return client


def _protect(client: smtplib.SMTP, settings: SmtpSettings, where: str) -> None:
    client.ehlo_or_helo_if_needed()
    if settings.security is not Security.STARTTLS:
        return
    if not client.has_extn("starttls"):
        raise Refused(Condition.TLS_FAILED, f"{where} does not offer STARTTLS; use security: tls and port 465")
    client.starttls(context=cast("ssl.SSLContext", CleanStart(context_for(settings), where, lambda: client.file)))
    client.ehlo_or_helo_if_needed()


def _log_in(client: smtplib.SMTP, settings: SmtpSettings, username: str, secret: Secret, where: str) -> None:
    # Raised outside the handler: a chained cause's words and frames can hold the password.
    failure: ReconcilerError
    try:
        if settings.oauth is not None:
            reply = _show_token(client, settings, settings.oauth, secret.reveal(), where)
        else:
            reply = _authenticate(client, username, secret.reveal(), where)
        if reply[0] in (235, 503):
            return
        failure = _login_refused(reply, username, secret, where)
    except ReconcilerError as error:
        failure = error
    except smtplib.SMTPAuthenticationError as error:
        failure = _login_refused((error.smtp_code, _bytes(error.smtp_error)), username, secret, where)
    except Exception as error:
        failure = _meaning(error, where, said(str(error), *_spellings(username, secret)))
    raise failure


def _authenticate(client: smtplib.SMTP, username: str, password: str, where: str) -> Reply:
    """AUTH PLAIN in UTF-8 (RFC 4616) where offered, else what smtplib knows."""
    offered = client.esmtp_features.get("auth", "").upper().split()
    if not offered:
        raise Refused(
            Condition.AUTH_FAILED,
            f"{where} offers no login; remove username and password, or use security: starttls or tls",
        )
    if "PLAIN" in offered:
        return client.docmd("AUTH", f"PLAIN {_plain(username, password)}")
    if not (username + password).isascii():
        raise Refused(Condition.AUTH_FAILED, f"{where} takes ASCII passwords only (no AUTH PLAIN); choose another one")
    return client.login(username, password)


def _show_token(client: smtplib.SMTP, settings: SmtpSettings, oauth: OAuthSettings, token: str, where: str) -> Reply:
    mechanism = chosen_mechanism(oauth.mechanism, client.esmtp_features.get("auth", "").upper().split())
    if mechanism is None:
        raise Refused(Condition.AUTH_FAILED, no_mechanism(where, oauth.mechanism))
    first = initial_response(mechanism, settings.username or "", token, settings.host, settings.effective_port)
    reply = client.docmd("AUTH", f"{mechanism.value.upper()} {base64.b64encode(first).decode('ascii')}")
    if reply[0] == 334:
        reply = client.docmd(base64.b64encode(answer_to_refusal(mechanism)).decode("ascii"))
    return reply


def _plain(username: str, password: str) -> str:
    return base64.b64encode(f"\0{username}\0{password}".encode()).decode("ascii")


def _spellings(username: str, secret: Secret) -> tuple[str, ...]:
    """The password in every form it goes over the wire in, for a server may echo it."""
    password = secret.reveal()
    return (password, _plain(username, password), base64.b64encode(password.encode()).decode("ascii"))


def _login_refused(reply: Reply, username: str, secret: Secret, where: str) -> Trouble | Refused:
    code, message = reply
    text = f"{code} {said(message, *_spellings(username, secret))}"
    if code // 100 == 5:
        return Refused(Condition.AUTH_FAILED, f"{where} refused the login ({text}); correct username or secret")
    return _answer_failure(code, text, where)


@contextlib.contextmanager
def _translated(where: str) -> Iterator[None]:
    """Let nothing foreign out: whatever is raised inside becomes Trouble or Refused."""
    try:
        yield
    except ReconcilerError:
        raise
    # smtplib meets a hostile server's bytes with ValueError and others of its kind; all mean the same.
    except Exception as error:
        raise _meaning(error, where, said(str(error))) from error


def _meaning(error: Exception, where: str, text: str) -> Trouble | Refused:
    if isinstance(error, smtplib.SMTPResponseException):
        return _answer_failure(error.smtp_code, f"{error.smtp_code} {said(_bytes(error.smtp_error))}", where)
    failure = _network_failure(error, where)
    if failure is not None:
        return failure
    return Trouble(Condition.PROTOCOL_ERROR, f"{where} gave no proper answer ({text or type(error).__name__})")


def _answer_failure(code: int, text: str, where: str) -> Trouble:
    """RFC 5321 4.2.1: 4xx asks to come back later; a 5xx greeting may be over tomorrow too."""
    if code // 100 == 4:
        return Trouble(Condition.THROTTLED, f"{where} asks to wait ({text})")
    condition = Condition.UNREACHABLE if code // 100 == 5 else Condition.PROTOCOL_ERROR
    return Trouble(condition, f"{where} does not serve this machine ({text})")


def _network_failure(error: Exception, where: str) -> Trouble | Refused | None:
    # smtplib turns a failed read or write into SMTPServerDisconnected and keeps the cause as context only.
    if isinstance(error, smtplib.SMTPServerDisconnected):
        below = error.__context__
        if isinstance(below, OSError):
            return network_failure(below, where)
        return Trouble(Condition.UNREACHABLE, f"{where} closed the connection")
    return network_failure(error, where) if not isinstance(error, smtplib.SMTPException) else None


def _bytes(message: bytes | str) -> bytes:
    return message if isinstance(message, bytes) else message.encode()
