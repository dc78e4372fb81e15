"""Suspensions as rows: what they stop of the outbox, how they end, and that the history stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from reconciler.core.errors import Invalid
from reconciler.core.suspension import Activity, Suspension, Target, parse_target
from reconciler.store import outbox, suspensions
from reconciler.store.database import Store
from reconciler.store.tables import accounts, units
from tests.states import NOW
from tests.store.ground import add_accounts, add_case
from tests.store.test_outbox import claimed, put

HOUR = timedelta(hours=1)


@pytest.fixture
def keys(store: Store) -> list[int]:
    """Accounts a and b of acme, with a mail of each in the outbox."""
    found = add_accounts(store, "a", "b")
    with store.write() as connection:
        for unit in ("acme", "main"):
            connection.execute(insert(units).values(unit=unit, revision_id=1, sync="Synced", since=NOW))
    add_case(store, found[0])
    for number, key in enumerate(found):
        put(store, key, number)
    return found


def suspend(store: Store, target: str, activity: Activity = Activity.SENDING, by: str = "ada") -> None:
    with store.write() as connection:
        suspensions.suspend(
            connection, activity, parse_target(target), reason="server moves", by=by, until=NOW + HOUR, now=NOW
        )


def resume(store: Store, target: str) -> tuple[Suspension, ...]:
    with store.write() as connection:
        return suspensions.resume(
            connection, Activity.SENDING, parse_target(target), reason="done", by="bob", now=NOW + HOUR / 2
        )


def due(store: Store, after: timedelta = timedelta()) -> list[int]:
    with store.read() as connection:
        return outbox.due_accounts(connection, NOW + after)


@pytest.mark.parametrize(("target", "left"), [("acme/a", [1]), ("acme", []), ("all", []), ("main", [0, 1])])
def test_what_is_suspended_is_not_due(store: Store, keys: list[int], target: str, left: list[int]) -> None:
    suspend(store, target)
    assert due(store) == [keys[i] for i in left]


def test_a_tenants_suspension_stops_its_mails_through_a_main_account_too(store: Store, keys: list[int]) -> None:
    with store.write() as connection:
        connection.execute(update(accounts).where(accounts.c.key == keys[0]).values(unit="main"))
    suspend(store, "acme")
    assert due(store) == []
    resume(store, "acme")
    suspend(store, "main")
    assert due(store) == [keys[1]]


def test_suspended_fetching_stops_no_sending(store: Store, keys: list[int]) -> None:
    suspend(store, "all", Activity.FETCHING)
    assert due(store) == keys


def test_a_suspension_between_looking_and_claiming_is_obeyed(store: Store, keys: list[int]) -> None:
    assert due(store) == keys
    suspend(store, "acme/a")
    assert claimed(store, keys[0]) == []


def test_it_ends_by_itself_and_nobody_has_to_remember_it(store: Store, keys: list[int]) -> None:
    suspend(store, "acme")
    assert due(store, HOUR) == keys


def test_a_resumed_one_stays_in_the_history_with_who_when_and_why(store: Store, keys: list[int]) -> None:
    suspend(store, "acme")
    assert len(resume(store, "acme")) == 1
    assert due(store) == keys
    with store.read() as connection:
        (one,) = suspensions.every(connection)
    assert (one.reason, one.by, one.since) == ("server moves", "ada", NOW)
    assert (one.ended_at, one.ended_by, one.end_reason) == (NOW + HOUR / 2, "bob", "done")


def test_only_exactly_what_was_suspended_is_resumed(store: Store, keys: list[int]) -> None:
    suspend(store, "all")
    suspend(store, "acme/a")
    assert resume(store, "acme") == ()
    assert [str(s.target) for s in resume(store, "all")] == ["all"]
    assert due(store) == [keys[1]]


def test_suspending_again_takes_the_place_of_the_earlier_one(store: Store, keys: list[int]) -> None:
    suspend(store, "acme")
    suspend(store, "acme", by="bob")
    with store.read() as connection:
        (one,) = suspensions.in_force(connection, NOW)
        assert one.by == "bob"
        assert [s.end_reason for s in suspensions.every(connection)] == ["suspended anew", None]


def test_it_follows_an_account_that_is_renamed(store: Store, keys: list[int]) -> None:
    suspend(store, "acme/a")
    with store.write() as connection:
        connection.execute(update(accounts).where(accounts.c.key == keys[0]).values(id="renamed"))
    assert due(store) == [keys[1]]
    with store.read() as connection:
        assert [s.target for s in suspensions.in_force(connection, NOW)] == [Target("acme", "renamed")]


@pytest.mark.parametrize("target", ["nobody", "acme/nobody", "all/", "nobody/a"])
def test_what_is_not_applied_cannot_be_suspended(store: Store, keys: list[int], target: str) -> None:
    with pytest.raises(Invalid, match="is applied"):
        suspend(store, target)
