"""Adding accounts to a file: the new one is read back, and of what a person wrote not a character is lost."""

from __future__ import annotations

import re
from typing import Any

import pytest

from reconciler.core.errors import Invalid
from reconciler.source.edit import new_file, with_accounts
from reconciler.source.yaml_reader import read_yaml

NEW: dict[str, Any] = {
    "id": "new",
    "name": "Größe: no, 1_000 #1",
    "protocol": "imap",
    "imap": {"host": "mail.acme.example", "port": 993, "password": {"secret": "new"}},
}

FILES = {
    "comments between and behind": (
        "# head\nversion: 1  # one\ntenant: acme\naccounts:\n"
        '  - id: a          # aligned\n    name: "Quoted"\n    imap: { host: x,  port: 993 }\n\n'
        "  # about b\n  - {id: b, name: 'B'}  # b itself\n    # weight: 5\n\n# rules begin here\nrouting: []\n"
    ),
    "one account": "version: 1\naccounts:\n  - id: a\n    name: A\n",
    "no indentation": "version: 1\naccounts:\n- id: a\n  name: A\n- id: b\n# rules\nrouting: []\n",
    "wide dashes": "version: 1\naccounts:\n    -   id: a\n        name: A\nrouting: []\n",
    "an empty list": "version: 1\naccounts: []   # none yet\nrouting: []\n",
    "null": "version: 1\naccounts:\nrouting: []\n",
    "no key": "version: 1\ntenant: acme",
    "json": '{"version": 1,\n "accounts": [{"id": "a"},\n  {"id": "b"}\n ],\n "routing": []\n}\n',
    "json without the key": '{"version": 1}',
    "json, empty": '{"version": 1, "accounts": []}',
    "an empty list over lines": "version: 1\naccounts: [\n]\nrouting: []\n",
    "a flow list": "version: 1\naccounts: [{id: a}, {id: b},]  # both\nrouting: []\n",
    "crlf": "version: 1\r\naccounts:\r\n  - id: a\r\n    name: A\r\n\r\n# rules\r\nrouting: []\r\n",
    "a byte order mark": "\ufeffversion: 1\naccounts:\n  - id: ä\n    name: €\n",
    "a block scalar at the end": "version: 1\naccounts:\n  - id: a\n    name: |\n      A\n\nrouting: []\n",
    "no line end": "version: 1\naccounts:\n  - id: a",
    "accounts first": "accounts:\n  - id: a\nversion: 1\n",
}


def data(text: str) -> dict[str, Any]:
    document = read_yaml(text.encode(), "acme.yaml")
    assert document.findings == ()
    value: dict[str, Any] = document.data
    return value


@pytest.mark.parametrize("text", FILES.values(), ids=FILES.keys())
def test_the_account_comes_behind_the_others_and_nothing_else_changes(text: str) -> None:
    before = data(text)
    after = with_accounts(text, "acme.yaml", [NEW])
    assert data(after) == {**before, "accounts": [*(before.get("accounts") or []), NEW]}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES.keys())
def test_of_what_stood_there_nothing_is_lost(text: str) -> None:
    after = with_accounts(text, "acme.yaml", [NEW, NEW | {"id": "newer"}])
    rest = iter(after)
    assert all(character in rest for character in re.sub(r" *\[\]", "", text))


def test_comments_stay_with_what_they_are_about() -> None:
    after = with_accounts(FILES["comments between and behind"], "acme.yaml", [NEW])
    assert after == FILES["comments between and behind"].replace(
        "    # weight: 5\n",
        "    # weight: 5\n\n  - id: new\n    name: 'Größe: no, 1_000 #1'\n    protocol: imap\n"
        "    imap: {host: mail.acme.example, port: 993, password: {secret: new}}\n",
    )


def test_windows_line_ends_stay() -> None:
    after = with_accounts(FILES["crlf"], "acme.yaml", [NEW])
    assert after.count("\n") == after.count("\r\n")


@pytest.mark.parametrize(
    "value",
    [
        "no",
        "1",
        "1_000",
        "2026-01-31",
        "0x1f",
        "null",
        "~",
        "a: b",
        "a # b",
        "- a",
        "*x",
        "",
        " ",
        "'",
        '"',
        "{a}",
        "é",
        "1e3",
    ],
)
def test_every_text_reads_back_as_it_was(value: str) -> None:
    account = {"id": "a", "name": value, "imap": {"username": value}}
    assert data(with_accounts(new_file("acme"), "acme.yaml", [account]))["accounts"] == [account]


def test_a_new_file_names_its_schema_and_tenant() -> None:
    text = new_file("acme", name="Acme: & Söhne")
    assert text.startswith("# yaml-language-server: $schema=../schemas/tenant.schema.json\n")
    assert data(text) == {"version": 1, "tenant": "acme", "name": "Acme: & Söhne", "accounts": []}


@pytest.mark.parametrize(
    "text", ["version: [", "accounts: 7\n", "- a\n", "accounts: &x []\n", "a: 1\na: 2\n"], ids=repr
)
def test_a_file_that_cannot_be_read_is_not_touched(text: str) -> None:
    with pytest.raises(Invalid, match=r"acme\.yaml"):
        with_accounts(text, "acme.yaml", [NEW])
