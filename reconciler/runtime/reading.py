"""A stored mail as it was read: message, kind, tokens; and what has to be looked up before it can be decided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

from reconciler.core.account import MAIN
from reconciler.core.kind import Classification, classify
from reconciler.core.message import Message, parse
from reconciler.core.token import FoundToken, find_tokens
from reconciler.runtime.faults import reach
from reconciler.store.ledger import StoredMail
from reconciler.store.signs import Signs


@dataclass(frozen=True, slots=True)
class Reading:
    """What a mail says by itself; `tenant` None on a main account, whose mails say themselves whose they are."""

    mail: StoredMail
    message: Message
    classification: Classification
    found: tuple[FoundToken, ...]

    @property
    def tenant(self) -> str | None:
        """Whose account it came in on."""
        return None if self.mail.unit == MAIN else self.mail.unit

    @property
    def original_id(self) -> str | None:
        """The Message-ID of the mail that a bounce is about."""
        return self.classification.bounce.original_message_id if self.classification.bounce else None

    @property
    def thread(self) -> tuple[str, ...]:
        """The Message-IDs it follows."""
        return (*self.message.head.in_reply_to, *self.message.head.references)

    def signs(self) -> Signs:
        """What has to be looked up."""
        own, original = self.message.head.message_id, self.original_id
        return Signs(
            tokens=frozenset(found.id for found in self.found),
            own=frozenset([own] if own else []),
            originals=frozenset([original] if original else []),
            thread=frozenset((self.tenant, i) for i in self.thread) if self.tenant is not None else frozenset(),
        )


def read(mail: StoredMail) -> Reading:
    """Parse and classify the mail."""
    reach("deciding", mail.raw[:4000].decode("latin-1"))
    message = parse(mail.raw)
    classification = classify(message)
    original = classification.bounce.original_message_id if classification.bounce else None
    return Reading(mail, message, classification, find_tokens(message.head, (original,) if original else ()))


def all_signs(readings: Iterable[Reading]) -> Signs:
    """What has to be looked up for all of them."""
    return reduce(Signs.__or__, (reading.signs() for reading in readings), Signs())
