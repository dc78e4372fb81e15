"""Knows what kind a message is and why; what follows from the kind is decided elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from reconciler.core.absence import absent_until
from reconciler.core.bounce import BounceDetail, bounce_detail
from reconciler.core.kind_seen import RELAYED, Seen, look_at
from reconciler.core.kind_signals import SIGNALS
from reconciler.core.mail_kind import Kind
from reconciler.core.message import Message
from reconciler.core.notice_wording import ABSENCE

__all__ = ["BounceDetail", "Classification", "Evidence", "Kind", "classify", "relayed_by_itself"]

_ABSENCE_SUBJECT = re.compile(
    r"out[\s-]of[\s-](?:the[\s-])?office|abwesenheit|vacation|absence du bureau|fuera de (?:la )?oficina"
    r"|fuori (?:sede|ufficio)|afwezig"
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sign that was seen: its stable slug, where its meaning is laid down, and what was seen, short."""

    signal: str
    source: str
    detail: str


@dataclass(frozen=True, slots=True)
class Classification:
    """The kind, and every sign that was seen, the deciding one first; a human mail has none.

    `until` is the last day of an absence if it is stated with its year in a form with one reading; `bounce` is there
    exactly if the kind is bounce.
    """

    kind: Kind
    evidence: tuple[Evidence, ...]
    out_of_office: bool
    until: date | None
    bounce: BounceDetail | None


def classify(message: Message) -> Classification:
    """What `message` is: the first sign of the table decides, and without any a person wrote it."""
    seen = look_at(message)
    hits = [(signal, detail) for signal in SIGNALS if (detail := signal.sees(seen)) is not None]
    kind = hits[0][0].kind if hits else Kind.HUMAN
    away = kind is Kind.AUTO_REPLY and _out_of_office(seen)
    return Classification(
        kind=kind,
        evidence=tuple(Evidence(signal.slug, signal.source, detail) for signal, detail in hits),
        out_of_office=away,
        until=absent_until(f"{seen.words} {seen.subject}") if away else None,
        bounce=bounce_detail(message) if kind is Kind.BOUNCE else None,
    )


def _out_of_office(seen: Seen) -> bool:
    """An absence is told, not just receipt: "Automatic reply" alone may be either."""
    vacation = any("vacation" in value.lower() for value in seen.fields.get("auto-submitted", ()))
    return vacation or _ABSENCE_SUBJECT.match(seen.subject) is not None or ABSENCE.find(seen.words) is not None


def relayed_by_itself(kind: Kind) -> bool:
    """Whether a mail of this kind may go on to a customer without a person's word."""
    return kind in RELAYED
