"""IMAP on the wire: whatever the bytes and however they are cut, the same responses or an error."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.protocol.imap_wire import MOST_LINE, Response, Wire, WireError

DATE = b"01-May-2026 10:00:00 +0200"
CONVERSATION = (
    b"* OK [CAPABILITY IMAP4rev1] ready {5}\r\n"
    b"* 2 EXISTS\r\n"
    b"* SEARCH 3 9\r\n"
    b'* 1 FETCH (UID 3 FLAGS (\\Seen $Junk) INTERNALDATE "' + DATE + b'" BODY[] {9}\r\na\r\nb\x00c)\r\n)\r\n'
    b'* 2 FETCH (BODY[HEADER.FIELDS (FROM "TO")] ~{2}\r\n\r\n UID 9 X "a \\"q\\" b" NIL ())\r\n'
    b"+ idling\r\n"
    b"a1 OK done\r\n"
)


def heard(pieces: Iterable[bytes], most_literal: int = 100) -> list[Response] | str:
    """The responses, or what was wrong."""
    wire, found = Wire(most_literal), list[Response]()
    try:
        for piece in pieces:
            wire.feed(piece)
            while (response := wire.next()) is not None:
                found.append(response)
    except WireError as error:
        return str(error)
    return found


def one(line: bytes) -> Response:
    """The only response of a line."""
    found = heard([line])
    assert isinstance(found, list)
    [response] = found
    return response


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    ends = sorted({min(place, len(data)) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def test_a_conversation_is_read_into_responses() -> None:
    responses = heard([CONVERSATION])
    assert isinstance(responses, list)
    greeting, exists, search, first, second, idling, done = responses
    assert (greeting.tag, greeting.word, greeting.code) == (b"*", b"OK", (b"CAPABILITY", b"IMAP4rev1"))
    assert exists.numbered == (2, b"EXISTS")
    assert search.values(1) == [b"3", b"9"]
    assert first.numbered == (1, b"FETCH")
    assert first.values(2) == [
        [b"UID", b"3", b"FLAGS", [b"\\Seen", b"$Junk"], b"INTERNALDATE", DATE, b"BODY[]", b"a\r\nb\x00c)\r\n"]
    ]
    expected = [b'BODY[HEADER.FIELDS (FROM "TO")]', b"\r\n", b"UID", b"9", b"X", b'a "q" b', None, []]
    assert second.values(2) == [expected]
    assert (idling.tag, idling.text) == (b"+", b"idling")
    assert (done.tag, done.word, done.code) == (b"a1", b"OK", None)


@given(st.lists(st.integers(0, len(CONVERSATION))))
def test_however_a_conversation_is_cut_it_is_the_same(places: list[int]) -> None:
    assert heard(cut(CONVERSATION, places)) == heard([CONVERSATION])


@given(st.lists(st.sampled_from([b"* ", b"1 FETCH (", b"{3}\r\n", b'"', b"\\", b"[", b"]", b")", b"\r\n", b"a1 OK "])))
def test_however_anything_is_cut_it_is_the_same(words: list[bytes]) -> None:
    data = b"".join(words)
    assert heard([bytes([one]) for one in data]) == heard([data])


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_any_bytes_are_responses_or_an_error_and_can_be_asked_for_values(data: bytes, places: list[int]) -> None:
    found = heard(cut(data, places))
    assert found == heard([data])
    for response in found if isinstance(found, list) else ():
        try:
            response.values(0)
        except WireError as error:
            assert str(error)  # noqa: PT017
        assert response.code is None or response.code[0]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"* 1 FETCH (BODY[] {101}\r\n", "a literal of 101 bytes, more than was asked for"),
        (b"* 1 FETCH (BODY[] {999999999999}\r\n", "a literal of 999999999999 bytes, more than was asked for"),
        (b"*" * (MOST_LINE + 1), "a line without end"),
        (b"* 1 FETCH (" + b"{0}\r\n" * 5000, "a literal of 0 bytes, more than was asked for"),
        (b"* 1 FETCH (" + b"x" * 60_000 + b" {1}\r\n" + b"y" * 60_000, "a line without end"),
    ],
    ids=["literal", "huge literal", "line", "literals without end", "line around a literal"],
)
def test_what_is_kept_is_bounded(data: bytes, error: str) -> None:
    assert heard([data]) == error


@pytest.mark.parametrize("text", [b"(((", b")", b'("', b"(" * 50 + b")" * 50], ids=["open", "closed", "quote", "deep"])
def test_torn_values_are_an_error(text: bytes) -> None:
    response = one(b"* 1 FETCH " + text + b"\r\n")
    with pytest.raises(WireError):
        response.values(2)


@pytest.mark.parametrize("evil", [b"[", b'"\\', b"[ ", b"("], ids=repr)
def test_a_hostile_line_costs_no_more_than_its_length(evil: bytes) -> None:
    line = b"* 1 FETCH " + evil * (60_000 // len(evil)) + b"\r\n"
    response = one(line)
    with contextlib.suppress(WireError):
        assert response.values(2)


def test_a_search_answer_may_be_as_long_as_a_folder_is_large() -> None:
    numbers = b" ".join(b"%d" % n for n in range(200_000))
    response = one(b"* SEARCH " + numbers + b"\r\n")
    assert len(response.values(1)) == 200_000
