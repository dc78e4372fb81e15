"""Which mails are routed together: cut so that each is decided as if those before it were filed already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from reconciler.runtime.reading import Reading
from reconciler.store.filing import Filing
from reconciler.store.ledger import Waiting

MOST_TOGETHER = 50
"""Mails in one go; enough to make commits and queries small beside the mails themselves."""

MOST_BYTES = 4_000_000
"""Bytes of mails in one go: all are in memory at once."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Routing a mail raised: the exception's type and text."""

    text: str


class PutOff(Enum):
    """The mail rests on one before it that is not filed yet; it is decided in the next go."""

    PUT_OFF = "put off"


Answer = Filing | Failure | PutOff | None
"""What became of a mail; None: it does not wait any more."""


def goes(waiting: Sequence[Waiting]) -> Iterator[list[Waiting]]:
    """Cut what waits into goes. A mail that was tried before, or at which the program ended, goes alone: what it may
    do to its reader is its own affair."""
    go: list[Waiting] = []
    for mail in waiting:
        suspect = mail.attempts > 0 or mail.interruptions > 0
        if go and (suspect or len(go) == MOST_TOGETHER or sum(m.size for m in go) + mail.size > MOST_BYTES):
            yield go
            go = []
        go.append(mail)
        if suspect:
            yield go
            go = []
    if go:
        yield go


@dataclass(slots=True)
class Touched:
    """What the mails of a go have changed so far, as far as later ones could rest on it."""

    message_ids: set[str] = field(default_factory=set)
    cases: set[int] = field(default_factory=set)

    def admitted(self, reading: Reading, answer: Filing | Failure) -> Answer:
        """The answer, unless it rests on an earlier mail of the go."""
        case_id = answer.decision.case_id if isinstance(answer, Filing) else None
        rests = case_id in self.cases or not self.message_ids.isdisjoint(reading.thread)
        if own := reading.message.head.message_id:
            self.message_ids.add(own)
        if case_id is not None:
            self.cases.add(case_id)
        return PutOff.PUT_OFF if rests else answer
