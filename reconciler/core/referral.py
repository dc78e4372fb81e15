"""A referral: a case sent to one external contact; its states, the legal moves, and from whom an answer is accepted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from reconciler.core.account import AnswerFrom
from reconciler.core.message import Address


class ReferralKind(StrEnum):
    """A forward's answer goes to the customer; an inquiry's goes to the agent."""

    FORWARD = "forward"
    INQUIRY = "inquiry"


class ReferralState(StrEnum):
    """Where a referral stands."""

    WAITING = "waiting"
    ANSWERED = "answered"
    EXPIRED = "expired"
    BOUNCED = "bounced"
    WITHDRAWN = "withdrawn"


class ReferralEvent(StrEnum):
    """What happens to a referral."""

    ANSWER = "answer"
    BOUNCE = "bounce"
    EXPIRE = "expire"
    WITHDRAW = "withdraw"


_S, _E = ReferralState, ReferralEvent

# Every legal move; what is not here is illegal, and the mail that asks for it is held.
MOVES: dict[tuple[ReferralState, ReferralEvent], ReferralState] = {
    (_S.WAITING, _E.ANSWER): _S.ANSWERED,
    (_S.WAITING, _E.BOUNCE): _S.BOUNCED,
    (_S.WAITING, _E.EXPIRE): _S.EXPIRED,
    (_S.WAITING, _E.WITHDRAW): _S.WITHDRAWN,
    (_S.ANSWERED, _E.ANSWER): _S.ANSWERED,
    # A reminder or a forwarded copy may bounce after a colleague has answered: the answer stands.
    (_S.ANSWERED, _E.BOUNCE): _S.ANSWERED,
    (_S.BOUNCED, _E.BOUNCE): _S.BOUNCED,
    # The contact reads mail at another address after all.
    (_S.BOUNCED, _E.ANSWER): _S.ANSWERED,
    (_S.BOUNCED, _E.WITHDRAW): _S.WITHDRAWN,
    # Late, but an answer: to the agent by itself, to the customer when a person releases it.
    (_S.EXPIRED, _E.ANSWER): _S.ANSWERED,
    (_S.EXPIRED, _E.BOUNCE): _S.EXPIRED,
    (_S.EXPIRED, _E.WITHDRAW): _S.WITHDRAWN,
    (_S.WITHDRAWN, _E.BOUNCE): _S.WITHDRAWN,
}


@dataclass(frozen=True, slots=True)
class Referral:
    """A referral as it stands. `account` is the system account that takes the answer, `target` where it goes."""

    id: int
    tenant: str
    case_id: int
    kind: ReferralKind
    state: ReferralState
    contact_name: str
    contact_address: str
    agent: str
    account_key: int
    account: str
    target_name: str
    target_address: str
    answer_from: str
    asked_at: datetime
    expires_at: datetime
    answered_at: datetime | None
    out_of_office_until: str | None
    late: bool
    reminders: int
    reminded_at: datetime | None
    group_id: int | None
    trouble: str | None
    escalated_at: datetime | None = None


def move(state: ReferralState, event: ReferralEvent) -> ReferralState | None:
    """The state after the event; None if the move is illegal."""
    return MOVES.get((state, event))


# Domains where the neighbour is a stranger: only the very address counts as the contact.
FREEMAIL = frozenset(
    {
        "aol.com",
        "freenet.de",
        "gmail.com",
        "gmx.at",
        "gmx.ch",
        "gmx.de",
        "gmx.net",
        "googlemail.com",
        "hotmail.com",
        "hotmail.de",
        "icloud.com",
        "laposte.net",
        "libero.it",
        "live.com",
        "live.de",
        "mac.com",
        "mail.com",
        "mail.de",
        "mail.ru",
        "mailbox.org",
        "me.com",
        "msn.com",
        "orange.fr",
        "outlook.com",
        "outlook.de",
        "posteo.de",
        "proton.me",
        "protonmail.com",
        "t-online.de",
        "tutanota.com",
        "web.de",
        "wp.pl",
        "yahoo.com",
        "yahoo.de",
        "yahoo.fr",
        "yandex.ru",
        "zoho.com",
    }
)


def is_expected(sender: Address | None, contact: Address, rule: AnswerFrom) -> bool:
    """Whether a mail from `sender` counts as the contact's answer; a mail without a usable From never does."""
    if sender is None or not sender.address:
        return False
    if rule is AnswerFrom.ANY or sender.key == contact.key:
        return True
    return rule is AnswerFrom.DOMAIN and sender.domain == contact.domain and contact.domain not in FREEMAIL
