"""What a plan says: operations, fields, consequences, digests and guards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.account import AccountType
from reconciler.core.diff import diff, touched
from reconciler.core.guard import Guard
from reconciler.core.plan import BaseKind, Change, Impact, Op, Plan, TenantPlan
from reconciler.core.reroute import Reroute, Share
from reconciler.core.revision import NOTHING_APPLIED, AppliedState, DesiredState, Origin
from reconciler.core.settings import Consequence
from tests.states import NOW, account, applied, desired, slice_of

SMTP = {"host": "mail.acme.example", "username": "support", "password": {"secret": "support-imap"}}


def plan(wanted: DesiredState, runs: AppliedState = NOTHING_APPLIED, **impacts: Impact) -> Plan:
    by_account = {("acme", id_): impact for id_, impact in impacts.items()}
    return diff(wanted, runs, by_account, has_secret=lambda unit, name: True)


def only(found: Plan) -> TenantPlan:
    (tenant,) = found.tenants
    return tenant


def ops(tenant: TenantPlan) -> list[tuple[Op, str | None]]:
    return [(change.op, change.account) for change in tenant.changes]


def change_of(before: dict[str, Any], after: dict[str, Any], **impacts: Impact) -> Change:
    found = only(plan(desired(slice_of("acme", after)), applied(slice_of("acme", before)), **impacts))
    (change,) = found.changes
    return change


def test_with_nothing_applied_everything_is_created_and_the_main_accounts_come_first() -> None:
    wanted = desired(slice_of("acme", account("support")), slice_of("main", account("main-reply", "reply")))
    found = plan(wanted)
    assert found.base is BaseKind.NOTHING
    assert [t.tenant for t in found.tenants] == ["main", "acme"]
    assert [ops(t) for t in found.tenants] == [
        [(Op.CREATE, "main-reply")],
        [(Op.CREATE, None), (Op.CREATE, "support")],
    ]
    assert found.counts == {Op.CREATE: 3, Op.UPDATE: 0, Op.RENAME: 0, Op.RETIRE: 0, Op.RESTORE: 0, Op.ADOPT: 0}


def test_a_first_apply_is_never_guarded() -> None:
    assert not only(plan(desired(slice_of("acme", *(account(f"a{i}") for i in range(40)))))).guards


def test_what_runs_already_changes_nothing() -> None:
    same = slice_of("acme", account("support"))
    assert plan(desired(same), applied(same)).tenants == ()


def test_a_held_unit_yields_no_change_and_no_removal() -> None:
    runs = applied(slice_of("acme", account("support")))
    found = plan(desired(held=["acme"]), runs)
    assert (found.tenants, found.held) == ((), ("acme",))


@pytest.mark.field("unreadable is not empty")
def test_an_absent_main_unit_is_never_a_removal() -> None:
    assert touched(desired(), applied(slice_of("main", account("main-reply", "reply")))) == frozenset()


@pytest.mark.field("mass removal")
def test_a_unit_absent_from_the_folder_retires_with_all_its_accounts() -> None:
    tenant = only(plan(desired(), applied(slice_of("acme", account("support"), account("reply", "reply")))))
    assert ops(tenant) == [(Op.RETIRE, None), (Op.RETIRE, "support"), (Op.RETIRE, "reply")]
    assert tenant.target is None
    assert Guard.LAST_ACCOUNT in tenant.guards


def test_a_removed_unit_that_is_retired_already_is_not_removed_again() -> None:
    runs = applied(slice_of("acme", account("a")), retired=[("acme", "a")], retired_units=["acme"])
    assert plan(desired(), runs).tenants == ()


def test_a_retired_unit_that_comes_back_is_restored_even_with_the_same_digest() -> None:
    same = slice_of("acme", account("support"))
    runs = applied(same, retired=[("acme", "support")], retired_units=["acme"])
    assert ops(only(plan(desired(same), runs))) == [(Op.RESTORE, None), (Op.RESTORE, "support")]


def test_a_draining_account_that_comes_back_is_restored_with_its_differences() -> None:
    runs = applied(slice_of("acme", account("reply", "reply")), draining=[("acme", "reply")])
    tenant = only(plan(desired(slice_of("acme", account("reply", "reply", weight=9))), runs))
    (change,) = tenant.changes
    assert (change.op, [f.path for f in change.fields]) == (Op.RESTORE, ["weight"])


def test_a_draining_account_is_not_retired_again() -> None:
    runs = applied(slice_of("acme", account("a"), account("reply", "reply")), draining=[("acme", "reply")])
    assert only(plan(desired(slice_of("acme", account("a", weight=9))), runs)).changes[0].op is Op.UPDATE


def test_a_changed_leaf_is_told_by_dotted_path_with_old_new_and_place() -> None:
    change = change_of(account("support"), account("support", imap={"port": 143, "security": "starttls"}))
    assert [(f.path, f.old, f.new) for f in change.fields] == [
        ("imap.port", None, 143),
        ("imap.security", "tls", "starttls"),
    ]
    assert {(f.origin.file, f.origin.line) for f in change.fields if f.origin} == {("acme.yaml", 10)}


def test_a_list_is_one_value() -> None:
    change = change_of(account("support"), account("support", imap={"folders": ["INBOX", "Spam"]}))
    assert [(f.path, f.old, f.new) for f in change.fields] == [("imap.folders", ["INBOX"], ["INBOX", "Spam"])]


def test_a_secret_shows_as_its_name_only() -> None:
    change = change_of(account("support"), account("support", imap={"password": {"secret": "new-one"}}))
    assert [(f.path, f.old, f.new) for f in change.fields] == [("imap.password.secret", "support-imap", "new-one")]
    assert change.consequence is Consequence.REAUTHENTICATE


@pytest.mark.parametrize(
    ("before", "after", "consequence"),
    [
        pytest.param({}, {"name": "Other"}, Consequence.COSMETIC, id="name"),
        pytest.param({}, {"weight": 9}, Consequence.RESCHEDULE, id="weight"),
        pytest.param({}, {"bytes_per_day": "2500MB"}, Consequence.RESCHEDULE, id="bytes a day"),
        pytest.param({"messages_per_second": 2}, {"messages_per_second": 0.5}, Consequence.RESCHEDULE, id="a rate"),
        pytest.param({}, {"poll": "5m"}, Consequence.RESCHEDULE, id="poll"),
        pytest.param({}, {"address": "b@acme.example"}, Consequence.DRAIN, id="address"),
        pytest.param({}, {"enabled": False}, Consequence.REROUTE, id="enabled"),
        pytest.param({}, {"settings": {"x": 1}}, Consequence.RECONNECT, id="settings"),
        pytest.param({}, {"imap": {"folders": ["A"]}}, Consequence.RESYNC, id="folders"),
        pytest.param({}, {"imap": {"host": "evil.example"}}, Consequence.REDIRECT, id="host, secret kept"),
        pytest.param(
            {},
            {"imap": {"host": "new.example", "password": {"secret": "fresh"}}},
            Consequence.REAUTHENTICATE,
            id="host with a secret used for the first time",
        ),
        pytest.param({}, {"smtp": SMTP | {"host": "evil.example"}}, Consequence.REDIRECT, id="new smtp, bound secret"),
        pytest.param({}, {"smtp": {"host": "relay.example"}}, Consequence.RECONNECT, id="new smtp without login"),
        pytest.param({}, {"imap": {"after_fetch": "delete"}}, Consequence.DESTRUCTIVE, id="delete"),
        pytest.param({}, {"imap": {"after_fetch": "move", "move_to": "Done"}}, Consequence.DESTRUCTIVE, id="move"),
        pytest.param({}, {"imap": {"after_fetch": "keep"}}, Consequence.RESCHEDULE, id="keep"),
        pytest.param({"imap": {"after_fetch": "delete"}}, {}, Consequence.RESCHEDULE, id="delete no more"),
        pytest.param({}, {"weight": 9, "address": "b@acme.example"}, Consequence.DRAIN, id="the most severe"),
    ],
)
def test_the_consequence_of_a_change(before: dict[str, Any], after: dict[str, Any], consequence: Consequence) -> None:
    assert change_of(account("support", **before), account("support", **after)).consequence is consequence


@pytest.mark.parametrize(
    ("made", "consequence"),
    [
        pytest.param(account("support"), Consequence.RESCHEDULE, id="inbound"),
        pytest.param(account("reply", "reply"), Consequence.REROUTE, id="system"),
        pytest.param(account("reply", "reply", enabled=False), Consequence.RESCHEDULE, id="disabled system"),
        pytest.param(account("support", imap={"after_fetch": "delete"}), Consequence.DESTRUCTIVE, id="deleting"),
    ],
)
def test_the_consequence_of_a_creation(made: dict[str, Any], consequence: Consequence) -> None:
    assert only(plan(desired(slice_of("acme", made)))).changes[1].consequence is consequence


def renames(before: list[dict[str, Any]], after: list[dict[str, Any]], **kwargs: Any) -> list[tuple[Any, ...]]:
    found = plan(desired(slice_of("acme", *after)), applied(slice_of("acme", *before), **kwargs))
    return [(c.op, c.account, c.former) for c in only(found).changes]


def test_moved_from_keeps_the_account() -> None:
    assert renames([account("a")], [account("b", moved_from="a")]) == [(Op.RENAME, "b", "a")]


def test_moved_from_may_name_the_tenant() -> None:
    assert renames([account("a")], [account("b", moved_from="acme/a")]) == [(Op.RENAME, "b", "a")]


def test_a_chain_and_a_swap_of_ids_are_renames() -> None:
    chain = renames([account("a"), account("b")], [account("b", moved_from="a"), account("c", moved_from="b")])
    assert chain == [(Op.RENAME, "b", "a"), (Op.RENAME, "c", "b")]
    swap = renames([account("a"), account("b")], [account("a", moved_from="b"), account("b", moved_from="a")])
    assert swap == [(Op.RENAME, "a", "b"), (Op.RENAME, "b", "a")]


def test_a_moved_from_that_was_applied_is_old_news() -> None:
    before = [account("b", moved_from="a"), account("a")]
    assert renames(before, [account("b", moved_from="a", weight=9)]) == [(Op.UPDATE, "b", None), (Op.RETIRE, "a", None)]


def test_a_moved_from_whose_account_is_still_wanted_creates_a_new_one() -> None:
    assert renames([account("a")], [account("a"), account("b", moved_from="a")]) == [(Op.CREATE, "b", None)]


def test_a_renamed_account_does_not_count_as_retired() -> None:
    found = plan(desired(slice_of("acme", account("b", moved_from="a"))), applied(slice_of("acme", account("a"))))
    assert only(found).guards == ()


def test_tenant_keys_are_a_change_without_account() -> None:
    rule = {"id": "r1", "when": {"subject": {"contains": "x"}}, "then": {"queue": "q"}}
    before = slice_of("acme", account("a"))
    after = slice_of("acme", account("a"), language="de", routing=[rule], referrals={"expire_after": "10d"})
    (change,) = only(plan(desired(after), applied(before))).changes
    assert (change.op, change.account, change.consequence) == (Op.UPDATE, None, Consequence.REROUTE)
    assert {f.path for f in change.fields} == {"language", "routing.r1", "referrals.expire_after"}


def test_another_order_of_rules_is_a_change() -> None:
    one, two = ({"id": i, "when": {"subject": {"contains": i}}, "then": {"queue": "q"}} for i in ("r1", "r2"))
    before, after = (slice_of("acme", account("a"), routing=rules) for rules in ([one, two], [two, one]))
    (change,) = only(plan(desired(after), applied(before))).changes
    assert [(f.path, f.old, f.new) for f in change.fields] == [("routing", ["r1", "r2"], ["r2", "r1"])]


def test_another_order_of_accounts_is_cosmetic() -> None:
    before, after = slice_of("acme", account("a"), account("b")), slice_of("acme", account("b"), account("a"))
    assert only(plan(desired(after), applied(before))).changes[0].consequence is Consequence.COSMETIC


def test_secrets_nobody_provides_are_listed_once_with_their_tenant() -> None:
    wanted = desired(slice_of("acme", account("support", smtp=SMTP), account("reply", "reply")))
    found = diff(wanted, NOTHING_APPLIED, {}, has_secret=lambda unit, name: (unit, name) == ("acme", "reply-imap"))
    assert found.secrets_to_provide == ("acme/support-imap",)


def test_the_digest_survives_new_mail_and_other_tenants() -> None:
    before, after = slice_of("acme", account("a")), slice_of("acme", account("a", weight=9))
    other = slice_of("globex", account("g"))
    alone = only(plan(desired(after), applied(before)))
    busy = plan(desired(other, after), applied(before), a=Impact(open_cases=7, last_mail=NOW))
    assert [t.digest for t in busy.tenants if t.tenant == "acme"] == [alone.digest]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(account("a"), account("a", weight=10), id="another target"),
        pytest.param(account("a", name="B"), account("a", weight=9), id="another base"),
    ],
)
@pytest.mark.field("another plan")
def test_the_digest_is_of_base_and_target(before: dict[str, Any], after: dict[str, Any]) -> None:
    reviewed = plan(desired(slice_of("acme", account("a", weight=9))), applied(slice_of("acme", account("a"))))
    other = plan(desired(slice_of("acme", after)), applied(slice_of("acme", before)))
    assert only(reviewed).digest != only(other).digest


def test_the_digest_is_of_the_guards_too() -> None:
    before, after = slice_of("acme", account("r", "reply")), slice_of("acme", account("r", "reply", enabled=False))
    quiet = only(plan(desired(after), applied(before)))
    waiting = only(plan(desired(after), applied(before), r=Impact(open_referrals=1)))
    assert (quiet.guards, waiting.guards) == ((), (Guard.OPEN_REFERRALS,))
    assert quiet.digest != waiting.digest


def guards(before: int, after: int, *, elsewhere: int = 0) -> tuple[Guard, ...]:
    many = [account(f"a{i}") for i in range(before)]
    other = slice_of("other", *(account(f"o{i}") for i in range(elsewhere)))
    found = plan(desired(slice_of("acme", *many[:after]), other), applied(slice_of("acme", *many), other))
    return only(found).guards


@pytest.mark.parametrize(
    ("before", "after", "elsewhere", "expected"),
    [
        pytest.param(4, 3, 0, (), id="a quarter"),
        pytest.param(4, 2, 16, (Guard.MANY_OF_TENANT,), id="half"),
        pytest.param(3, 1, 0, (Guard.MANY_OF_TENANT, Guard.MANY_OVERALL), id="two of three, however few there are"),
        pytest.param(1, 0, 0, (Guard.LAST_ACCOUNT,), id="the last"),
        pytest.param(50, 45, 50, (), id="five of fifty"),
        pytest.param(50, 44, 50, (Guard.MANY_OF_TENANT,), id="six of fifty"),
        pytest.param(9, 8, 0, (), id="one of nine"),
        pytest.param(20, 17, 0, (Guard.MANY_OVERALL,), id="three of twenty overall"),
        pytest.param(84, 63, 300, (Guard.MANY_OF_TENANT, Guard.MANY_OVERALL), id="twenty-one overall"),
    ],
)
@pytest.mark.field("mass removal")
def test_counts_and_shares_of_retired_accounts_trip_guards(
    before: int, after: int, elsewhere: int, expected: tuple[Guard, ...]
) -> None:
    assert guards(before, after, elsewhere=elsewhere) == expected


@pytest.mark.parametrize(
    ("after", "guarded"),
    [
        pytest.param([], True, id="retired"),
        pytest.param([account("r", "reply", enabled=False)], True, id="disabled"),
        pytest.param([account("r", "reply", address="other@acme.example")], True, id="another address"),
        pytest.param([account("r", "reply", imap={"host": "new.example"})], True, id="another mailbox"),
        pytest.param([account("r", "reply", smtp=SMTP)], False, id="sends otherwise"),
        pytest.param([account("r", "reply") | {"id": "s", "moved_from": "r"}], False, id="renamed"),
        pytest.param([account("r", "reply", weight=9)], False, id="another weight"),
    ],
)
def test_an_account_with_open_referrals_stays_where_answers_arrive(after: list[dict[str, Any]], guarded: bool) -> None:
    runs = applied(slice_of("acme", account("a"), account("r", "reply")))
    found = plan(desired(slice_of("acme", account("a"), *after)), runs, r=Impact(open_referrals=2))
    assert (Guard.OPEN_REFERRALS in only(found).guards) is guarded


@pytest.mark.field("protection")
def test_protection_outlives_the_block_that_said_it() -> None:
    before = slice_of("acme", account("a"), account("b", protect=True))
    assert only(plan(desired(slice_of("acme", account("a"))), applied(before))).guards == (Guard.PROTECTED,)


def test_an_account_that_no_longer_serves_is_adopted_under_another_id() -> None:
    retired = renames([account("a")], [account("b", moved_from="a")], retired=[("acme", "a")])
    draining = renames([account("a", "reply")], [account("b", "reply", moved_from="a")], draining=[("acme", "a")])
    assert retired == draining == [(Op.ADOPT, "b", "a")]


def of(found: Plan, unit: str, account_id: str) -> Change:
    (change,) = [c for t in found.tenants if t.tenant == unit for c in t.changes if c.account == account_id]
    return change


MAINS = slice_of("main", account("main-reply", "reply"), account("main-second", "second-level-reply"))


def test_disabling_a_reply_account_says_who_serves_the_tenant_now() -> None:
    runs = applied(MAINS, slice_of("acme", account("in"), account("r", "reply")))
    found = plan(desired(MAINS, slice_of("acme", account("in"), account("r", "reply", enabled=False))), runs)
    reply = Reroute("acme", AccountType.REPLY, "acme/r", "main/main-reply")
    assert only(found).reroutes == (reply,)
    assert of(found, "acme", "r").serves == ("acme",)


def test_a_change_of_a_main_account_names_all_tenants_it_serves() -> None:
    own = slice_of("globex", account("g"), account("own", "reply", address="own@globex.example"))
    runs = applied(MAINS, slice_of("acme", account("in")), own)
    moved = slice_of("main", account("main-reply", "reply", weight=9), account("main-second", "second-level-reply"))
    found = plan(desired(moved, slice_of("acme", account("in")), own), runs)
    assert of(found, "main", "main-reply").serves == ("acme",)
    assert only(found).reroutes == ()


def test_another_main_account_reroutes_every_tenant_without_its_own() -> None:
    runs = applied(MAINS, slice_of("acme", account("in")))
    other = slice_of("main", account("new-reply", "reply"), account("main-second", "second-level-reply"))
    found = plan(desired(other, slice_of("acme", account("in"))), runs)
    assert only(found).reroutes == (Reroute("acme", AccountType.REPLY, "main/main-reply", "main/new-reply"),)


def test_a_renamed_system_account_reroutes_nobody() -> None:
    runs = applied(MAINS, slice_of("acme", account("in"), account("r", "reply")))
    renamed = slice_of("acme", account("in"), account("s", "reply", moved_from="r", imap={"username": "r"}))
    assert only(plan(desired(MAINS, renamed), runs)).reroutes == ()


def test_a_new_weight_changes_the_share_of_a_cycle() -> None:
    runs = applied(slice_of("acme", account("a"), account("b")))
    found = plan(desired(slice_of("acme", account("a", weight=9), account("b"), account("c"))), runs)
    assert of(found, "acme", "a").share == Share(0.5, 0.6)
    assert of(found, "acme", "c").share == Share(0.0, 0.2)


def test_a_destructive_change_says_how_many_mails_it_takes_off_at_once() -> None:
    deletes = {"imap": {"after_fetch": "delete"}}
    change = change_of(account("a"), account("a", **deletes), a=Impact(backlog=7))
    assert change.mails_taken_off == 7
    assert change_of(account("a"), account("a", weight=9), a=Impact(backlog=7)).mails_taken_off is None
    assert change_of(account("a"), account("a", **deletes)).mails_taken_off is None, "unknown is not none"


IMPACTS = st.builds(
    Impact,
    open_cases=st.integers(0, 9),
    open_referrals=st.just(0),
    last_mail=st.none() | st.just(NOW),
    backlog=st.integers(0, 10**6),
    left_behind=st.integers(0, 10**6),
)


@settings(deadline=None, max_examples=40)
@given(impact=IMPACTS, line=st.integers(1, 999), others=st.integers(0, 3), weight=st.integers(4, 100))
def test_a_digest_outlives_new_mail_other_positions_and_other_tenants_merges(
    impact: Impact, line: int, others: int, weight: int
) -> None:
    runs = applied(MAINS, slice_of("acme", account("a"), account("b")))
    after = slice_of("acme", account("a", weight=weight), account("x"))
    before = {t.tenant: t.digest for t in plan(desired(MAINS, after), runs).tenants}["acme"]
    moved = replace(after, locate=lambda path: Origin("acme/other.yaml", line, 1))
    merged = [slice_of(f"t{i}", account("in", address=f"in@t{i}.example")) for i in range(others)]
    found = plan(desired(MAINS, moved, *merged), runs, a=impact, b=impact)
    assert {t.tenant: t.digest for t in found.tenants}["acme"] == before


@settings(deadline=None, max_examples=60)
@given(one=st.integers(1, 100), other=st.integers(1, 100), held=st.booleans())
@pytest.mark.field("another plan")
def test_a_digest_tells_any_two_changes_apart(one: int, other: int, held: bool) -> None:
    runs = applied(slice_of("acme", account("a", enabled=held)))
    digests = [
        [t.digest for t in plan(desired(slice_of("acme", account("a", enabled=held, weight=w))), runs).tenants]
        for w in (one, other)
    ]
    assert (digests[0] == digests[1]) is (one == other)
