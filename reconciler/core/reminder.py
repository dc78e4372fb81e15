"""When an external who has not answered is reminded, and when waiting ends: from dates and the tenant's policy."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from reconciler.core.account import Reminders
from reconciler.core.business import next_open
from reconciler.core.referral import Referral, ReferralState
from reconciler.core.tenant_settings import Escalation, Hours

SOONEST_AGAIN = timedelta(hours=1)
"""After a system was down for days the reminders that were missed do not all go out at once."""


def reminder_due(referral: Referral, policy: Reminders | None, hours: Hours | None = None) -> datetime | None:
    """When the next reminder by policy is due; None if there is none: not waiting, no policy, or all were sent.

    The first is due `after` the asking, each further one `repeat` later. Somebody who said when he is back is not
    reminded before the day after; of somebody who did not say, only the usual rhythm is known. What falls outside the
    tenant's hours waits for the next day of work.
    """
    if policy is None or referral.state is not ReferralState.WAITING or referral.reminders >= policy.max:
        return None
    due = referral.asked_at + policy.after + referral.reminders * policy.repeat
    if referral.reminded_at is not None:
        due = max(due, referral.reminded_at + min(policy.repeat, SOONEST_AGAIN))
    back = _day_after(referral.out_of_office_until)
    return next_open(hours, max(due, back) if back is not None else due)


def escalation_due(referral: Referral, escalation: Escalation | None, hours: Hours | None) -> datetime | None:
    """When the case goes to another queue because the contact is silent; None if it does not, or has already."""
    if escalation is None or referral.state is not ReferralState.WAITING or referral.escalated_at is not None:
        return None
    return next_open(hours, referral.asked_at + escalation.after)


def has_expired(referral: Referral, now: datetime) -> bool:
    """Whether waiting for an answer is over."""
    return referral.state is ReferralState.WAITING and referral.expires_at <= now


def _day_after(out_of_office_until: str | None) -> datetime | None:
    try:
        day = date.fromisoformat(out_of_office_until or "")
    except ValueError:
        return None
    return datetime.combine(day + timedelta(days=1), time(8), tzinfo=UTC)
