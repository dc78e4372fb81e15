"""One file's bytes: every way in which they can be wrong is a finding at its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.source.yaml_reader import SIZE_CAP, read_yaml

GOOD = b"version: 1\ntenant: acme\naccounts:\n  - id: support\n    imap: {host: a.example, folders: [INBOX, B]}\n"


def problems(data: bytes) -> list[tuple[str, int, int]]:
    return [(f.code, f.line, f.column) for f in read_yaml(data, "acme.yaml").findings]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"a: [1, 2", ("E004", 1, 9), id="broken YAML"),
        pytest.param(b"a: 1\n b: 2\n", ("E004", 2, 3), id="wrong indentation"),
        pytest.param(b"a:\n\tb: 1\n", ("E004", 2, 1), id="tab"),
        pytest.param(b"a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> x\n", ("E004", 2, 1), id="conflict markers"),
        pytest.param(b"a: \x07", ("E004", 1, 4), id="control character"),
        pytest.param(b'a: "\\ud800"', ("E004", 1, 7), id="lone surrogate"),
        pytest.param(b"a: 1\nb: \xff", ("E003", 2, 4), id="not UTF-8"),
        pytest.param("a: 1".encode("utf-16"), ("E003", 1, 1), id="UTF-16"),
        pytest.param(b"a: 1\na: 2\n", ("E009", 2, 1), id="duplicate key"),
        pytest.param(b"a: &x 1\n", ("E006", 1, 4), id="anchor"),
        pytest.param(b"a: 1\nb: *x\n", ("E006", 2, 4), id="alias"),
        pytest.param(b"a: !!python/object:os.system 1\n", ("E007", 1, 4), id="tag"),
        pytest.param(b"a: !x {b: 1}\n", ("E007", 1, 4), id="tag on a map"),
        pytest.param(b"%YAML 1.1\n---\na: 1\n", ("E008", 1, 1), id="directive"),
        pytest.param(b"%FOO 1\n---\na: 1\n", ("E008", 1, 1), id="unknown directive"),
        pytest.param(b"a: 1\n---\nb: 1\n", ("E010", 2, 1), id="two documents"),
        pytest.param(b"", ("E011", 1, 1), id="empty file"),
        pytest.param(b"- a\n", ("E011", 1, 1), id="a list"),
        pytest.param(b"a: 1\n2: b\n", ("E012", 2, 1), id="key is a number"),
        pytest.param(b"? [a]\n: b\n", ("E012", 1, 3), id="key is a list"),
        pytest.param(b"~: b\n", ("E012", 1, 1), id="key is null"),
    ],
)
@pytest.mark.field("text")
def test_bad_text_is_one_finding_at_its_place(data: bytes, expected: tuple[str, int, int]) -> None:
    assert problems(data) == [expected]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"[" * 100_000, "E005", id="flow lists"),
        pytest.param(b"{a: " * 60_000, "E005", id="flow maps"),
        pytest.param(b"- " * 100_000, "E005", id="block lists"),
        pytest.param(b"? " * 100_000, "E012", id="block keys"),
        pytest.param(b"".join(b" " * i + b"a:\n" for i in range(600)), "E005", id="block maps"),
        pytest.param(b"a: " + b"[" * 100_000 + b"]" * 100_000, "E005", id="closed again"),
    ],
)
@pytest.mark.field("YAML")
def test_a_hundred_thousand_levels_are_a_finding_and_no_crash(data: bytes, code: str) -> None:
    assert [found for found, _, _ in problems(data)] == [code]


def test_forty_levels_are_read() -> None:
    assert problems(b"a: " + b"[" * 39 + b"]" * 39) == []
    assert [code for code, _, _ in problems(b"a: " + b"[" * 40 + b"]" * 40)] == ["E005"]


@pytest.mark.field("large")
def test_five_megabytes_are_too_large() -> None:
    assert problems(b"a: " + b"x" * 5_000_000) == [("E002", 1, 1)]
    assert problems(b"a: " + b"x" * (SIZE_CAP - 3)) == []


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(GOOD, id="as it is"),
        pytest.param(b"\xef\xbb\xbf" + GOOD, id="BOM"),
        pytest.param(GOOD.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n"), id="BOM and CRLF"),
        pytest.param(b"---\n" + GOOD[:0] + GOOD, id="document start"),
    ],
)
@pytest.mark.field("editors")
def test_editors_habits_change_nothing(data: bytes) -> None:
    document = read_yaml(data, "acme.yaml")
    assert document.findings == ()
    assert document.data == {
        "version": 1,
        "tenant": "acme",
        "accounts": [{"id": "support", "imap": {"host": "a.example", "folders": ["INBOX", "B"]}}],
    }


@pytest.mark.parametrize(
    ("pointer", "key", "place"),
    [
        (("version",), False, (1, 10)),
        (("version",), True, (1, 1)),
        (("accounts", 0), False, (4, 5)),
        (("accounts", 0, "imap", "host"), False, (5, 18)),
        (("accounts", 0, "imap", "host"), True, (5, 12)),
        (("accounts", 0, "imap", "folders", 1), False, (5, 46)),
        (("accounts", 0, "imap", "absent"), False, (5, 11)),
        (("accounts", 7, "imap"), False, (4, 3)),
        ((), False, (1, 1)),
    ],
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
@pytest.mark.field("places")
def test_every_value_and_key_has_its_place(
    mark: bytes, pointer: tuple[str | int, ...], key: bool, place: tuple[int, int]
) -> None:
    assert read_yaml(mark + GOOD, "acme.yaml").locate(pointer, key=key) == place


def test_columns_count_characters_not_bytes() -> None:
    assert read_yaml('a: ["äöü", b]'.encode(), "acme.yaml").locate(("a", 1)) == (1, 12)


def test_every_duplicate_and_tag_of_a_file_is_found_in_one_run() -> None:
    assert problems(b"a: 1\na: 2\nb: !x 1\nc:\n  - d: 1\n    d: 2\n") == [
        ("E009", 2, 1),
        ("E007", 3, 4),
        ("E009", 6, 5),
    ]


def test_a_problem_points_at_the_map_it_is_in() -> None:
    (finding,) = read_yaml(b"a:\n  - b: 1\n  - c: 1\n    c: 2\n", "acme.yaml").findings
    assert finding.pointer == "/a/1"


@pytest.mark.field("YAML")
def test_the_first_of_two_equal_keys_counts() -> None:
    assert read_yaml(b"a: 1\na: {b: [2]}\nc: 3\n", "acme.yaml").data == {"a": 1, "c": 3}


def test_a_quoted_scalar_is_text() -> None:
    assert read_yaml(b"a: \"1\"\nb: 'true'\nc: |\n  2\n", "acme.yaml").data == {"a": "1", "b": "true", "c": "2\n"}


@given(st.binary(max_size=200))
@pytest.mark.field("YAML")
def test_whatever_the_bytes_nothing_escapes(data: bytes) -> None:
    document = read_yaml(data, "acme.yaml")
    assert document.usable == isinstance(document.data, dict)
    assert document.usable or document.findings


@given(st.text(alphabet="ab:{}[]-?!&*%|>'\"#\n\t ,~1", max_size=60))
def test_whatever_the_syntax_nothing_escapes(text: str) -> None:
    document = read_yaml(text.encode(), "acme.yaml")
    assert document.usable or document.findings
    assert document.locate(("a", 0)) >= (1, 1)
