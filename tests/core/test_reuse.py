"""Which UIDs are doubtful, and when two heads are one mail's."""

from __future__ import annotations

import pytest

from reconciler.core.reuse import Stored, already_there, doubtful, is_same_mail

HEAD = b"Received: by a\r\n\tat noon\r\nMessage-ID: <1@c.example>\r\nSubject: x\r\n"


@pytest.mark.parametrize(
    ("acknowledged", "taken_away", "shown", "is_doubtful"),
    [
        pytest.param(True, False, 10, False, id="kept, same size"),
        pytest.param(True, False, None, False, id="kept, size not told"),
        pytest.param(True, False, 11, True, id="kept, other size"),
        pytest.param(True, True, 10, True, id="should be gone"),
        pytest.param(False, False, 10, True, id="about to be told of"),
    ],
)
def test_what_is_doubtful(acknowledged: bool, taken_away: bool, shown: int | None, is_doubtful: bool) -> None:
    stored = [Stored("a", 10, acknowledged, taken_away), Stored("gone", 10, False, False)]
    assert doubtful(stored, {"a": shown, "new": 7}) == (("a",) if is_doubtful else ())


def test_what_is_still_to_be_told_comes_first() -> None:
    stored = [Stored("a", 1, True, True), Stored("b", 1, False, False)]
    assert doubtful(stored, {"a": 1, "b": 1}) == ("b", "a")


@pytest.mark.parametrize(
    ("shown", "same"),
    [
        pytest.param(HEAD + b"\r\n", True, id="the same"),
        pytest.param(b"X-UIDL: 7\r\nStatus: RO\r\n" + HEAD, True, id="with fields of the server's own"),
        pytest.param(HEAD.replace(b"\r\n\tat", b" at").replace(b"\r\n", b"\n"), True, id="folded otherwise"),
        pytest.param(HEAD.replace(b"<1@", b"<2@"), False, id="another Message-ID"),
        pytest.param(HEAD.replace(b"noon", b"night"), False, id="another way here"),
        pytest.param(b"", False, id="nothing"),
    ],
)
def test_two_heads_are_one_mails_by_the_fields_that_tell_mails_apart(shown: bytes, same: bool) -> None:
    assert is_same_mail(HEAD + b"\r\nSubject: not a header\r\n", shown) is same


def test_of_mails_alike_as_many_are_there_as_are_shown() -> None:
    other = HEAD.replace(b"<1@", b"<2@")
    stored = {"1": HEAD + b"\r\nbody", "2": HEAD + b"\r\nbody", "3": other, "erased": b""}
    assert already_there(stored, [HEAD + b"X-Server: added\r\n", b""]) == {"1"}
    assert already_there(stored, [HEAD, other, HEAD, HEAD]) == {"1", "2", "3"}
