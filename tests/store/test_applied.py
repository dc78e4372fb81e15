"""What is remembered of the applied state."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from reconciler.core.diff import diff
from reconciler.core.errors import Invalid
from reconciler.core.plan import Impact
from reconciler.core.registry import Registry
from reconciler.core.revision import NOTHING_APPLIED, AccountStatus, AppliedState, Slice
from reconciler.core.status import Sync
from reconciler.store.applied import finish_draining, forget_unit, history, read_applied, write_sync, write_unit
from reconciler.store.database import Store
from reconciler.store.standing import acknowledge, acknowledged, read_impacts, read_status, read_units
from reconciler.store.tables import accounts, health, mails, referrals
from tests.referrals import add_referral
from tests.states import NOW, REGISTRY, account, desired, slice_of

LATER = NOW + timedelta(days=1)


def state(store: Store) -> AppliedState:
    with store.read() as connection:
        return read_applied(connection, REGISTRY)


def apply(store: Store, *slices: Slice, now: datetime = NOW) -> AppliedState:
    found = diff(desired(*slices), state(store), {}, has_secret=lambda unit, name: True)
    wanted = {s.unit: s for s in slices}
    for plan in found.tenants:
        with store.write() as connection:
            write_unit(connection, plan, wanted.get(plan.tenant), source="accounts.d", author="ops", now=now)
    return state(store)


def rows(store: Store) -> dict[str, Any]:
    with store.read() as connection:
        return {row.id: row for row in connection.execute(select(accounts))}


def refer(store: Store, account_id: str, referral_state: str = "waiting") -> None:
    add_referral(store, rows(store)[account_id].key, referral_state)


def test_an_empty_store_has_nothing_applied(store: Store) -> None:
    assert state(store) == NOTHING_APPLIED


def test_what_was_written_is_read_back(store: Store) -> None:
    main = slice_of("main", account("main-reply", "reply"))
    rule = {"id": "r", "when": {"from": {"ends": "@a.example"}, "not": {"size": {"over": 9}}}, "then": {"queue": "q"}}
    test = {"name": "t", "mail": {"account": "a", "from": "x@a.example"}, "expect": {"rule": "r"}}
    acme = slice_of(
        "acme", account("a", poll="90s", imap={"start": "2026-01-31"}), routing=[rule], tests=[test], language="de"
    )
    found = apply(store, main, acme)
    assert {unit: (u.document, u.digest) for unit, u in found.units.items()} == {
        "main": (main.document, main.digest),
        "acme": (acme.document, acme.digest),
    }
    runs = found.accounts["acme", "a"]
    assert (runs.account, runs.status, runs.since) == (acme.document.accounts[0], AccountStatus.SERVING, NOW)
    assert runs.origin == acme.account_origins["a"]


def test_applied_again_it_differs_in_nothing(store: Store) -> None:
    wanted = slice_of("acme", account("a"))
    apply(store, wanted)
    assert diff(desired(wanted), state(store), {}, has_secret=lambda unit, name: True).tenants == ()


def test_an_update_keeps_key_and_floor(store: Store) -> None:
    apply(store, slice_of("acme", account("a")))
    before = rows(store)["a"]
    found = apply(store, slice_of("acme", account("a", weight=9)), now=LATER)
    after = rows(store)["a"]
    assert (after.key, after.floor_at, after.since) == (before.key, NOW, NOW)
    assert (found.accounts["acme", "a"].account.weight, after.revision_id) == (9, before.revision_id + 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({"a": None}, {"b": "a"}, id="rename"),
        pytest.param({"a": None, "b": None}, {"b": "a", "c": "b"}, id="chain"),
        pytest.param({"a": None, "b": None}, {"b": "a", "a": "b"}, id="swap"),
    ],
)
def test_a_rename_keeps_the_key(store: Store, before: dict[str, None], after: dict[str, str]) -> None:
    apply(store, slice_of("acme", *(account(id_) for id_ in before)))
    keys = {id_: row.key for id_, row in rows(store).items()}
    found = apply(store, slice_of("acme", *(account(id_, moved_from=former) for id_, former in after.items())))
    assert {id_: a.key for (_, id_), a in found.accounts.items()} == {new: keys[old] for new, old in after.items()}


def test_a_rename_to_a_retired_accounts_id_keeps_both(store: Store) -> None:
    apply(store, slice_of("acme", account("a"), account("b")))
    apply(store, slice_of("acme", account("a")))
    keys = {id_: row.key for id_, row in rows(store).items()}
    apply(store, slice_of("acme", account("b", moved_from="a")))
    assert {id_: row.key for id_, row in rows(store).items()} == {"b": keys["a"], f"b~{keys['b']}": keys["b"]}


def test_a_retired_inbound_account_runs_no_more_and_comes_back_as_the_same(store: Store) -> None:
    both = slice_of("acme", account("a"), account("b"))
    apply(store, both)
    key = rows(store)["b"].key
    gone = apply(store, slice_of("acme", account("a")), now=LATER)
    assert (set(gone.accounts), gone.retired) == ({("acme", "a")}, {("acme", "b")})
    back = apply(store, both, now=LATER)
    assert (back.accounts["acme", "b"].key, back.retired, rows(store)["b"].floor_at) == (key, set(), NOW)


@pytest.mark.parametrize(
    ("kind", "referral_state", "expected"),
    [
        pytest.param("reply", "waiting", "draining", id="waited for"),
        pytest.param("second-level-reply", "waiting", "draining", id="inquiry waited for"),
        pytest.param("reply", "answered", "retired", id="answered"),
        pytest.param("inbound", "waiting", "retired", id="inbound"),
    ],
)
def test_only_a_system_account_that_is_waited_for_drains(
    store: Store, kind: str, referral_state: str, expected: str
) -> None:
    apply(store, slice_of("acme", account("a"), account("r", kind)))
    refer(store, "r", referral_state)
    apply(store, slice_of("acme", account("a")), now=LATER)
    assert (rows(store)["r"].status, rows(store)["r"].since) == (expected, LATER)


def test_a_draining_account_is_still_known_with_its_settings(store: Store) -> None:
    apply(store, slice_of("acme", account("a"), account("r", "reply", weight=7)))
    refer(store, "r")
    runs = apply(store, slice_of("acme", account("a"))).accounts["acme", "r"]
    assert (runs.status, runs.account.weight) == (AccountStatus.DRAINING, 7)


@pytest.mark.parametrize(
    ("referral_state", "keys", "after", "done"),
    [
        pytest.param("waiting", {}, timedelta(days=29), (), id="still waited for"),
        pytest.param("answered", {}, timedelta(0), ("acme/r",), id="answered"),
        pytest.param("waiting", {}, timedelta(days=30), ("acme/r",), id="waited long enough"),
        pytest.param("waiting", {"retire_after": "2d"}, timedelta(days=2), ("acme/r",), id="as the account says"),
    ],
)
def test_draining_ends_with_the_last_open_referral_or_in_time(
    store: Store, referral_state: str, keys: dict[str, str], after: timedelta, done: tuple[str, ...]
) -> None:
    apply(store, slice_of("acme", account("a"), account("r", "reply", **keys)))
    refer(store, "r")
    apply(store, slice_of("acme", account("a")))
    with store.write() as connection:
        connection.execute(update(referrals).values(state=referral_state))
        assert finish_draining(connection, NOW + after) == done
    assert rows(store)["r"].status == ("retired" if done else "draining")


def test_a_removed_tenant_retires_and_its_document_stays_readable(store: Store) -> None:
    acme = slice_of("acme", account("a"), language="de")
    apply(store, acme)
    gone = apply(store)
    assert (gone.units["acme"].retired, gone.units["acme"].document) == (True, acme.document)
    assert (gone.accounts, gone.retired) == ({}, {("acme", "a")})
    back = apply(store, acme)
    assert (back.units["acme"].retired, set(back.accounts)) == (False, {("acme", "a")})


def test_a_document_that_needs_a_plug_in_that_is_gone_names_the_unit(store: Store) -> None:
    apply(store, slice_of("acme", account("a")))
    with store.read() as connection, pytest.raises(Invalid, match=r"revision of acme cannot be read.*plug-ins"):
        read_applied(connection, Registry({}))


def test_the_history_is_newest_first_and_may_be_of_one_unit(store: Store) -> None:
    acme = slice_of("acme", account("a"))
    apply(store, acme, slice_of("globex", account("g")))
    apply(store, slice_of("globex", account("g")), now=LATER)
    with store.read() as connection:
        assert [(r.unit, r.retired) for r in history(connection, None)] == [
            ("acme", True),
            ("globex", False),
            ("acme", False),
        ]
        newest, first = history(connection, "acme")
    assert (newest.applied_at, first.applied_at, first.author, first.digest) == (LATER, NOW, "ops", acme.digest)


def test_since_moves_with_the_sync_and_not_with_its_reason(store: Store) -> None:
    hour = timedelta(hours=1)
    with store.write() as connection:
        assert write_sync(connection, "acme", Sync.HELD, "one", None, NOW)
        assert not write_sync(connection, "acme", Sync.HELD, "one", None, NOW + hour)
        assert write_sync(connection, "acme", Sync.HELD, "two", None, NOW + hour)
        (unit,) = read_units(connection)
        assert (unit.reason, unit.since, unit.attempted_at) == ("two", NOW, NOW + hour)
        assert write_sync(connection, "acme", Sync.SYNCED, "", "0" * 64, NOW + hour)
        assert read_units(connection)[0].since == NOW + hour


def test_only_a_unit_that_never_ran_is_forgotten(store: Store) -> None:
    apply(store, slice_of("acme", account("a")))
    with store.write() as connection:
        write_sync(connection, "new", Sync.HELD, "broken", None, NOW)
        forget_unit(connection, "acme")
        forget_unit(connection, "new")
        assert [unit.unit for unit in read_units(connection)] == ["acme"]


def test_impacts_count_what_is_open_at_the_accounts_concerned(store: Store) -> None:
    apply(store, slice_of("acme", account("a"), account("r", "reply")), slice_of("globex", account("g")))
    refer(store, "r")
    refer(store, "r", "answered")
    key = rows(store)["a"].key
    with store.write() as connection:
        connection.execute(insert(health).values(account_key=key, condition="Ok", since=NOW, backlog=4))
        for uid, at in enumerate((NOW, LATER)):
            connection.execute(
                insert(mails).values(
                    account_key=key,
                    folder="INBOX",
                    uidvalidity=1,
                    uid=str(uid),
                    received_at=at,
                    size=1,
                    sha256=b"",
                    after_fetch="seen",
                    state="received",
                )
            )
        assert read_impacts(connection, {"acme"}) == {
            ("acme", "a"): Impact(last_mail=LATER, backlog=4),
            ("acme", "r"): Impact(open_cases=2, open_referrals=1),
        }
        assert read_impacts(connection, set()) == {}


def test_the_status_joins_accounts_with_their_health(store: Store) -> None:
    applied = apply(store, slice_of("acme", account("a"), account("b", enabled=False)))
    with store.write() as connection:
        assert not read_status(connection, applied, NOW).well
        connection.execute(insert(health).values(account_key=rows(store)["a"].key, condition="Ok", since=NOW))
        assert read_status(connection, applied, NOW).well
        connection.execute(update(health).values(condition="AuthFailed", reason="no"))
        assert [a.well for a in read_status(connection, applied, NOW).accounts] == [False, True]


def test_the_first_acknowledgement_stays(store: Store) -> None:
    digest = "a" * 64
    with store.write() as connection:
        acknowledge(connection, digest, "reviewed", "ops", NOW)
        assert acknowledge(connection, digest, "again", "other", LATER).reason == "reviewed"
        assert acknowledged(connection) == {digest}
