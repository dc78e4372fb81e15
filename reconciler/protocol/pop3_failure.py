"""What goes wrong in a POP3 conversation, translated into conditions; holds no connection."""

from __future__ import annotations

import contextlib
import poplib
import re
from collections.abc import Iterator
from enum import StrEnum

from reconciler.core.errors import ReconcilerError
from reconciler.core.health import Condition, Refused, Trouble
from reconciler.protocol.connection import network_failure, said

_CODE = re.compile(r"^-ERR\s+\[([A-Z0-9/-]+)\]", re.IGNORECASE)
_BUSY = re.compile(r"\block|\bin use\b|\bbusy\b|\btoo many\b|\btry (?:again )?later\b|\btemporar", re.IGNORECASE)
_BUSY_SECONDS = 60.0


class Code(StrEnum):
    """Response codes that begin an -ERR: RFC 2449 section 8 and RFC 3206."""

    IN_USE = "IN-USE"
    LOGIN_DELAY = "LOGIN-DELAY"
    SYS_TEMP = "SYS/TEMP"
    SYS_PERM = "SYS/PERM"
    AUTH = "AUTH"


def code_of(text: str) -> Code | None:
    """The response code of an -ERR line; a code that is not known counts as its part before the slash, if that is."""
    found = _CODE.match(text)
    if found is None:
        return None
    name = found[1].upper()
    return next((code for code in Code if name == code or name.startswith(f"{code}/")), None)


def sounds_busy(text: str) -> bool:
    """Whether an -ERR without a code says "later": RFC 1939 knows no other way to tell of a locked mailbox."""
    return _BUSY.search(text) is not None


def answer_of(error: poplib.error_proto, *secrets: str) -> str | None:
    """The server's -ERR line, fit for an error text; None if the error is of poplib's own making."""
    line = error.args[0] if error.args else ""
    text = said(line, *secrets)
    return text if isinstance(line, bytes) and text.startswith("-ERR") else None


def coded_failure(text: str, where: str, *, wait: float | None = None) -> Trouble | Refused | None:
    """What an -ERR's response code means; None without one. `wait`: seconds the server wants between logins."""
    match code_of(text):
        case Code.IN_USE:
            return Trouble(Condition.THROTTLED, f"{where}: the mailbox is in use ({text})", retry_after=_BUSY_SECONDS)
        case Code.LOGIN_DELAY:
            seconds = wait or _BUSY_SECONDS
            return Trouble(Condition.THROTTLED, f"{where} wants a pause between logins ({text})", retry_after=seconds)
        case Code.SYS_TEMP:
            return Trouble(Condition.UNREACHABLE, f"{where} cannot serve the mailbox now ({text})")
        case Code.SYS_PERM:
            return Refused(Condition.PROTOCOL_ERROR, f"{where} cannot serve the mailbox ({text}); ask its operators")
        case Code.AUTH:
            message = f"{where} refused the login ({text}); correct username or secret"
            return Refused(Condition.AUTH_FAILED, message)
    return None


def busy(text: str, where: str) -> Trouble:
    """The mailbox or server is occupied."""
    return Trouble(Condition.THROTTLED, f"{where} asks to wait ({text})", retry_after=_BUSY_SECONDS)


@contextlib.contextmanager
def translated(where: str, doing: str) -> Iterator[None]:
    """Let nothing foreign out: whatever is raised inside becomes Trouble or Refused. `doing` completes "could not"."""
    try:
        yield
    except ReconcilerError:
        raise
    # poplib meets a hostile server's bytes with ValueError, IndexError and others; all mean the same.
    except Exception as error:
        raise meaning(error, where, doing) from error


def meaning(error: Exception, where: str, doing: str, *secrets: str) -> Trouble | Refused:
    """The condition an exception of socket, ssl or poplib stands for; secrets are kept out of its text."""
    failure = network_failure(error, where) if not isinstance(error, poplib.error_proto) else None
    if failure is not None:
        return failure
    text = said(error.args[0] if error.args and isinstance(error.args[0], bytes) else str(error), *secrets)
    if text == "-ERR EOF":
        return Trouble(Condition.UNREACHABLE, f"{where} closed the connection; could not {doing}")
    coded = coded_failure(text, where)
    if coded is not None:
        return coded
    if text.startswith("-ERR") and sounds_busy(text):
        return busy(text, where)
    message = f"{where} gave no proper answer; could not {doing} ({text or type(error).__name__})"
    return Trouble(Condition.PROTOCOL_ERROR, message)
