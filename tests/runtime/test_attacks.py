"""Attacks by mail, a row each: what comes of it at the customer's, and that nothing else does."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage, Message

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


@pytest.mark.field("From of ours", "homoglyphs")
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


@pytest.mark.field("Reply-To")
def test_a_reply_to_sends_nothing_anywhere_else(room: MailRoom) -> None:
    answer(room, "Reply-To: thief@evil.example")
    (row,) = [row for row in room.outbox() if row.purpose == "relay"]
    assert row.recipient == CUSTOMER
    assert b"evil.example" not in room.sent(row.id)


@pytest.mark.field("line breaks", "smuggling", "direction marks")
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


@pytest.mark.field("recipients")
def test_ten_thousand_recipients_get_nothing(room: MailRoom) -> None:
    many = ", ".join(f"r{number}@evil.example" for number in range(10_000))
    answer(room, f"Cc: {many}")
    assert {row.recipient for row in room.outbox()} <= {CUSTOMER, EXPERT}


@pytest.mark.field("same Message-ID")
def test_a_message_id_that_is_used_again_loses_no_mail(room: MailRoom) -> None:
    room.receive(
        "acme/support", letter("a@x.example", "support@acme.example", "One", "1", "Message-ID: <same@x.example>")
    )
    room.receive(
        "acme/support", letter("b@x.example", "support@acme.example", "Two", "2", "Message-ID: <same@x.example>")
    )
    assert [case.customer_address for case in room.cases()] == [CUSTOMER, "a@x.example", "b@x.example"]


@pytest.mark.field("replayed token")
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


@pytest.mark.field("withdrawn")
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


@pytest.mark.field("two externals")
def test_two_externals_on_a_case_answer_each_for_themselves(room: MailRoom) -> None:
    room.ask(1, "other@second.example")
    asked = question(room, 2)
    thread = f"In-Reply-To: {asked['Message-ID']}"
    room.receive("acme/reply", letter(EXPERT, str(asked["Reply-To"]), "Re", "For the other.", thread))
    assert (to_customer(room), room.held()) == ([], ["unexpected-sender"])
    room.receive("acme/reply", letter("other@second.example", str(asked["Reply-To"]), "Re", "Mine.", thread))
    answer(room)
    assert len(to_customer(room)) == 2


@pytest.mark.field("another tenant's token")
def test_a_foreign_tenants_account_relays_nothing(room: MailRoom) -> None:
    answer(room, account="globex/reply")
    assert (to_customer(room), room.held()) == ([], ["conflicting-evidence"])
    with room.read() as connection:
        assert [entry.kind.value for entry in cases.read_entries(connection, 1)] == ["customer_message", "forward"]


def token_of(room: MailRoom) -> str:
    """The token in the address that answers to the question go to."""
    return str(question(room)["Reply-To"]).partition("+")[2].partition("@")[0]


def altered(token: str) -> str:
    """The token with another last character."""
    return token[:-1] + ("a" if token[-1] != "a" else "b")


TOKENS = {
    "altered": (altered, "reply@acme.example", "forged-token"),
    "cut short": (lambda token: token[:-1], "reply@acme.example", "uncorrelated"),
    "another tenant's": (lambda token: token, "reply@globex.example", "conflicting-evidence"),
}
"""What is done to a good token, where it is sent to, and why the mail is held."""


@pytest.mark.field("forged token", "truncated token", "another tenant's token")
@pytest.mark.parametrize(("change", "address", "reason"), TOKENS.values(), ids=TOKENS.keys())
def test_a_token_that_is_not_as_it_was_given_out_relays_nothing(
    room: MailRoom, change: Callable[[str], str], address: str, reason: str
) -> None:
    local, _, domain = address.partition("@")
    to = f"{local}+{change(token_of(room))}@{domain}"
    room.receive(f"{domain.partition('.')[0]}/reply", letter(EXPERT, to, "Re", "On Monday."))
    assert (to_customer(room), room.held()) == ([], [reason])


@pytest.mark.field("another purpose's token")
def test_a_customers_token_in_the_address_of_a_question_relays_nothing(room: MailRoom) -> None:
    room.desk.reply(1, "We look into it.", room.now)
    (replied,) = [message_from_bytes(raw) for raw in to_customer(room)]
    token = re.search(r"[a-z2-7]{34}", str(replied["Message-ID"]))
    assert token is not None, replied["Message-ID"]
    room.receive("acme/reply", letter(EXPERT, f"reply+{token[0]}@acme.example", "Re", "On Monday."))
    assert len(to_customer(room)) == 1
    assert room.held() == ["forged-token"]


@pytest.mark.field("replayed token", "expired token")
def test_an_answer_that_is_sent_again_after_its_time_relays_nothing(room: MailRoom) -> None:
    answer(room)
    room.later(days=61)
    answer(room, text="Pay to another account.")
    assert len(to_customer(room)) == 1
    assert len(room.held()) == 1


@pytest.mark.field("script", "SVG")
def test_a_script_in_html_or_in_a_picture_goes_nowhere(room: MailRoom) -> None:
    mail, asked = EmailMessage(), question(room)
    mail["From"], mail["To"], mail["Subject"] = EXPERT, str(asked["Reply-To"]), "Re"
    mail["In-Reply-To"] = str(asked["Message-ID"])
    picture = '<svg xmlns="http://www.w3.org/2000/svg" onload="steal()"><script>steal()</script></svg>'
    mail.set_content(f"<p>On Monday.</p>{picture}<script>steal()</script>", subtype="html")
    mail.add_attachment(picture.encode(), "image", "svg+xml", filename="drawing.svg")
    room.receive("acme/reply", mail.as_bytes())
    (raw,) = to_customer(room)
    text, file = [part for part in message_from_bytes(raw).walk() if not part.is_multipart()]
    assert text.get_content_type() == "text/plain"
    assert b"On Monday." in text.get_payload(decode=True)
    assert b"steal" not in text.get_payload(decode=True)
    assert (file.get_content_disposition(), file.get_filename()) == ("attachment", "drawing.svg")
    with room.read() as connection:
        assert not [entry for entry in cases.read_entries(connection, 1) if "steal" in entry.text]


@pytest.mark.field("closed")
def test_an_answer_to_a_case_that_was_closed_relays_nothing(room: MailRoom) -> None:
    room.desk.close(1, room.now)
    answer(room)
    assert (to_customer(room), room.held()) == ([], ["case-closed"])


@pytest.mark.field("file names", "zip bomb")
@pytest.mark.parametrize(
    "name", ["../../x.svg", "<script>.html", "x\u202egpj.exe", "a" * 500 + ".zip", "CON\r\nBcc: x"]
)
def test_files_go_along_as_bytes_under_a_safe_name(room: MailRoom, name: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("zeros", b"\0" * 5_000_000)
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
