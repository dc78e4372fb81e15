"""docs/session.md says what the commands of today print."""

from __future__ import annotations

from tests.docs.session import TARGET, written


def test_the_session_is_what_the_commands_print() -> None:
    assert TARGET.read_bytes() == written().encode(), "run: make session"
