"""`reconciler import csv`: what can be carried over is written and valid; the rest is named; passwords go nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Answer, Reconciler

HEAD = (
    "Name;E-Mail-Adresse;Typ;Kanal;Protokoll;Server;Port;Verschlüsselung;Benutzer;Passwort;Gewichtung;Mandant;"
    "SMTP-Server"
)
SUPPORT = (
    "Support;info@umbrella.example;Eingangskonto;E-Mail;IMAP;mail.umbrella.example;993;SSL;info;hunter2;5;Umbrella;"
)
REPLY = (
    "Antwort;reply@umbrella.example;Antwortkonto;;IMAP;mail.umbrella.example;;;reply;hunter3;;Umbrella;"
    "smtp.umbrella.example"
)
EWS = "Alt;old@umbrella.example;Eingangskonto;;EWS;mail.umbrella.example;;;old;;;Umbrella;"
OWN = "Zwei;info@umbrella.example;Eingangskonto;;IMAP;other.example;;;two;;;Umbrella;"
MAIN = (
    "Zentrale;reply@service.example;Antwortkonto;;IMAP;mail.service.example;;;reply;;;;smtp.service.example",
    "Zentrale;inquiry@service.example;2nd-Level-Antwort;;IMAP;mail.service.example;;;inquiry;;;;smtp.service.example",
)


@pytest.fixture
def repository(reconciler: Reconciler) -> Path:
    """A new repository in the working directory."""
    reconciler("init", ".")
    return Path("accounts.d")


def imported(reconciler: Reconciler, *rows: str, words: tuple[str, ...] = ()) -> Answer:
    Path("list.csv").write_text("\n".join([HEAD, *rows, ""]), encoding="cp1252")
    return reconciler("import", "csv", "list.csv", "--into", "accounts.d", *words)


def files(root: Path) -> dict[str, str]:
    return {p.relative_to(root).as_posix(): p.read_text() for p in root.rglob("*") if p.is_file()}


def test_the_rows_become_a_valid_tenant(reconciler: Reconciler, repository: Path) -> None:
    answer = imported(reconciler, SUPPORT, REPLY)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == (
        "written accounts.d/umbrella.yaml: umbrella/info, umbrella/reply\n"
        "secret to provide: secrets/umbrella/info (the list shows it)\n"
        "secret to provide: secrets/umbrella/reply (the list shows it)\n"
    )
    assert reconciler("validate").code == 0
    assert "tenant: umbrella\nname: Umbrella\n" in (repository / "umbrella.yaml").read_text()


def test_no_password_is_written_or_printed(reconciler: Reconciler, repository: Path) -> None:
    answer = imported(reconciler, SUPPORT, REPLY, EWS)
    written = {p: p.read_text() for p in Path().rglob("*") if p.is_file() and p.name != "list.csv"}
    assert [p for p, text in written.items() if "hunter" in text] == []
    assert "hunter" not in answer.out + answer.err


def test_what_cannot_be_carried_over_is_named_and_the_rest_is_written(reconciler: Reconciler, repository: Path) -> None:
    answer = imported(reconciler, SUPPORT, EWS, words=("--format", "json"))
    assert answer.code == 1
    assert (answer.json["added"], answer.json["files"]) == (["umbrella/info"], ["umbrella.yaml"])
    assert [p["line"] for p in answer.json["problems"]] == [3]


def test_rows_that_are_not_valid_together_stay_behind(reconciler: Reconciler, repository: Path) -> None:
    answer = imported(reconciler, SUPPORT, OWN, REPLY, words=("--format", "json"))
    assert (answer.code, answer.json["added"]) == (1, ["umbrella/info", "umbrella/reply"])
    assert [p["line"] for p in answer.json["problems"]] == [3]
    assert reconciler("validate").code == 0


def test_an_address_of_another_tenant_stays_behind(reconciler: Reconciler, repository: Path) -> None:
    row = SUPPORT.replace("info@umbrella.example", "support@acme.example")
    before = files(repository)
    answer = imported(reconciler, row)
    assert (answer.code, files(repository)) == (1, before)
    assert "line 2: not carried over" in answer.err


def test_a_dry_run_writes_nothing(reconciler: Reconciler, repository: Path) -> None:
    before = files(repository)
    answer = imported(reconciler, SUPPORT, words=("--dry-run",))
    assert (answer.code, files(repository)) == (0, before)
    assert answer.out.startswith("would write accounts.d/umbrella.yaml: umbrella/info\n")


def test_twice_changes_nothing(reconciler: Reconciler, repository: Path) -> None:
    imported(reconciler, SUPPORT, REPLY)
    before = files(repository)
    answer = imported(reconciler, SUPPORT, REPLY)
    assert (answer.code, files(repository)) == (0, before)
    assert "there already: umbrella/info\n" in answer.out


def test_an_existing_file_keeps_its_words(reconciler: Reconciler, repository: Path) -> None:
    imported(reconciler, SUPPORT.replace("Umbrella", "acme"))
    text = (repository / "acme.yaml").read_text()
    assert "  - id: info\n" in text
    assert "# Rules are asked in this order" in text


@pytest.mark.parametrize(
    "others",
    [
        [SUPPORT.replace("Umbrella", "Umbrella AG"), REPLY.replace("Umbrella", "umbrella-ag")],
        [SUPPORT.replace("Umbrella", "Ac me")],
        [SUPPORT.replace("Umbrella", "Main")],
        [SUPPORT.replace("Umbrella", "***")],
        [SUPPORT.replace("Umbrella", "")],
        [MAIN[0]],
    ],
    ids=["two names for one", "another name of a file", "main", "no name", "none", "main.yaml is there"],
)
def test_a_doubtful_tenant_gets_nothing(reconciler: Reconciler, repository: Path, others: list[str]) -> None:
    (repository / "ac-me.yaml").write_text("version: 1\ntenant: ac-me\nname: Somebody else\naccounts: []\n")
    before = files(repository)
    answer = imported(reconciler, *others)
    assert (answer.code, files(repository)) == (1, before)


def test_rows_without_tenant_become_the_main_accounts(reconciler: Reconciler, repository: Path) -> None:
    (repository / "main.yaml").unlink()
    assert imported(reconciler, *MAIN).code == 0
    assert reconciler("validate").code == 0


def test_a_broken_file_stops_its_own_tenant_only(reconciler: Reconciler, repository: Path) -> None:
    (repository / "acme.yaml").write_text("version: [")
    answer = imported(reconciler, SUPPORT.replace("Umbrella", "acme"), REPLY, words=("--format", "json"))
    assert (answer.code, answer.json["added"]) == (1, ["umbrella/reply"])
    assert (repository / "acme.yaml").read_text() == "version: ["


def test_a_list_that_is_not_there_or_a_folder_that_is_not_there_is_told(reconciler: Reconciler) -> None:
    assert reconciler("import", "csv", "list.csv", "--into", "accounts.d").code == 78
    Path("accounts.d").mkdir()
    assert "list.csv" in reconciler("import", "csv", "list.csv", "--into", "accounts.d").err
