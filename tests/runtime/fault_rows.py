"""Faults of mail servers, with what is told of an account that meets one: condition, and words of the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reconciler.core.health import Condition
from tests.rig.front import Act, Fault, Said, Says, Spoil, Spoils
from tests.rig.scripted import Script

GREETING = b"* OK ready\r\n"
CAPABILITY = ("CAPABILITY", b"* CAPABILITY IMAP4rev1\r\n{tag} OK done\r\n")
OFFERS_STARTTLS = ("CAPABILITY", b"* CAPABILITY IMAP4rev1 STARTTLS\r\n{tag} OK done\r\n")
LOGS_IN = (CAPABILITY, ("LOGIN", b"{tag} OK done\r\n"))
GARBAGE = b"\x00\xff* ~ {12\r\n)(\r\n"
BODY = "BODY.PEEK[]"


@dataclass(frozen=True)
class Row:
    """What an account meets, and what is told of it until that has ended.

    `fault` is a fault, or the name of a certificate that an impostor shows. `hangs`: a step hangs on it until a
    deadline. `waits`: the server asks to be left alone, and is.
    """

    fault: Fault | str
    condition: Condition = Condition.OK
    words: str = ""
    protocol: str = "imap"
    security: str = "none"
    hangs: bool = False
    waits: bool = False


def instead(said: bytes, *then: Act) -> Spoil:
    """An answer in place of another; `{tag}` stands for the tag."""
    return lambda tag, _: [said.replace(b"{tag}", tag), *then]


def half(*then: Act) -> Spoil:
    """The first half of an answer."""
    return lambda _, answer: [answer[: len(answer) // 2], *then]


def half_then_bye(_tag: bytes, answer: bytes) -> Said:
    """Half of an answer to several mails, whole lines of it, then a goodbye."""
    at = answer.find(b")\r\n") + 3
    return [answer[:at] + b"* BYE closing\r\n", Act.CLOSE]


def slowly(_tag: bytes, answer: bytes) -> Said:
    """An answer that takes minutes."""
    return [answer[:40], Act.SLOWLY, answer[40:]]


def around(before: bytes, after: bytes, *then: Act) -> Spoil:
    """An answer with more before its last line and behind it."""

    def said(tag: bytes, answer: bytes) -> Said:
        at = answer.rfind(tag)
        return [answer[:at] + before + answer[at:] + after, *then]

    return said


def literals(more: int) -> Spoil:
    """An answer whose literals are said to be longer than they are."""
    number = re.compile(rb"\{([0-9]+)\}")
    return lambda _, answer: [number.sub(lambda found: b"{%d}" % (int(found[1]) + more), answer)]


def replaced(pattern: bytes, by: bytes) -> Spoil:
    """An answer with something else in it."""
    return lambda _, answer: [re.sub(pattern, by, answer)]


def twice(tag: bytes, answer: bytes) -> Said:
    """Every mail comes twice, and then once more with nothing in it."""
    at = answer.rfind(tag)
    uids = re.findall(rb"\* ([0-9]+) FETCH \(UID ([0-9]+)", answer)
    empty = b"".join(b'* %b FETCH (UID %b BODY[] "")\r\n* %b FETCH (FLAGS (\\Seen))\r\n' % (n, u, n) for n, u in uids)
    return [answer[:at] * 2 + empty + answer[at:]]


def answers_login(said: bytes, *, pop3: bool = False) -> Fault:
    """The real server's greeting, then this for a login."""
    return Spoils("PASS " if pop3 else "LOGIN ", instead(said))


def asks_to_wait(text: bytes, *, waits: bool = True) -> Row:
    """A login that is answered by NO and these words."""
    return Row(answers_login(b"{tag} NO " + text + b"\r\n"), THROTTLED, f"asks to wait ({text.decode()})", waits=waits)


def starttls(script: Script, words: str) -> Row:
    """A server that would have the password in the clear."""
    return Row(Says(script), Condition.TLS_FAILED, words, security="starttls")


def pop3(fault: Fault, condition: Condition, words: str, *, hangs: bool = False, waits: bool = False) -> Row:
    """The same over POP3."""
    return Row(fault, condition, words, "pop3", hangs=hangs, waits=waits)


UNREACHABLE, TIMED_OUT, PROTOCOL_ERROR = Condition.UNREACHABLE, Condition.TIMED_OUT, Condition.PROTOCOL_ERROR
THROTTLED, TLS_FAILED = Condition.THROTTLED, Condition.TLS_FAILED
