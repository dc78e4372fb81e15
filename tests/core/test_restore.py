"""Which mails a restore makes doubtful."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.core.head import parse_head
from reconciler.core.restore import CLOCKS_DIFFER, arrival, predates

RESTORED = datetime(2026, 3, 1, 12, tzinfo=UTC)
RECEIVED = (
    b"Received: from a.example by mail.acme.example; Sun, 1 Mar 2026 14:00:00 +0200\r\n"
    b"Received: from b.example by a.example; Sun, 1 Mar 2026 10:00:00 +0000\r\n"
    b"Date: Mon, 1 Mar 2027 10:00:00 +0000\r\n\r\n"
)


@pytest.mark.parametrize(
    ("arrived", "expected"),
    [
        (RESTORED - timedelta(days=1), True),
        (RESTORED + timedelta(minutes=1), True),
        (RESTORED + CLOCKS_DIFFER, False),
        (RESTORED + timedelta(days=1), False),
        (None, True),
    ],
    ids=["before", "minutes after", "after the difference of clocks", "a day after", "nobody knows"],
)
def test_a_mail_from_before_the_restore_is_doubtful(arrived: datetime | None, expected: bool) -> None:
    assert predates(arrived, RESTORED) is expected


def test_without_a_restore_no_mail_is() -> None:
    assert not predates(None, None)


@pytest.mark.parametrize(
    ("internal", "raw", "expected"),
    [
        (RESTORED - timedelta(days=2), RECEIVED, RESTORED - timedelta(days=2)),
        (None, RECEIVED, RESTORED),
        (None, b"Date: Sun, 1 Mar 2026 12:00:00 +0000\r\n\r\n", None),
        (None, b"Received: nonsense; not a date\r\n\r\n", None),
        (None, b"Received: nothing\r\n\r\n", None),
    ],
    ids=["the server's date", "the topmost Received", "never the author's", "no date", "no stamp"],
)
def test_the_server_says_when_a_mail_came(internal: datetime | None, raw: bytes, expected: datetime | None) -> None:
    assert arrival(internal, parse_head(raw)) == expected
