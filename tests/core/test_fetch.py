"""Which mails a step takes: the start rule, the weight, the bytes, and what is too large."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.fetch import Choice, Listed, StartRule, choose, floor_of, is_left_behind

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def choice(
    *mails: Listed,
    weight: int = 3,
    step_bytes: int = 100,
    mail_bytes: int = 50,
    start: StartRule = "all",
    floor: datetime | None = None,
    first_contact: bool = False,
) -> Choice:
    return choose(
        mails,
        weight=weight,
        max_step_bytes=step_bytes,
        max_mail_bytes=mail_bytes,
        start=start,
        floor=floor,
        first_contact=first_contact,
    )


def sized(*sizes: int | None) -> list[Listed]:
    """Mails of these sizes with the UIDs 1, 2, 3…"""
    return [Listed(str(number), size) for number, size in enumerate(sizes, 1)]


def taken(found: Choice) -> list[str]:
    return [mail.uid for mail in found.take]


@pytest.mark.parametrize(
    ("start", "floor"),
    [
        pytest.param("now", NOON, id="now: the instant of apply"),
        pytest.param("all", None, id="all: none"),
        pytest.param("unseen", None, id="unseen: none"),
        pytest.param(date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC), id="a date: its midnight, UTC"),
    ],
)
def test_the_floor_of_a_start_rule(start: StartRule, floor: datetime | None) -> None:
    assert floor_of(start, NOON) == floor


def test_the_floor_has_whole_seconds_because_internaldate_has_no_others() -> None:
    assert floor_of("now", NOON + timedelta(microseconds=999_999)) == NOON


def test_the_floor_is_the_same_instant_whatever_the_zone_of_apply() -> None:
    assert floor_of("now", NOON.astimezone(timezone(timedelta(hours=-9)))) == NOON


DATED = Listed("1", 10, NOON)
SEEN = Listed("1", 10, NOON, seen=True)
LEFT_BEHIND = {
    "all takes the oldest": ("all", Listed("1", 10, datetime(1970, 1, 2, tzinfo=UTC)), None, True, False),
    "now leaves what came before": ("now", DATED, NOON + SECOND, True, True),
    "now leaves what came before at every contact": ("now", DATED, NOON + SECOND, False, True),
    "now takes what came in the very second": ("now", DATED, NOON, True, False),
    "now takes seen mail that came after": ("now", SEEN, NOON - HOUR, True, False),
    "now takes a mail without a date": ("now", Listed("1"), NOON, True, False),
    "now compares instants, not clock times": (
        "now",
        Listed("1", 10, NOON.astimezone(timezone(HOUR * 5))),
        NOON + SECOND,
        True,
        True,
    ),
    "a date leaves what came before": (date(2026, 3, 2), DATED, datetime(2026, 3, 2, tzinfo=UTC), True, True),
    "a date takes what came on the day": (date(2026, 3, 1), DATED, datetime(2026, 3, 1, tzinfo=UTC), True, False),
    "unseen leaves seen mail at first contact": ("unseen", SEEN, None, True, True),
    "unseen takes mail that was opened later": ("unseen", SEEN, None, False, False),
    "unseen takes unseen mail, however old": ("unseen", DATED, None, True, False),
}


@pytest.mark.parametrize(
    ("start", "mail", "floor", "first_contact", "left"), LEFT_BEHIND.values(), ids=LEFT_BEHIND.keys()
)
def test_what_a_start_rule_leaves_behind(
    start: StartRule, mail: Listed, floor: datetime | None, first_contact: bool, left: bool
) -> None:
    assert is_left_behind(mail, start, floor, first_contact) is left
    found = choice(mail, start=start, floor=floor, first_contact=first_contact)
    assert (found.left_behind, taken(found)) == ((("1",), []) if left else ((), ["1"]))


@pytest.mark.parametrize(
    ("start", "first_contact", "left"),
    [
        pytest.param("now", True, True, id="now leaves what is there at first contact"),
        pytest.param("now", False, False, id="now takes what comes later"),
        pytest.param("all", True, False, id="all takes everything"),
    ],
)
def test_without_dates_first_contact_tells_old_from_new(start: StartRule, first_contact: bool, left: bool) -> None:
    assert is_left_behind(Listed("1"), start, floor_of(start, NOON), first_contact, dated=False) is left


CHOICES = {
    "nothing waits": ([], 3, [], 0, False),
    "fewer than the weight": ([1, 1], 3, ["1", "2"], 0, False),
    "as many as the weight": ([1, 1, 1], 3, ["1", "2", "3"], 0, False),
    "more than the weight: the oldest": ([1, 1, 1, 1, 1], 3, ["1", "2", "3"], 2, False),
    "no weight left": ([1, 1], 0, [], 2, False),
    "cut by bytes": ([40, 40, 40], 3, ["1", "2"], 1, True),
    "exactly the bytes": ([50, 50, 1], 2, ["1", "2"], 1, False),
    "unknown sizes count nothing": ([None, None, None, 50], 4, ["1", "2", "3", "4"], 0, False),
}


@pytest.mark.parametrize(("sizes", "weight", "uids", "backlog", "cut"), CHOICES.values(), ids=CHOICES.keys())
def test_a_step_takes_the_oldest_up_to_weight_and_bytes(
    sizes: list[int | None], weight: int, uids: list[str], backlog: int, cut: bool
) -> None:
    found = choice(*sized(*sizes), weight=weight)
    assert (taken(found), found.backlog, found.cut_by_bytes) == (uids, backlog, cut)


def test_the_first_mail_always_fits_though_it_is_larger_than_a_step() -> None:
    found = choice(*sized(45, 1), step_bytes=40)
    assert (taken(found), found.backlog) == (["1"], 1)


def test_a_mail_above_the_limit_is_neither_taken_nor_waiting_and_takes_no_ones_place() -> None:
    found = choice(*sized(51, 10, 51, 10, 50), weight=3)
    assert (taken(found), found.backlog, found.too_large) == (["2", "4", "5"], 0, ("1", "3"))


def test_a_mail_left_behind_is_not_reported_as_too_large() -> None:
    found = choice(Listed("1", 99, NOON), start="now", floor=NOON + SECOND)
    assert (found.left_behind, found.too_large) == (("1",), ())


mailboxes = st.lists(
    st.builds(
        lambda size, age, seen: (size, NOON - HOUR * age, seen),
        st.none() | st.integers(0, 60),
        st.integers(-5, 5),
        st.booleans(),
    ),
    max_size=30,
).map(lambda rows: [Listed(str(uid), *row) for uid, row in enumerate(rows, 1)])
rules = st.sampled_from([("all", None), ("unseen", None), ("now", NOON), (date(2026, 3, 1), NOON)])


@given(mailboxes, st.integers(0, 12), rules, st.booleans())
def test_every_mail_is_taken_or_waits_or_is_left_or_is_too_large(
    mails: list[Listed], weight: int, rule: tuple[StartRule, datetime | None], first: bool
) -> None:
    found = choice(*mails, weight=weight, start=rule[0], floor=rule[1], first_contact=first)
    gone = {*taken(found), *found.left_behind, *found.too_large}
    assert len(gone) == len(found.take) + len(found.left_behind) + len(found.too_large)
    assert len(gone) + found.backlog == len(mails)
    assert len(found.take) <= weight


@given(st.integers(0, 60), st.integers(1, 12))
def test_a_backlog_takes_backlog_by_weight_steps_rounded_up(backlog: int, weight: int) -> None:
    mails, steps = sized(*[1] * backlog), 0
    while found := choice(*mails, weight=weight).take:
        mails, steps = [m for m in mails if m not in found], steps + 1
    assert steps == -(-backlog // weight)


@given(mailboxes, st.integers(1, 12))
def test_steps_go_on_until_nothing_waits_whatever_the_sizes(mails: list[Listed], weight: int) -> None:
    order: list[str] = []
    while (found := choice(*mails, weight=weight)).take:
        order += taken(found)
        mails = [m for m in mails if m not in found.take]
    assert found.backlog == 0
    assert order == sorted(order, key=int)
