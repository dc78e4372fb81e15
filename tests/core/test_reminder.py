"""When a reminder is due: a table of policies and what has happened so far."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.core.account import Reminders
from reconciler.core.referral import Referral, ReferralKind, ReferralState
from reconciler.core.reminder import has_expired, reminder_due

ASKED = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = Reminders.model_validate({"after": "2d", "repeat": "1d", "max": 3})
REFERRAL = Referral(
    id=1,
    tenant="acme",
    case_id=1,
    kind=ReferralKind.FORWARD,
    state=ReferralState.WAITING,
    contact_name="",
    contact_address="expert@partner.example",
    agent="agent@acme.example",
    account_key=1,
    account="acme/reply",
    target_name="",
    target_address="customer@customer.example",
    answer_from="domain",
    asked_at=ASKED,
    expires_at=ASKED + timedelta(days=60),
    answered_at=None,
    out_of_office_until=None,
    late=False,
    reminders=0,
    reminded_at=None,
    group_id=None,
    trouble=None,
)


def day(number: int, hour: int = 12) -> datetime:
    """An instant in March 2026; the contact was asked at noon on the 1st."""
    return datetime(2026, 3, number, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changed", "due"),
    [
        pytest.param({}, day(3), id="first"),
        pytest.param({"reminders": 1, "reminded_at": day(3)}, day(4), id="second"),
        pytest.param({"reminders": 2, "reminded_at": day(4)}, day(5), id="third"),
        pytest.param({"reminders": 3, "reminded_at": day(5)}, None, id="all were sent"),
        pytest.param({"reminders": 1, "reminded_at": day(9)}, day(9, 13), id="missed days are not made up at once"),
        pytest.param({"reminders": 1, "reminded_at": day(1, 13)}, day(4), id="by hand before the first"),
        pytest.param({"out_of_office_until": "2026-03-14"}, day(15, 8), id="away"),
        pytest.param({"out_of_office_until": "2026-02-14"}, day(3), id="back before"),
        pytest.param({"out_of_office_until": "unknown"}, day(3), id="away, nobody knows until when"),
        *(
            pytest.param({"state": state}, None, id=state.value)
            for state in ReferralState
            if state is not ReferralState.WAITING
        ),
    ],
)
def test_when_the_next_reminder_is_due(changed: dict[str, Any], due: datetime | None) -> None:
    assert reminder_due(replace(REFERRAL, **changed), POLICY) == due


@pytest.mark.parametrize("policy", [None, Reminders.model_validate({"max": 0})], ids=["none", "max 0"])
def test_without_a_policy_none_is_due(policy: Reminders | None) -> None:
    assert reminder_due(REFERRAL, policy) is None


def test_a_repeat_shorter_than_an_hour_is_kept() -> None:
    policy = Reminders.model_validate({"after": "10m", "repeat": "5m", "max": 9})
    reminded = replace(REFERRAL, reminders=1, reminded_at=day(2))
    assert reminder_due(reminded, policy) == day(2) + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("state", "seconds", "expired"),
    [
        (ReferralState.WAITING, -1, False),
        (ReferralState.WAITING, 0, True),
        (ReferralState.WAITING, 1, True),
        (ReferralState.ANSWERED, 1, False),
        (ReferralState.WITHDRAWN, 1, False),
        (ReferralState.EXPIRED, 1, False),
    ],
)
def test_only_waiting_expires(state: ReferralState, seconds: int, expired: bool) -> None:
    assert has_expired(replace(REFERRAL, state=state), REFERRAL.expires_at + timedelta(seconds=seconds)) is expired
