"""Every way a server asks for patience is understood, with the time it means."""

from __future__ import annotations

import pytest

from reconciler.core.manners import IMAP, asked, is_about_connections, seconds_asked


@pytest.mark.parametrize(
    ("says", "seconds"),
    [
        ("[UNAVAILABLE] User's backend down", None),
        ("[INUSE] Mailbox in use", 30),
        ("[LIMIT] Too many", 300),
        ("[OVERQUOTA] Quota exceeded", 900),
        ("[ALERT] Account exceeded command or bandwidth limits. (Failure)", 3600),
        ("[THROTTLED] done", 60),
        ("[ALERT] Too many simultaneous connections. (Failure)", 60),
        ("* BYE Too many connections from your IP address", 60),
        ("Too many open connections", 60),
        ("Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)", 60),
        ("Request is throttled. Suggested Backoff Time: 299 milliseconds", 0.299),
        ("BYE Request is throttled.", 60),
        ("Suggested Backoff Time: soon", 60),
    ],
)
def test_a_server_that_asks_to_wait_is_understood(says: str, seconds: float | None) -> None:
    assert asked(says) is not None
    assert seconds_asked(says) == seconds


@pytest.mark.parametrize("says", ["[AUTHENTICATIONFAILED] Invalid credentials", "[NONEXISTENT] no such folder", "done"])
def test_other_words_do_not_ask_to_wait(says: str) -> None:
    assert asked(says) is None
    assert seconds_asked(says) is None


@pytest.mark.parametrize(
    ("says", "is_one"),
    [
        ("[ALERT] Too many simultaneous connections. (Failure)", True),
        ("[LIMIT] Too many", True),
        ("* BYE Too many connections", True),
        ("[UNAVAILABLE] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)", False),
        ("[INUSE] Mailbox in use", False),
        ("[AUTHENTICATIONFAILED] Too many bad passwords", False),
    ],
)
def test_only_words_that_may_mean_all_our_connections_teach_a_limit(says: str, is_one: bool) -> None:
    assert is_about_connections(says) == is_one


def test_every_row_says_where_it_comes_from() -> None:
    assert all(manner.source for manner in IMAP)
