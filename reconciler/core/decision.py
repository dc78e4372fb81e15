"""The values of routing: what is known beside a mail, what is decided about it, and why a mail is held."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from reconciler.core.account import AccountType, AnswerFrom, FurtherAnswers
from reconciler.core.authentication import UNCHECKED, Authenticity
from reconciler.core.case import CaseState
from reconciler.core.held import HoldReason
from reconciler.core.kind import Kind
from reconciler.core.message import Address
from reconciler.core.referral import ReferralEvent, ReferralKind, ReferralState
from reconciler.core.rule import Rule, Then
from reconciler.core.rule_match import RuleBook

__all__ = ["Action", "Context", "Decision", "HoldReason", "ReferralView", "held"]

NO_CHANGE = Then()


class Action(StrEnum):
    """What is done with a mail. Exactly one; only `relay` and `to_agent` send anything."""

    OPEN_CASE = "open_case"
    CONTINUE_CASE = "continue_case"
    RELAY = "relay"
    TO_AGENT = "to_agent"
    COPY = "copy"
    FILE = "file"
    UNASSIGNED = "unassigned"
    DISCARD = "discard"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class ReferralView:
    """What deciding needs to know of the referral a mail belongs to; `target` is where its answer goes."""

    id: int
    kind: ReferralKind
    state: ReferralState
    contact: Address
    target: Address
    answer_from: AnswerFrom
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What is known beside the mail. `tenant` is the account's own; None on a main account.

    `case_state` and `referral` are those of the correlated case; `further_answers`, `further_window` (None: without
    end) and `rules` are settings of the tenant the mail belongs to. `authenticity` is what the receiving server says
    of From, `must_authenticate` that nothing else than a pass will do. `exceptions` are the kinds a person lets the
    referral's contact answer with. `hop` is how many mails came before this one by themselves, as the mail itself
    says. `is_own` tells an address of ours; `is_echo` that the mail is one we sent ourselves, `is_copy` that the very
    same mail has been relayed for the referral already; `is_released` that a person has looked at it and answers for
    it; `is_probe` that it is a test mail of `reconciler probe`, or its bounce; `predates_restore` that it may have been
    passed on before the store was restored from a backup.
    """

    tenant: str | None
    account_id: str
    account_type: AccountType
    is_own: Callable[[str], bool]
    rules: Sequence[Rule] | RuleBook = ()
    case_state: CaseState | None = None
    referral: ReferralView | None = None
    further_answers: FurtherAnswers = FurtherAnswers.HOLD
    further_window: timedelta | None = None
    authenticity: Authenticity = UNCHECKED
    must_authenticate: bool = False
    exceptions: frozenset[Kind] = frozenset()
    hop: int = 0
    now: datetime | None = None
    tenant_retired: bool = False
    is_echo: bool = False
    is_copy: bool = False
    is_released: bool = False
    is_probe: bool = False
    predates_restore: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to the mail, and why. `tenant` None: for the operators. `rule` None: no rule was hit.

    `event` and `out_of_office` are what the mail does to the referral; `then` what the rule adds to the case.
    `seen_state` is the referral's state the decision rests on: if it has changed since, decide anew.
    """

    action: Action
    tenant: str | None
    case_id: int | None = None
    referral_id: int | None = None
    reason: HoldReason | None = None
    detail: str = ""
    event: ReferralEvent | None = None
    out_of_office: bool = False
    out_of_office_until: date | None = None
    late: bool = False
    delivery_failed: bool = False
    seen_state: ReferralState | None = None
    rule: str | None = None
    missed: tuple[str, ...] = ()
    then: Then = NO_CHANGE


def held(base: Decision, reason: HoldReason, detail: str) -> Decision:
    """The decision to set the mail aside for a person."""
    return replace(base, action=Action.HOLD, reason=reason, detail=detail)
