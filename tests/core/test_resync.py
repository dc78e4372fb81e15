"""Which mails are found again under new UIDs, and which match nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.core.fetch import Listed, Listing, StartRule
from reconciler.core.resync import (
    Remembered,
    compare,
    header_digest,
    is_renumbered,
    left_behind_again,
    settle,
    worth_a_look,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)
Shown = tuple[str, int | None, datetime | None, str, str]
"""UID, size, date, header, body."""


def known(row: int, size: int, date: datetime | None, head: str, body: str) -> tuple[Remembered, str]:
    return Remembered(row, str(row), size, date, hashlib.sha256((head + body).encode()).digest()), head


def found(ledger: Sequence[tuple[Remembered, str]], shown: Sequence[Shown]) -> tuple[dict[str, int], set[str], int]:
    """Rows by UID, unknown UIDs, and how many bodies had to be read."""
    remembered = [one for one, _ in ledger]
    mails = [Listed(uid, size, date) for uid, size, date, _, _ in shown]
    looked, rows = worth_a_look(mails, remembered)
    heads = {uid: header_digest(head.encode()) for uid, _, _, head, _ in shown}
    known_heads = {one.row: header_digest(head.encode()) for one, head in ledger if one.row in rows}
    first = compare(looked, heads, remembered, known_heads)
    digests = {uid: hashlib.sha256((head + body).encode()).digest() for uid, _, _, head, body in shown}
    last = settle(first, remembered, {uid: digests[uid] for uid in first.ambiguous})
    strangers = {mail.uid for mail in mails}.difference(mail.uid for mail in looked)
    return dict(last.same), strangers.union(last.unknown), len(first.ambiguous)


@pytest.mark.parametrize(
    ("ledger", "shown", "same", "unknown", "bodies"),
    [
        pytest.param([(1, 9, NOON, "a", "x")], [("7", 9, NOON, "a", "x")], {"7": 1}, set(), 0, id="all three agree"),
        pytest.param([(1, 9, NOON, "a", "x")], [("7", 5, LATER, "a", "x")], {}, {"7"}, 0, id="neither size nor date"),
        pytest.param([(1, 9, NOON, "a", "x")], [("7", 9, LATER, "b", "x")], {}, {"7"}, 0, id="another header"),
        pytest.param([(1, 9, NOON, "a", "x")], [("7", 9, LATER, "a", "x")], {"7": 1}, set(), 1, id="another date"),
        pytest.param(
            [(1, 9, NOON, "a", "x")], [("7", 9, NOON, "b", "x")], {}, {"7"}, 1, id="header changed on the way"
        ),
        pytest.param([(1, 9, NOON, "a", "x")], [("7", None, NOON, "a", "x")], {"7": 1}, set(), 1, id="size not told"),
        pytest.param(
            [(1, 9, NOON, "a", "x"), (2, 9, NOON, "a", "y")],
            [("7", 9, NOON, "a", "y"), ("8", 9, NOON, "a", "z")],
            {"7": 2},
            {"8"},
            2,
            id="only their bodies differ",
        ),
        pytest.param(
            [(1, 9, NOON, "a", "x"), (2, 9, NOON, "a", "x")],
            [("7", 9, NOON, "a", "x"), ("8", 9, NOON, "a", "x")],
            {"7": 1, "8": 2},
            set(),
            0,
            id="the same mail twice is two mails",
        ),
        pytest.param(
            [(1, 9, NOON, "a", "x")],
            [("7", 9, NOON, "a", "x"), ("8", 9, NOON, "a", "x")],
            {"7": 1},
            {"8"},
            2,
            id="a third copy of two is unknown",
        ),
    ],
)
def test_mails_are_matched_as_often_as_they_are_known(
    ledger: Sequence[tuple[int, int, datetime, str, str]],
    shown: Sequence[Shown],
    same: dict[str, int],
    unknown: set[str],
    bodies: int,
) -> None:
    assert found([known(*one) for one in ledger], shown) == (same, unknown, bodies)


def test_a_mail_that_vanished_before_its_body_came_is_neither_known_nor_unknown() -> None:
    remembered, head = known(1, 9, NOON, "a", "x")
    first = compare(
        [Listed("7", 9, LATER)], {"7": header_digest(b"a")}, [remembered], {1: header_digest(head.encode())}
    )
    assert first.ambiguous == ("7",)
    last = settle(first, [remembered], {})
    assert (last.same, last.unknown) == ({}, ())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (b"A: 1\r\nB: 2\r\n\r\nbody", b"A: 1\nB: 2\n\n", True),
        (b"A: 1\r\n\r\n", b"A: 1", True),
        (b"A: 1\r\n\r\n", b"A: 2\r\n\r\n", False),
    ],
    ids=["line ends", "no empty line", "another value"],
)
def test_a_header_is_the_same_whatever_its_line_ends(one: bytes, other: bytes, same: bool) -> None:
    assert (header_digest(one) == header_digest(other)) is same


@pytest.mark.parametrize(
    ("start", "floor", "were_left", "left"),
    [
        pytest.param("now", LATER, 0, {"old seen", "old"}, id="the floor outlives UIDs"),
        pytest.param("unseen", None, 1, {"old seen"}, id="seen and older than first contact"),
        pytest.param("unseen", None, 0, set(), id="more than were left: nobody can tell"),
        pytest.param("all", None, 0, set(), id="all leaves nothing"),
    ],
)
def test_what_the_start_rule_left_is_left_again(
    start: StartRule, floor: datetime | None, were_left: int, left: set[str]
) -> None:
    mails = [Listed("old seen", 1, NOON, seen=True), Listed("old", 1, NOON), Listed("new seen", 1, LATER, seen=True)]
    assert left_behind_again(mails, start, floor, LATER, were_left) == left


@pytest.mark.parametrize(
    ("was", "now", "next_uid", "known", "renumbered"),
    [
        (7, 8, None, set(), True),
        (7, 7, 10, {"9", "4"}, False),
        (7, 7, 9, {"9", "4"}, True),
        (7, 7, 9, {"12@7#1"}, False),
        (7, 7, None, {"9"}, False),
        (0, 0, 1, {"9"}, False),
    ],
    ids=["UIDVALIDITY", "next is free", "next is in use", "former UIDs do not count", "not told", "no UIDVALIDITY"],
)
def test_a_folder_is_renumbered_if_uidvalidity_or_the_next_uid_says_so(
    was: int, now: int, next_uid: int | None, known: set[str], renumbered: bool
) -> None:
    assert is_renumbered(was, Listing("INBOX", now, (), next_uid=next_uid), known) is renumbered
