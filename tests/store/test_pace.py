"""How many mails were stored lately: exact at both ends of the span, whatever lies before it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import event

from reconciler.core.fetch import Fetched
from reconciler.store.database import Store
from reconciler.store.ledger import Arrived, store_mails
from reconciler.store.pace import stored_since
from tests.states import NOW
from tests.store.ground import add_accounts

MINUTE = timedelta(minutes=1)


def arrived(store: Store, account_key: int, *instants: datetime) -> None:
    """A mail of the account was stored at each of these instants, in this order."""
    with store.write() as connection:
        for instant in instants:
            mail = Fetched("INBOX", 1, f"{instant.timestamp():f}", b"Subject: x\r\n\r\ny\r\n", NOW)
            store_mails(connection, [Arrived(account_key, mail, instant, "keep", None)])


def test_mails_of_the_span_are_counted_by_account_and_no_others(store: Store) -> None:
    busy, quiet, silent = add_accounts(store, "busy", "quiet", "silent")
    since = NOW - 5 * MINUTE
    arrived(store, busy, since - 60 * MINUTE, since - timedelta(seconds=1))
    arrived(store, quiet, since)
    arrived(store, busy, since + MINUTE, NOW)
    arrived(store, silent, NOW + MINUTE)
    with store.read() as connection:
        assert stored_since(connection, since, NOW) == {busy: 2, quiet: 1}


def test_mails_that_stand_a_little_out_of_order_are_counted(store: Store) -> None:
    one, other = add_accounts(store, "one", "other")
    since = NOW - 5 * MINUTE
    arrived(store, one, since + timedelta(seconds=2))
    arrived(store, other, since - timedelta(seconds=2), since + timedelta(seconds=3))
    with store.read() as connection:
        assert stored_since(connection, since, NOW) == {one: 1, other: 1}


def test_an_empty_ledger_and_one_without_older_mails_are_counted(store: Store) -> None:
    [key] = add_accounts(store, "a")
    with store.read() as connection:
        assert stored_since(connection, NOW - 5 * MINUTE, NOW) == {}
    arrived(store, key, NOW)
    with store.read() as connection:
        assert stored_since(connection, NOW - 5 * MINUTE, NOW) == {key: 1}


def test_the_ledger_is_never_read_from_its_beginning(store: Store) -> None:
    [key] = add_accounts(store, "a")
    arrived(store, key, NOW - 60 * MINUTE, NOW)
    asked = []
    with store.read() as connection:
        event.listen(connection, "before_cursor_execute", lambda *call: asked.append(call[2:4]))
        stored_since(connection, NOW - 5 * MINUTE, NOW)
        counting = next(call for call in asked if "count(" in call[0])
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {counting[0]}", counting[1]).all()
    assert "SEARCH mails USING INTEGER PRIMARY KEY (rowid>?)" in plan[0][3]
