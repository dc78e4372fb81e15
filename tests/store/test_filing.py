"""A routed mail is written whole, once, and only if what the decision rests on is still so."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select

from reconciler.core.case import CaseState, EntryKind
from reconciler.core.decision import Action, Decision, HoldReason
from reconciler.core.kind import Kind
from reconciler.core.outbox import OutboxState
from reconciler.core.referral import ReferralEvent, ReferralState
from reconciler.core.rule import Priority, Then
from reconciler.core.token import Purpose, TokenRecord
from reconciler.store import cases, outbox
from reconciler.store.database import Store
from reconciler.store.filing import Filed, Filing, Letter, Summary, file_mail, hold_unrouted
from reconciler.store.held import list_held
from reconciler.store.ledger import MailState, read_mail
from reconciler.store.tables import entries, mails, tokens
from tests.referrals import add_referral
from tests.states import NOW
from tests.store.ground import add_accounts, add_case, add_mail

SUMMARY = Summary(
    "<1@customer.example>", "Carla", "c@customer.example", "My parcel", "Where is it?", Kind.HUMAN, "f" * 64
)
ANSWER = Decision(
    Action.RELAY,
    "acme",
    case_id=1,
    referral_id=1,
    event=ReferralEvent.ANSWER,
    seen_state=ReferralState.WAITING,
)


@pytest.fixture
def key(store: Store) -> int:
    """The key of acme's account `a`."""
    return add_accounts(store, "a")[0]


@pytest.fixture
def mail(store: Store, key: int) -> int:
    """A mail that waits."""
    return add_mail(store, key)


@pytest.fixture
def asked(store: Store, key: int) -> None:
    """Case 1 with referral 1, which waits."""
    add_referral(store, key)


def letter(key: int, number: int = 1) -> Letter:
    queued = outbox.Queued(
        tenant="acme",
        account_key=key,
        case_id=1,
        referral_id=None,
        purpose="relay",
        revision_id=1,
        mail_from="a@acme.example",
        recipient="c@customer.example",
        message_id=f"<{number}@acme.example>",
        subject="Re: x",
        data=b"x",
    )
    return Letter(
        queued, TokenRecord(number, "acme", Purpose.CASE, 1, None, "c@customer.example", NOW), "It left on Monday."
    )


def filing(mail_id: int, key: int, decision: Decision, **other: Any) -> Filing:
    known: dict[str, Any] = {
        "mail_id": mail_id,
        "account_key": key,
        "account": "acme/a",
        "decision": decision,
        "seen_case_state": CaseState.OPEN if decision.case_id is not None else None,
        "summary": SUMMARY,
        "explanation": {"action": decision.action.value},
        "letter": letter(key) if decision.action is Action.RELAY else None,
    }
    return Filing(**known | other)


def write(store: Store, what: Filing) -> Filed:
    with store.write() as connection:
        return file_mail(connection, what, NOW)


def state(store: Store, mail_id: int) -> MailState:
    with store.read() as connection:
        found = read_mail(connection, mail_id)
    assert found is not None
    return found.state


def kinds(store: Store, case_id: int = 1) -> list[EntryKind]:
    with store.read() as connection:
        return [entry.kind for entry in cases.read_entries(connection, case_id)]


def referral(store: Store) -> Any:
    with store.read() as connection:
        return cases.read_referral(connection, 1)


def sent(store: Store) -> int:
    with store.read() as connection:
        return len(outbox.list_rows(connection))


def test_a_new_case_has_what_the_rule_says(store: Store, key: int, mail: int) -> None:
    then = Then(queue="billing", agent="b@acme.example", tags=("invoice",), priority=Priority.HIGH)
    assert write(store, filing(mail, key, Decision(Action.OPEN_CASE, "acme", then=then))) is Filed.DONE
    with store.read() as connection:
        case = cases.read_case(connection, 1)
        row = connection.execute(select(mails)).one()
    assert case is not None
    assert (case.queue, case.agent, case.tags, case.priority) == ("billing", "b@acme.example", ("invoice",), "high")
    assert (case.customer_name, case.customer_address, case.subject) == ("Carla", "c@customer.example", "My parcel")
    assert (row.case_id, row.kind, row.message_id, row.decision) == (
        1,
        "human",
        SUMMARY.message_id,
        {"action": "open_case"},
    )
    assert (kinds(store), state(store, mail)) == ([EntryKind.CUSTOMER_MESSAGE], MailState.ROUTED)


def test_a_mail_is_filed_once(store: Store, key: int, mail: int) -> None:
    what = filing(mail, key, Decision(Action.OPEN_CASE, "acme"))
    assert [write(store, what), write(store, what)] == [Filed.DONE, Filed.ALREADY]
    with store.read() as connection:
        assert len(cases.list_cases(connection)) == 1


@pytest.mark.parametrize("seen", CaseState)
def test_continuing_a_case_opens_it_again(store: Store, key: int, mail: int, seen: CaseState) -> None:
    add_case(store, key)
    with store.write() as connection:
        cases.set_case_state(connection, 1, seen, NOW)
    write(store, filing(mail, key, Decision(Action.CONTINUE_CASE, "acme", case_id=1), seen_case_state=seen))
    with store.read() as connection:
        case = cases.read_case(connection, 1)
    assert case is not None
    assert (case.state, case.closed_at, kinds(store)) == (CaseState.OPEN, None, [EntryKind.CUSTOMER_MESSAGE])


def test_a_relay_writes_answer_token_mail_and_state_together(store: Store, key: int, mail: int, asked: None) -> None:
    assert write(store, filing(mail, key, ANSWER, notes=("a file was not relayed",))) is Filed.DONE
    with store.read() as connection:
        written = cases.read_entries(connection, 1)
        (row,) = outbox.list_rows(connection)
        assert cases.read_tokens(connection, [1]).keys() == {1}
    assert [e.kind for e in written] == [EntryKind.EXTERNAL_ANSWER, EntryKind.RELAY, EntryKind.EVENT]
    assert (written[1].outbox_id, written[1].text, written[1].mail_id) == (row.id, "It left on Monday.", mail)
    assert (row.state, row.recipient) == (OutboxState.QUEUED, "c@customer.example")
    assert (referral(store).state, referral(store).answered_at) == (ReferralState.ANSWERED, NOW)


def test_if_a_part_cannot_be_written_nothing_is(store: Store, key: int, mail: int, asked: None) -> None:
    broken = letter(key)
    broken = replace(broken, queued=replace(broken.queued, account_key=99))
    with pytest.raises(Exception, match="FOREIGN KEY"):
        write(store, filing(mail, key, ANSWER, letter=broken))
    with store.read() as connection:
        counts = [connection.execute(select(func.count()).select_from(t)).scalar() for t in (entries, tokens)]
    assert (counts, sent(store)) == ([0, 0], 0)
    assert (state(store, mail), referral(store).state) == (MailState.RECEIVED, ReferralState.WAITING)


def test_the_same_answer_twice_has_one_effect(store: Store, key: int, mail: int, asked: None) -> None:
    write(store, filing(mail, key, ANSWER))
    again = replace(ANSWER, seen_state=ReferralState.ANSWERED)
    copy = filing(add_mail(store, key, 2), key, again, letter=letter(key, 2), account="acme/b")
    assert write(store, copy) is Filed.DONE
    assert (sent(store), kinds(store)) == (1, [EntryKind.EXTERNAL_ANSWER, EntryKind.RELAY, EntryKind.EVENT])
    with store.read() as connection:
        assert cases.read_entries(connection, 1)[-1].text == "also received by acme/b"


def test_another_answer_has_its_own_effect(store: Store, key: int, mail: int, asked: None) -> None:
    write(store, filing(mail, key, ANSWER))
    again = replace(ANSWER, seen_state=ReferralState.ANSWERED)
    other = replace(SUMMARY, fingerprint="0" * 64)
    write(store, filing(add_mail(store, key, 2), key, again, letter=letter(key, 2), summary=other))
    assert sent(store) == 2


def test_a_copy_is_told_on_the_case(store: Store, key: int, mail: int, asked: None) -> None:
    copy = replace(ANSWER, action=Action.COPY, event=None)
    write(store, filing(mail, key, copy))
    assert (kinds(store), sent(store), referral(store).state) == ([EntryKind.EVENT], 0, ReferralState.WAITING)


@pytest.mark.parametrize("now_is", [ReferralState.ANSWERED, ReferralState.WITHDRAWN, ReferralState.EXPIRED])
def test_a_decision_on_a_referral_that_has_moved_is_stale(
    store: Store, key: int, mail: int, asked: None, now_is: ReferralState
) -> None:
    with store.write() as connection:
        cases.update_referral(connection, 1, state=now_is.value)
    assert write(store, filing(mail, key, ANSWER)) is Filed.STALE
    assert (sent(store), kinds(store), state(store, mail)) == (0, [], MailState.RECEIVED)


def test_a_decision_on_a_case_that_was_closed_meanwhile_is_stale(
    store: Store, key: int, mail: int, asked: None
) -> None:
    with store.write() as connection:
        cases.set_case_state(connection, 1, CaseState.CLOSED, NOW)
    assert write(store, filing(mail, key, ANSWER)) is Filed.STALE
    assert (sent(store), state(store, mail)) == (0, MailState.RECEIVED)


def test_a_bounce_moves_the_referral_and_says_why(store: Store, key: int, mail: int, asked: None) -> None:
    bounced = replace(ANSWER, action=Action.FILE, event=ReferralEvent.BOUNCE, detail="5.1.1")
    write(store, filing(mail, key, bounced))
    assert (referral(store).state, referral(store).trouble) == (ReferralState.BOUNCED, "5.1.1")
    assert (kinds(store), sent(store)) == ([EntryKind.REPORT], 0)


@pytest.mark.parametrize(("until", "stored"), [(date(2026, 4, 1), "2026-04-01"), (None, "unknown")])
def test_an_absence_is_remembered_and_the_referral_waits_on(
    store: Store, key: int, mail: int, asked: None, until: date | None, stored: str
) -> None:
    away = replace(ANSWER, action=Action.FILE, event=None, out_of_office=True, out_of_office_until=until)
    write(store, filing(mail, key, away))
    assert (referral(store).out_of_office_until, referral(store).state) == (stored, ReferralState.WAITING)


@pytest.mark.parametrize("action", [Action.UNASSIGNED, Action.DISCARD])
def test_what_belongs_nowhere_changes_no_case(store: Store, key: int, mail: int, action: Action) -> None:
    write(store, filing(mail, key, Decision(action, "acme")))
    with store.read() as connection:
        assert (cases.list_cases(connection), list_held(connection)) == ([], [])
    assert state(store, mail) is MailState.ROUTED


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        (HoldReason.LATE_ANSWER, [EntryKind.EVENT]),
        (HoldReason.UNEXPECTED_SENDER, [EntryKind.EVENT]),
        (HoldReason.FORGED_TOKEN, []),
        (HoldReason.CONFLICTING_EVIDENCE, []),
    ],
)
def test_a_held_mail_shows_on_its_case_unless_its_signs_are_in_doubt(
    store: Store, key: int, mail: int, asked: None, reason: HoldReason, shown: list[EntryKind]
) -> None:
    held = replace(ANSWER, action=Action.HOLD, event=None, reason=reason, detail="why")
    write(store, filing(mail, key, held))
    assert (kinds(store), state(store, mail), sent(store)) == (shown, MailState.HELD, 0)
    with store.read() as connection:
        (row,) = list_held(connection)
    assert (row.reason, row.detail, row.tenant, row.account, row.subject) == (
        reason,
        "why",
        "acme",
        "acme/a",
        "My parcel",
    )


def test_poison_is_held_once(store: Store, key: int, mail: int) -> None:
    for _ in range(2):
        with store.write() as connection:
            hold_unrouted(connection, mail, HoldReason.POISON, "attempt 3 failed", NOW)
    with store.read() as connection:
        assert [held.reason for held in list_held(connection)] == ["poison"]
    assert state(store, mail) is MailState.HELD


def test_a_held_list_may_be_of_one_tenant(store: Store, key: int, mail: int) -> None:
    write(store, filing(mail, key, Decision(Action.HOLD, "acme", reason=HoldReason.BY_RULE)))
    with store.read() as connection:
        found = [len(list_held(connection, tenant=t)) for t in ("acme", "globex")]
    assert found == [1, 0]
