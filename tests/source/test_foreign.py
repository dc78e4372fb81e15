"""A foreign list: its words are understood in both languages, its passwords are never kept, odd rows are named."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.errors import Invalid
from reconciler.source.foreign import ForeignList, read_csv, slug

HEAD = "Name;E-Mail-Adresse;Systemkonto/Typ;Protokoll;Server/Host;Benutzer;Mandant"
ROW = {
    "Name": "Support",
    "E-Mail-Adresse": "support@acme.example",
    "Systemkonto/Typ": "Eingangskonto",
    "Protokoll": "IMAP",
    "Server/Host": "mail.acme.example",
    "Benutzer": "support",
    "Mandant": "Acme",
}
SMTP = {"SMTP-Server": "smtp.acme.example"}


def read(*rows: dict[str, str], delimiter: str = ";", encoding: str = "utf-8") -> ForeignList:
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, *([row.get(name, "") for name in names] for row in rows)]
    text = "".join(delimiter.join(line) + "\r\n" for line in lines)
    return read_csv(text.encode(encoding), {"imap", "pop3"})


def only(**cells: str) -> dict[str, Any]:
    """The account of a list with one row that is like ROW but for these cells."""
    found = read(ROW | cells)
    assert found.problems == ()
    return dict(found.rows[0].account)


def test_a_row_is_an_account() -> None:
    found = read(ROW)
    (row,) = found.rows
    assert (row.line, row.tenant, row.tenant_text, row.has_password) == (2, "acme", "Acme", False)
    assert row.account == {
        "id": "support",
        "name": "Support",
        "type": "inbound",
        "address": "support@acme.example",
        "protocol": "imap",
        "imap": {"host": "mail.acme.example", "username": "support", "password": {"secret": "support"}},
    }


def test_the_english_words_mean_the_same() -> None:
    english = read(
        {
            "name": "Support",
            "Address": "support@acme.example",
            "type": "inbound",
            "protocol": "imap",
            "host": "mail.acme.example",
            "username": "support",
            "tenant": "acme",
        }
    )
    assert english.rows[0].account == read(ROW).rows[0].account


@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_delimiter_and_encoding_are_found_out(delimiter: str, encoding: str) -> None:
    found = read(ROW | {"Name": "Müller", "Verschlüsselung": "STARTTLS"}, delimiter=delimiter, encoding=encoding)
    assert (found.problems, found.ignored) == ((), ())
    assert found.rows[0].account["name"] == "Müller"
    assert found.rows[0].account["imap"]["security"] == "starttls"


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("Antwortkonto", "reply"),
        ("2nd-Level-Antwort", "second-level-reply"),
        ("2nd Level Antwortkonto", "second-level-reply"),
        ("second-level-reply", "second-level-reply"),
        ("reply", "reply"),
        ("EINGANGSKONTO", "inbound"),
    ],
)
def test_the_manuals_words_for_the_types_are_known(word: str, kind: str) -> None:
    assert only(**{"Systemkonto/Typ": word, **SMTP})["type"] == kind


@pytest.mark.parametrize(
    ("protocol", "port", "word", "expected"),
    [
        ("IMAP", "", "", None),
        ("IMAP", "993", "SSL/TLS", "tls"),
        ("IMAP", "993", "TLS", "tls"),
        ("IMAP", "143", "TLS", "starttls"),
        ("IMAP", "143", "SSL", "tls"),
        ("IMAP", "143", "keine", "none"),
        ("IMAPS", "", "", "tls"),
        ("IMAP", "", "StartTLS", "starttls"),
    ],
    ids=str,
)
def test_encryption_is_what_the_word_and_the_port_say(
    protocol: str, port: str, word: str, expected: str | None
) -> None:
    block = only(Protokoll=protocol, Port=port, Verschlüsselung=word)["imap"]
    assert block.get("security") == expected


def test_further_columns_are_carried_over() -> None:
    account = only(Gewichtung="7", Port="993", Ordner="Web", Kanal="E-Mail")
    assert (account["weight"], account["imap"]["port"], account["imap"]["folders"]) == (7, 993, ["Web"])


def test_pop3_has_its_own_block() -> None:
    assert only(Protokoll="POP3")["pop3"]["host"] == "mail.acme.example"


@pytest.mark.parametrize(
    ("cells", "username", "secret"),
    [
        ({}, "support", "support"),
        ({"SMTP-Benutzer": "other"}, "other", "support-smtp"),
        ({"Passwort": "a", "SMTP-Passwort": "b"}, "support", "support-smtp"),
        ({"Passwort": "a", "SMTP-Passwort": "a"}, "support", "support"),
    ],
    ids=["same login", "another login", "another password", "same password"],
)
def test_sending_has_the_mailboxes_login_unless_the_list_says_another(
    cells: dict[str, str], username: str, secret: str
) -> None:
    smtp = only(**SMTP, **{"SMTP-Port": "587"}, **cells)["smtp"]
    assert smtp == {
        "host": "smtp.acme.example",
        "port": 587,
        "username": username,
        "password": {"secret": secret},
    }


def test_a_password_is_seen_and_not_kept() -> None:
    found = read(ROW | {"Passwort": "hunter2"})
    assert found.rows[0].has_password
    assert "hunter2" not in repr(found)


def test_accounts_of_one_name_get_ids_of_their_own() -> None:
    found = read(ROW, ROW | {"E-Mail-Adresse": "support@acme-shop.example"}, ROW | {"Mandant": "Umbrella"})
    assert [(r.tenant, r.account["id"], r.account["imap"]["password"]["secret"]) for r in found.rows] == [
        ("acme", "support", "support"),
        ("acme", "support-acme-shop-example", "support-acme-shop-example"),
        ("umbrella", "support", "support"),
    ]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"Protokoll": "EWS"}, "protocol"),
        ({"Kanal": "Chat"}, "channel"),
        ({"Systemkonto/Typ": "Sammelkonto"}, "type"),
        ({"Systemkonto/Typ": "Antwortkonto"}, "submission server"),
        ({"Verschlüsselung": "vielleicht"}, "encryption"),
        ({"Port": "70000"}, "port"),
        ({"Gewichtung": "viel"}, "weight"),
        ({"Benutzer": ""}, "username"),
        ({"id": "No Name"}, "id"),
        ({"E-Mail-Adresse": "+@acme.example"}, "id"),
    ],
    ids=str,
)
def test_a_row_that_cannot_be_carried_over_says_why_and_what_to_do(cells: dict[str, str], reason: str) -> None:
    found = read(ROW, ROW | cells)
    assert [(p.line, reason in p.reason, bool(p.mend)) for p in found.problems] == [(3, True, True)]
    assert len(found.rows) == 1


@pytest.mark.parametrize(
    "row",
    [
        "a;b@c.example;inbound;imap;h;u;t;hunter2",
        "a;b@c.example;inbound;hunter2;h;u;t",
        "a;b@c.example;hunter2;imap;h;u;t",
    ],
    ids=["too many cells", "in the protocol", "in the type"],
)
def test_no_problem_repeats_a_cell(row: str) -> None:
    found = read_csv(f"{HEAD}\n{row}\n".encode(), {"imap"})
    assert len(found.problems) == 1
    assert "hunter2" not in repr(found)


def test_columns_that_mean_nothing_here_are_named_if_they_hold_something() -> None:
    assert read(ROW | {"Bemerkung": "alt", "Leer": ""}).ignored == ("Bemerkung",)


def test_line_numbers_are_the_files() -> None:
    text = f'{HEAD}\n"two\nlines";b@c.example;inbound;imap;h;u;t\n\na;d@c.example;inbound;ews;h;u;t\n'
    found = read_csv(text.encode(), {"imap"})
    assert ([r.line for r in found.rows], [p.line for p in found.problems]) == ([2], [5])


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "empty"), ("Name;Typ\n", "no column for address"), (f"{HEAD};Login\n", "mean the same")],
    ids=["empty", "columns missing", "a column twice"],
)
def test_what_is_no_list_is_refused(text: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        read_csv(text.encode(), {"imap"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Müller & Söhne", "mueller-soehne"),
        ("Groß AG", "gross-ag"),
        ("Café", "cafe"),
        ("***", ""),
        ("a" * 50, "a" * 40),
    ],
)
def test_a_name_is_made_of_a_text(text: str, expected: str) -> None:
    assert slug(text) == expected
