"""Knows by which signs a mail shows that it is a bounce; what it says about the mail that bounced is read elsewhere."""

from __future__ import annotations

import re

from reconciler.core import bounce_wording as wording
from reconciler.core.kind_seen import Seen
from reconciler.core.kind_wording import GREETING
from reconciler.core.mail_report import field_of

_FIRST_WORDS = 100
_FIRST_SENTENCES = 300
_FIRST_PAGE = 1500
_BODY_READ = 16_000

_GIVEN_BACK = ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/partial")
_ENDING = re.compile(
    r"\s[:–-]\s(?:non[ -]remis|undeliver\w+|not delivered|unzustellbar|no entregado"
    r"|non recapitato)(?:\s\([^()]{1,60}\))?$"
)
"""What some gateways write behind the subject of the mail that did not arrive."""

_OF_MAIL = re.compile(
    r"mail|message|recipient|address|user|delivery (?:status|to|failure)|nachricht|empfänger|zustell"
    r"|courri|mensaje|correo|messaggio|bericht|mensagem|wiadomo|письм|сообщ|配信|送信|邮|郵|이메일"
)
"""That a mail did not arrive, rather than a parcel."""

_ADDRESS = re.compile(r"[\w.+=-]{1,64}@[\w-]{1,63}\.[\w.-]{2,190}")
_ANSWERS = re.compile(r"\W{0,3}(?:fwd?|wg|re|aw|tr)\b")
_GOOD = frozenset({"delivered", "relayed", "expanded"})


def reported(seen: Seen) -> str | None:
    """A delivery status by its structure (RFC 3464, RFC 6522)."""
    outer = next(iter(seen.body.content_types), "")
    if outer.startswith("multipart/") and "report-type=delivery-status" in outer:
        return outer
    told = seen.body.report.delivery or seen.body.report.recipients
    return "a delivery-status part" if told and not seen.by_hand else None


def delivered(seen: Seen) -> str | None:
    """A delivery status that reports nothing but success."""
    actions = {(field_of(group, "action") or "").lower().split(" ")[0] for group in seen.body.report.recipients}
    return f"action {', '.join(sorted(actions))}" if actions and actions <= _GOOD and reported(seen) else None


def refused_by_filter(seen: Seen) -> str | None:
    """A refusal by a user's filter in the form of a disposition notification (RFC 5429 section 2.2.2)."""
    disposition = field_of(seen.body.report.disposition, "disposition") or ""
    refused = "automatic-action" in disposition.lower() and "deleted" in disposition.lower()
    found = wording.BOUNCE_SUBJECT.find(seen.subject) or wording.BOUNCE_INTRO.find(seen.words[:_FIRST_SENTENCES])
    return f"{disposition[:80]}; {found}" if refused and found else None


def told_by_system(seen: Seen) -> str | None:
    """A mail system tells it in prose: its subject or its first sentences say that something did not arrive."""
    system = seen.mail_system
    if system is None or seen.by_hand:
        return None
    found = wording.BOUNCE_SUBJECT.find(seen.subject) or wording.BOUNCE_INTRO.find(seen.words[:_FIRST_PAGE])
    return f"{system}; {found[:60]}" if found else None


def told_to_nobody(seen: Seen) -> str | None:
    """A mail with the null sender whose subject or first sentence says that something did not arrive."""
    if not seen.null_path or seen.by_hand:
        return None
    said = wording.BOUNCE_INTRO.find(seen.words[:_FIRST_SENTENCES])
    found = wording.BOUNCE_SUBJECT.find(seen.subject)
    first = seen.words[:_FIRST_PAGE]
    about = given_back(seen) or wording.SMTP_REPLY.search(first) or (_ADDRESS.search(first) and not _greets(seen))
    certain = said and (found or about)
    return f"null sender; {(found or said or '')[:60]}" if certain or (found and given_back(seen)) else None


def told_by_anybody(seen: Seen) -> str | None:
    """Subject and beginning agree, and no person greets: a mail system under a name nobody knows."""
    ending = _ENDING.search(seen.subject)
    if ending and _ANSWERS.match(seen.subject):
        # A gateway puts its ending behind the subject that was there, which may have been an answer's.
        by_a_person = seen.refers or _salutes(seen) or not _OF_MAIL.search(seen.words[:_FIRST_WORDS])
    else:
        by_a_person = (seen.by_hand and not ending) or _greets(seen)
    if by_a_person:
        return None
    found = ending.group() if ending else wording.BOUNCE_SUBJECT.find(seen.subject)
    begins = wording.BOUNCE_INTRO.find(seen.words[:_FIRST_SENTENCES]) if found else None
    about_mail = begins and (ending or _OF_MAIL.search(begins) or wording.SMTP_REPLY.search(seen.words[:_FIRST_PAGE]))
    certain = given_back(seen) or (about_mail and not seen.refers) if begins else None
    return f"{(found or '')[:50]} / {(begins or '')[:60]}" if certain else None


def given_back_with_reason(seen: Seen) -> str | None:
    """What a server answered, who it was about, and the mail itself again: nobody but a mail system writes so."""
    if seen.by_hand or seen.refers or _greets(seen):
        return None
    first = seen.words[:_FIRST_PAGE]
    said = wording.BOUNCE_INTRO.find(first)
    answer = wording.SMTP_REPLY.search(first) if said else None
    back = given_back(seen) if answer else None
    return f"{(said or '')[:50]} / {answer.group()[:12]} / {back}" if answer and back else None


def given_back(seen: Seen) -> str | None:
    """Whether the mail holds another mail, or the head of one, that was given back."""
    part = next((kind for kind in seen.body.content_types[1:] if kind.startswith(_GIVEN_BACK)), None)
    if part:
        return part
    found = wording.RETURNED.search(seen.body.text[:_BODY_READ])
    return " ".join(found.group().split())[:40] if found else None


def _greets(seen: Seen) -> bool:
    return _salutes(seen) or _ANSWERS.match(seen.subject) is not None


def _salutes(seen: Seen) -> bool:
    return GREETING.find(seen.words[:60]) is not None
