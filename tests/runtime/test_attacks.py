"""Attacks by mail, a row each: what comes of it at the customer's, and that nothing else does."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from email import message_from_bytes
from email.message import Message

import pytest

from reconciler.core.outgoing import violations
from reconciler.core.referral import ReferralEvent
from reconciler.runtime.referring import end_referral
from reconciler.store import cases
from tests.mailroom import AGENT, MailRoom, letter

CUSTOMER, EXPERT = "carla@customer.example", "expert@partner.example"


@pytest.fixture
def room() -> MailRoom:
    """A case of acme's that the expert was asked about."""
    made = MailRoom()
    made.receive("acme/support", letter(CUSTOMER, "support@acme.example"))
    made.ask(1, EXPERT)
    return made


def question(room: MailRoom, number: int = 1) -> Message:
    return message_from_bytes(room.sent(number))


def answer(
    room: MailRoom, *headers: str, sender: str = EXPERT, text: str = "On Monday.", account: str = "acme/reply"
) -> None:
    """An answer to the question by its thread and token."""
    asked = question(room)
    room.receive(
        account, letter(sender, str(asked["Reply-To"]), "Re", text, f"In-Reply-To: {asked['Message-ID']}", *headers)
    )


def to_customer(room: MailRoom) -> list[bytes]:
    return [room.sent(row.id) for row in room.outbox() if row.recipient == CUSTOMER]


@pytest.mark.parametrize(
    ("sender", "reason"),
    [
        (CUSTOMER, "unexpected-sender"),
        (AGENT, "unexpected-sender"),
        ("support@acme.example", "own-address"),
        ("support@globex.example", "own-address"),
        ("expert@partner.example.evil.example", "unexpected-sender"),
        ("expert@pаrtner.example", "unexpected-sender"),
        (f'"{EXPERT}" <x@evil.example>', "unexpected-sender"),
    ],
    ids=["customer", "agent", "ours", "ours-elsewhere", "longer-domain", "homoglyph", "address-as-name"],
)
def test_from_somebody_else_is_held(room: MailRoom, sender: str, reason: str) -> None:
    answer(room, sender=sender)
    assert (to_customer(room), room.held()) == ([], [reason])


def test_a_reply_to_sends_nothing_anywhere_else(room: MailRoom) -> None:
    answer(room, "Reply-To: thief@evil.example")
    (row,) = [row for row in room.outbox() if row.purpose == "relay"]
    assert row.recipient == CUSTOMER
    assert b"evil.example" not in room.sent(row.id)


@pytest.mark.parametrize(
    "subject",
    [
        "=?utf-8?q?x=0D=0ABcc:_thief@evil.example?=",
        "=?utf-8?b?eA0KLg0KTUFJTCBGUk9NOjx4QHk+?=",
        "x\x00y",
        "\u202egpj.exe",
    ],
    ids=["crlf", "smuggled", "nul", "bidi"],
)
def test_what_goes_out_is_clean_whatever_the_customers_subject_is(subject: str) -> None:
    made = MailRoom()
    made.receive(
        "acme/support", letter(f"=?utf-8?q?Carla=0D=0ABcc:x=40y.example?= <{CUSTOMER}>", "x@x.example", subject)
    )
    made.ask(1, EXPERT)
    answer(made, text="Bare\rCR, bare\nLF, \x00 and\r\n.\r\nMAIL FROM:<x@y>")
    for raw in [made.sent(row.id) for row in made.outbox()]:
        assert violations(raw) == ()
        assert message_from_bytes(raw)["Bcc"] is None
        assert "\u202e" not in str(message_from_bytes(raw)["Subject"])


def test_ten_thousand_recipients_get_nothing(room: MailRoom) -> None:
    many = ", ".join(f"r{number}@evil.example" for number in range(10_000))
    answer(room, f"Cc: {many}")
    assert {row.recipient for row in room.outbox()} <= {CUSTOMER, EXPERT}


def test_a_message_id_that_is_used_again_loses_no_mail(room: MailRoom) -> None:
    room.receive(
        "acme/support", letter("a@x.example", "support@acme.example", "One", "1", "Message-ID: <same@x.example>")
    )
    room.receive(
        "acme/support", letter("b@x.example", "support@acme.example", "Two", "2", "Message-ID: <same@x.example>")
    )
    assert [case.customer_address for case in room.cases()] == [CUSTOMER, "a@x.example", "b@x.example"]


def test_the_same_answer_at_two_accounts_is_relayed_once(room: MailRoom) -> None:
    answer(room)
    answer(room, account="acme/support")
    answer(room, account="acme/sales")
    assert len(to_customer(room)) == 1


@pytest.mark.parametrize("more", ["\r\n", "\r\n\r\n \r\n"], ids=["one", "several"])
def test_an_answer_that_comes_again_with_more_blank_lines_is_relayed_once(room: MailRoom, more: str) -> None:
    answer(room)
    answer(room, text=f"On Monday.{more}", account="acme/support")
    assert len(to_customer(room)) == 1
    assert (room.actions()[-2:], room.held()) == (["relay", "copy"], [])


def test_a_question_withdrawn_a_second_before_relays_nothing(room: MailRoom) -> None:
    asked = question(room)
    raw = letter(EXPERT, str(asked["Reply-To"]), "Re", "On Monday.", f"In-Reply-To: {asked['Message-ID']}")
    filing = room.decide(room.arrive("acme/reply", raw))
    room.now += timedelta(seconds=1)
    with room.store.write() as connection:
        (referral,) = cases.list_referrals(connection)
        end_referral(connection, referral, ReferralEvent.WITHDRAW, AGENT, room.now)
    assert filing is not None
    room.file(filing)
    room.route()
    assert (to_customer(room), room.held()) == ([], ["referral-withdrawn"])


def test_two_externals_on_a_case_answer_each_for_themselves(room: MailRoom) -> None:
    room.ask(1, "other@second.example")
    asked = question(room, 2)
    thread = f"In-Reply-To: {asked['Message-ID']}"
    room.receive("acme/reply", letter(EXPERT, str(asked["Reply-To"]), "Re", "For the other.", thread))
    assert (to_customer(room), room.held()) == ([], ["unexpected-sender"])
    room.receive("acme/reply", letter("other@second.example", str(asked["Reply-To"]), "Re", "Mine.", thread))
    answer(room)
    assert len(to_customer(room)) == 2


def test_a_foreign_tenants_account_relays_nothing(room: MailRoom) -> None:
    answer(room, account="globex/reply")
    assert (to_customer(room), room.held()) == ([], ["conflicting-evidence"])
    with room.read() as connection:
        assert [entry.kind.value for entry in cases.read_entries(connection, 1)] == ["customer_message", "forward"]


@pytest.mark.parametrize(
    "name", ["../../x.svg", "<script>.html", "x\u202egpj.exe", "a" * 500 + ".zip", "CON\r\nBcc: x"]
)
def test_files_go_along_as_bytes_under_a_safe_name(room: MailRoom, name: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("zeros", b"\0" * 5_000_000)
    from email.message import EmailMessage

    mail = EmailMessage()
    asked = question(room)
    mail["From"], mail["To"], mail["Subject"] = EXPERT, str(asked["Reply-To"]), "Re"
    mail["In-Reply-To"] = str(asked["Message-ID"])
    mail.set_content("See the file.")
    mail.add_attachment(packed.getvalue(), "application", "zip", filename=name.replace("\r\n", " "))
    room.receive("acme/reply", mail.as_bytes())
    (raw,) = to_customer(room)
    files = [part for part in message_from_bytes(raw).walk() if part.get_filename()]
    assert [part.get_payload(decode=True) for part in files] == [packed.getvalue()]
    shown = str(files[0].get_filename())
    assert not {"/", "\\", "\u202e", "\r", "\n"} & set(shown)
    assert len(shown) <= 200
