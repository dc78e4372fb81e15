"""What goes wrong in an IMAP conversation, translated into conditions; holds no connection."""

from __future__ import annotations

import contextlib
import imaplib
from collections.abc import Iterator

from reconciler.core.errors import ReconcilerError
from reconciler.core.health import Condition, Refused, Trouble
from reconciler.protocol.connection import network_failure, said
from reconciler.protocol.imap_answers import asks_to_wait, suggested_wait


@contextlib.contextmanager
def translated(where: str, doing: str) -> Iterator[None]:
    """Let nothing foreign out: whatever is raised inside becomes Trouble or Refused. `doing` completes "could not"."""
    try:
        yield
    except ReconcilerError:
        raise
    # The libraries meet a hostile server's bytes with ValueError, TypeError, IndexError and more; all mean the same.
    except Exception as error:
        raise meaning(error, where, doing, words(error)) from error


def words(error: Exception) -> str:
    """What an exception says, fit for an error text; imaplib puts the server's bytes in as they came."""
    text = error.args[0] if error.args else ""
    return said(text if isinstance(text, bytes) else str(text))


def meaning(error: Exception, where: str, doing: str, text: str) -> Trouble | Refused:
    """The condition an exception of socket, ssl, imaplib or imapclient stands for; `text` is what it says."""
    if asks_to_wait(text):
        return wait(where, text)
    # imaplib turns a failed send into its own `abort` and keeps the cause as context only.
    hidden = isinstance(error, imaplib.IMAP4.abort) and isinstance(error.__context__, OSError)
    below = error.__context__ if hidden else error
    failure = network_failure(below, where) if isinstance(below, Exception) else None
    if failure is not None:
        return failure
    if isinstance(error, imaplib.IMAP4.readonly):
        return Refused(
            Condition.ACKNOWLEDGE_REFUSED,
            f"{where} lets this login only read the folder; grant it the right to change, or set after_fetch: keep",
        )
    ended = isinstance(error, imaplib.IMAP4.abort) and "unexpected" not in text and "unterminated" not in text
    if ended or text.startswith("* BYE"):
        return Trouble(Condition.UNREACHABLE, f"{where} ended the session; could not {doing} ({text})")
    return Trouble(
        Condition.PROTOCOL_ERROR, f"{where} gave no proper answer; could not {doing} ({text or type(error).__name__})"
    )


def throttled(where: str) -> Trouble:
    """An answer said [THROTTLED] although it was good."""
    text = f"{where} said [THROTTLED] in an answer; it asks to wait"
    return Trouble(Condition.THROTTLED, text, retry_after=suggested_wait("[THROTTLED]"))


def wait(where: str, text: str) -> Trouble:
    """The server asks to come back later."""
    return Trouble(Condition.THROTTLED, f"{where} asks to wait ({text})", retry_after=suggested_wait(text))
