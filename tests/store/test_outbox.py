"""The outbox's contract: claimed once, counted before it is tried, finished with what the server said."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from reconciler.core.outbox import OutboxState
from reconciler.store import outbox
from reconciler.store.database import Store
from reconciler.store.tables import accounts
from tests.states import NOW
from tests.store.ground import add_accounts, add_case

LATER = NOW + timedelta(minutes=1)
DATA = b"Subject: x\r\n\r\n\x00\xff\r\n" * 1000


@pytest.fixture
def keys(store: Store) -> list[int]:
    """The keys of two accounts of acme; case 1 stands beside them."""
    found = add_accounts(store, "a", "b")
    add_case(store, found[0])
    return found


def put(store: Store, account_key: int, number: int = 1) -> int:
    mail = outbox.Queued(
        tenant="acme",
        account_key=account_key,
        case_id=1,
        referral_id=None,
        purpose="reply",
        revision_id=1,
        mail_from="support@acme.example",
        recipient="customer@customer.example",
        message_id=f"<{number}@acme.example>",
        subject="Re: x",
        data=DATA,
    )
    with store.write() as connection:
        return outbox.enqueue(connection, mail, NOW)


def claimed(store: Store, key: int, weight: int = 3, boot: str = "one", now: object = NOW) -> list[outbox.OutboxRow]:
    with store.write() as connection:
        return outbox.claim(connection, key, weight, boot, now)  # type: ignore[arg-type]


def row(store: Store, outbox_id: int = 1) -> outbox.OutboxRow:
    with store.read() as connection:
        found = outbox.read_row(connection, outbox_id)
    assert found is not None
    return found


def finish(store: Store, outbox_id: int, state: OutboxState, **how: object) -> None:
    with store.write() as connection:
        outbox.finish(connection, outbox_id, state, **{"answer": "250 OK"} | how)  # type: ignore[arg-type]


def requeue(store: Store, boot: str) -> int:
    with store.write() as connection:
        return outbox.requeue_interrupted(connection, boot, LATER)


def due(store: Store, now: object = NOW) -> list[int]:
    with store.read() as connection:
        return outbox.due_accounts(connection, now)  # type: ignore[arg-type]


def test_a_queued_mail_is_due_at_once_with_its_very_bytes(store: Store, keys: list[int]) -> None:
    outbox_id = put(store, keys[0])
    assert due(store) == [keys[0]]
    assert (row(store).state, row(store).attempts, row(store).account) == (OutboxState.QUEUED, 0, "acme/a")
    with store.read() as connection:
        assert outbox.read_data(connection, outbox_id) == DATA


def test_claiming_counts_the_attempt_and_nobody_claims_it_again(store: Store, keys: list[int]) -> None:
    put(store, keys[0])
    (mine,) = claimed(store, keys[0])
    assert (mine.state, mine.attempts) == (OutboxState.SENDING, 1)
    assert claimed(store, keys[0]) == claimed(store, keys[0], boot="two") == []
    assert due(store) == []


def test_at_most_weight_mails_are_claimed_the_oldest_first_and_of_this_account_only(
    store: Store, keys: list[int]
) -> None:
    ids = [put(store, keys[0], number) for number in range(4)]
    other = put(store, keys[1], 9)
    assert [r.id for r in claimed(store, keys[0], weight=3)] == ids[:3]
    assert [r.id for r in claimed(store, keys[0], weight=3)] == ids[3:]
    assert [r.id for r in claimed(store, keys[1], weight=3)] == [other]


def test_a_deferred_mail_is_due_again_only_when_its_time_has_come(store: Store, keys: list[int]) -> None:
    put(store, keys[0])
    claimed(store, keys[0])
    finish(store, 1, OutboxState.QUEUED, answer="451 later", next_at=LATER)
    assert (due(store), claimed(store, keys[0])) == ([], [])
    assert due(store, LATER) == [keys[0]]
    (again,) = claimed(store, keys[0], now=LATER)
    assert (again.attempts, again.answer, again.possibly_twice) == (2, "451 later", False)


@pytest.mark.parametrize("state", [OutboxState.SENT, OutboxState.FAILED])
def test_what_is_sent_or_failed_is_never_due_again(store: Store, keys: list[int], state: OutboxState) -> None:
    put(store, keys[0])
    claimed(store, keys[0])
    finish(store, 1, state, sent_at=NOW if state is OutboxState.SENT else None)
    assert requeue(store, "two") == 0
    assert due(store, NOW + timedelta(days=99)) == []
    assert (row(store).state, row(store).sent_at) == (state, NOW if state is OutboxState.SENT else None)


def test_an_interrupted_mail_is_due_again_and_marked_possibly_twice(store: Store, keys: list[int]) -> None:
    put(store, keys[0])
    claimed(store, keys[0], boot="one")
    assert requeue(store, "two") == 1
    assert (row(store).state, row(store).possibly_twice, row(store).next_at) == (OutboxState.QUEUED, True, LATER)
    assert [r.attempts for r in claimed(store, keys[0], boot="two", now=LATER)] == [2]


def test_mails_in_this_boots_own_hands_are_not_interrupted(store: Store, keys: list[int]) -> None:
    put(store, keys[0])
    claimed(store, keys[0], boot="one")
    assert requeue(store, "one") == 0
    assert (row(store).state, row(store).possibly_twice) == (OutboxState.SENDING, False)


def test_a_mail_no_running_step_is_sending_is_stranded(store: Store, keys: list[int]) -> None:
    put(store, keys[0], 1)
    put(store, keys[1], 2)
    claimed(store, keys[0])
    claimed(store, keys[1])
    with store.write() as connection:
        assert outbox.requeue_stranded(connection, {keys[1]}, LATER) == 1
    assert [row(store, i).state for i in (1, 2)] == [OutboxState.QUEUED, OutboxState.SENDING]
    assert [row(store, i).possibly_twice for i in (1, 2)] == [True, False]


def test_mails_nobody_had_claimed_are_not_interrupted(store: Store, keys: list[int]) -> None:
    put(store, keys[0])
    assert requeue(store, "two") == 0
    assert not row(store).possibly_twice


def test_once_possibly_twice_always_possibly_twice(store: Store, keys: list[int]) -> None:
    put(store, keys[0])
    claimed(store, keys[0])
    finish(store, 1, OutboxState.QUEUED, next_at=NOW, possibly_twice=True)
    claimed(store, keys[0])
    finish(store, 1, OutboxState.SENT, sent_at=NOW)
    assert (row(store).state, row(store).possibly_twice) == (OutboxState.SENT, True)


def test_a_message_id_is_queued_once(store: Store, keys: list[int]) -> None:
    put(store, keys[0])
    with pytest.raises(IntegrityError):
        put(store, keys[0])


def test_a_mail_is_found_by_its_message_id(store: Store, keys: list[int]) -> None:
    put(store, keys[0], 7)
    with store.read() as connection:
        found = outbox.find_message_id(connection, "<7@acme.example>")
        assert found is not None
        assert found.id == 1
        assert outbox.find_message_id(connection, "<8@acme.example>") is None
        assert outbox.read_row(connection, 2) is None


def test_the_sending_account_is_known_even_if_it_is_retired(store: Store, keys: list[int]) -> None:
    with store.write() as connection:
        connection.execute(accounts.update().where(accounts.c.key == keys[0]).values(status="retired"))
    with store.read() as connection:
        assert outbox.sending_account(connection, keys[0]) == ("acme", {"id": "a"})


def test_a_mail_that_is_put_back_waits_as_if_it_had_not_been_claimed(store: Store, keys: list[int]) -> None:
    put(store, keys[0])
    before = row(store)
    (mine,) = claimed(store, keys[0])
    with store.write() as connection:
        outbox.put_back(connection, [mine.id], "one", None)
    assert row(store) == before
    assert due(store) == [keys[0]]


def test_only_the_claimer_puts_back(store: Store, keys: list[int]) -> None:
    put(store, keys[0])
    (mine,) = claimed(store, keys[0], boot="one")
    with store.write() as connection:
        outbox.put_back(connection, [mine.id], "two", "x")
    assert (row(store).state, row(store).attempts) == (OutboxState.SENDING, 1)


def test_a_result_is_written_once(store: Store, keys: list[int]) -> None:
    put(store, keys[0])
    claimed(store, keys[0])
    with store.write() as connection:
        written = [outbox.finish(connection, 1, OutboxState.SENT, answer=word, sent_at=NOW) for word in ("a", "b")]
    assert (written, row(store).answer) == ([True, False], "a")


def test_a_mail_that_was_never_tried_is_due_whatever_the_clock_says(store: Store, keys: list[int]) -> None:
    put(store, keys[0])
    assert due(store, NOW - timedelta(days=400)) == [keys[0]]


def test_a_mail_that_a_fast_clock_put_off_is_due(store: Store, keys: list[int]) -> None:
    put(store, keys[0])
    claimed(store, keys[0])
    finish(store, 1, OutboxState.QUEUED, answer="451 later", next_at=LATER)
    assert due(store, NOW - timedelta(days=1)) == [keys[0]]


def test_tries_of_the_last_minute_are_known_by_account(store: Store, keys: list[int]) -> None:
    for number, key in enumerate((keys[0], keys[0], keys[1])):
        put(store, key, number)
    claimed(store, keys[0])
    claimed(store, keys[1])
    with store.read() as connection:
        found = [outbox.recent_tries(connection, keys[0], NOW + timedelta(seconds=s)) for s in (-1, 0, 59, 60)]
    assert found == [[], [NOW, NOW], [NOW, NOW], []]
