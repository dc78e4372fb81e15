"""`reconciler inspect`: real files and folders, in this process and over several."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.report.inspect import Form
from reconciler.runtime.inspection import Source, inspect_mails
from tests.cli.conftest import Reconciler

MAILS = Path(__file__).parents[1] / "mails"
KEYS = [
    *("path", "kind", "detail", "relay", "evidence", "from", "to", "subject", "date", "message_id", "text"),
    "attachments",
]


def _rows(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_an_object_a_mail_with_the_keys_of_the_contract(reconciler: Reconciler) -> None:
    answer = reconciler("inspect", str(MAILS / "bounce/postfix_dsn.eml"), "--format", "ndjson")
    (row,) = _rows(answer.out)
    assert (answer.code, answer.err, list(row)) == (0, "", KEYS)
    assert (row["kind"], row["relay"]) == ("bounce", False)
    assert row["detail"] == {
        "out_of_office": False,
        "permanent": True,
        "status": "5.1.1",
        "recipient": "expert@partner.example",
    }
    assert row["evidence"][0]["signal"] == "rfc3464-delivery-status"


def test_the_example_of_the_page_on_kinds_is_what_is_printed(
    reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, sample = MAILS.parents[1], "tests/mails/bounce/postfix_dsn.eml"
    monkeypatch.chdir(root)
    said = reconciler("inspect", sample).out
    page = (root / "docs" / "kinds.md").read_text(encoding="utf-8")
    assert f"```console\n$ reconciler inspect {sample}\n{said}```" in page


def test_a_mail_of_a_person_may_be_relayed(reconciler: Reconciler) -> None:
    (row,) = _rows(reconciler("inspect", str(MAILS / "human/plain_answer.eml"), "--format", "ndjson").out)
    assert (row["kind"], row["relay"], row["evidence"]) == ("human", True, [])
    assert row["from"]["address"]
    assert row["to"][0].keys() == {"name", "address"}
    assert row["text"]


def test_a_folder_is_walked_in_name_order_without_hidden_files(reconciler: Reconciler, tmp_path: Path) -> None:
    for name in ("b/2.eml", "b/1.eml", "a.eml", "c.eml", ".hidden.eml", ".git/x.eml"):
        (tmp_path / "m" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "m" / name).write_bytes(b"From: a@b.example\nSubject: S\n\nText\n")
    os.mkfifo(tmp_path / "m/fifo")
    rows = _rows(reconciler("inspect", "m", "--format", "ndjson").out)
    assert [row["path"] for row in rows] == ["m/a.eml", "m/b/1.eml", "m/b/2.eml", "m/c.eml"]


def test_standard_input_is_one_mail(reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"From: a@b.example\nSubject: Hello\n\nText\n")))
    (row,) = _rows(reconciler("inspect", "-", "--format", "ndjson").out)
    assert (row["path"], row["subject"], row["text"]) == ("-", "Hello", "Text")


def test_what_cannot_be_read_is_a_row_and_the_others_go_on(reconciler: Reconciler, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/broken.eml").symlink_to("nowhere")
    (tmp_path / "m/good.eml").write_bytes(b"From: a@b.example\nSubject: S\n\nText\n")
    answer = reconciler("inspect", "m", "missing.eml", "--format", "ndjson")
    rows = _rows(answer.out)
    assert answer.code == 1
    assert [(row["path"], row["kind"], list(row)) for row in rows] == [
        ("m/broken.eml", None, KEYS),
        ("m/good.eml", "human", KEYS),
        ("missing.eml", None, KEYS),
    ]
    assert rows[2]["evidence"][0]["detail"] == "No such file or directory"


def test_an_empty_file_is_a_row_that_says_so_and_is_never_relayed(reconciler: Reconciler, tmp_path: Path) -> None:
    (tmp_path / "empty.eml").touch()
    answer = reconciler("inspect", "empty.eml", "--format", "ndjson")
    (row,) = _rows(answer.out)
    assert (answer.code, row["relay"], row["evidence"][-1]["signal"]) == (0, False, "unreadable")


def test_text_says_kind_reason_and_how_many(reconciler: Reconciler) -> None:
    answer = reconciler("inspect", str(MAILS / "bounce/postfix_dsn.eml"), str(MAILS / "human/plain_answer.eml"))
    assert "bounce (permanent, 5.1.1, expert@partner.example), never relayed" in answer.out
    assert "because   rfc3464-delivery-status (RFC 3464 section 2)" in answer.out
    assert answer.out.endswith("2 mails: 1 bounce, 1 human\n")


def test_a_mail_cannot_move_the_cursor(reconciler: Reconciler, tmp_path: Path) -> None:
    (tmp_path / "m.eml").write_bytes("From: \u202ea@b.example\nSubject: =?utf-8?q?=1B[2J?=\n\n\x9b2J\u202e\n".encode())
    for output in ("text", "ndjson"):
        printed = reconciler("inspect", "m.eml", "--format", output).out
        assert all(char.isprintable() or char == "\n" for char in printed)


def test_several_processes_say_the_same_in_the_same_order(tmp_path: Path) -> None:
    mails = [Source(str(path)) for path in sorted(MAILS.glob("*/*.eml"))] * 3 + [Source("missing")]
    alone = list(inspect_mails(mails, Form(as_json=True), processes=1))
    assert len(alone) > 100
    assert list(inspect_mails(mails, Form(as_json=True), processes=2)) == alone


def test_the_html_is_given_on_demand_and_harmless(reconciler: Reconciler, tmp_path: Path) -> None:
    html = "<p onclick=x>Hi<script>y</script><img src=https://t.example/1><img src=cid:1><a href=javascript:z>a</a>"
    (tmp_path / "m.eml").write_text(f"From: a@b.example\nContent-Type: text/html\n\n{html}")
    (row,) = _rows(reconciler("inspect", "m.eml", "--html", "--format", "ndjson").out)
    assert list(row) == [*KEYS, "html"]
    assert row["html"] == '<p>Hi<img><img src="cid:1"><a rel="noopener noreferrer nofollow">a</a></p>'
