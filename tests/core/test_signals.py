"""Every sign of a mail's kind, a row each: a mail that it decides, and one as like it as can be that it does not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from reconciler.core.kind import classify
from reconciler.core.kind_signals import SIGNALS
from reconciler.core.mail_kind import Kind
from reconciler.core.message import parse
from tests.core.test_kind import SAMPLES
from tests.mails.samples import samples

PLAIN = "Hello, please call me."
AWAY = "Thank you for your mail. I am out of the office until 3 May and will answer after my return."


@dataclass(frozen=True)
class Mail:
    """A mail by its headers; a header given replaces the one of that name."""

    headers: tuple[str, ...] = ()
    subject: str = "Request"
    text: str = PLAIN
    sender: str = "a@b.example"

    @property
    def raw(self) -> bytes:
        given = {header.partition(":")[0].lower() for header in self.headers}
        base = [f"From: {self.sender}", f"Subject: {self.subject}", "Content-Type: text/plain; charset=utf-8"]
        lines = [line for line in base if line.partition(":")[0].lower() not in given]
        return "\n".join([*lines, *self.headers, "", self.text, ""]).encode()


def told(*headers: str, subject: str = "Request", text: str = PLAIN, sender: str = "a@b.example") -> Mail:
    return Mail(headers, subject, text, sender)


ANSWER = "In-Reply-To: <1@b.example>"
REPORT = "Content-Type: multipart/report; report-type={}; boundary=x"
WITNESSES: dict[str, tuple[Mail, Mail]] = {
    "rfc5321-hop-count": (
        told(*["Received: from a.example by b.example; Mon, 2 Mar 2026 10:00:00 +0000"] * 100),
        told(*["Received: from a.example by b.example; Mon, 2 Mar 2026 10:00:00 +0000"] * 99),
    ),
    "rfc5965-feedback-report": (told(REPORT.format("feedback-report")), told(REPORT.format("something"))),
    "rfc5429-refusal": (
        told(
            'Content-Type: multipart/report; report-type=disposition-notification; boundary="x"',
            subject="Automatically rejected mail",
            text="--x\n\nThe message was refused by the recipient's mail filtering program.\n--x\n"
            "Content-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; e@partner.example\n"
            "Disposition: automatic-action/MDN-sent-automatically; deleted\n--x--",
        ),
        told(
            'Content-Type: multipart/report; report-type=disposition-notification; boundary="x"',
            subject="Read: Request",
            text="--x\n\nYour message was read.\n--x\n"
            "Content-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; e@partner.example\n"
            "Disposition: manual-action/MDN-sent-manually; displayed\n--x--",
        ),
    ),
    "rfc8098-disposition": (told(REPORT.format("disposition-notification")), told(REPORT.format("something"))),
    "exim-failed-recipients": (told("X-Failed-Recipients: e@partner.example"), told("X-Failed: e@partner.example")),
    "returned-with-reason": (
        told(
            text="The following address had permanent fatal errors: <e@partner.example>\n"
            "550 5.1.1 User unknown\n\n----- Original message -----\nFrom: a@b.example\nSubject: Request\n",
        ),
        told(subject="Returned parcel", text="I sent it back. The address was wrong."),
    ),
    "notifying-system": (told("X-GitHub-Reason: mention"), told("X-GitHub: mention")),
    "rfc3834-auto-replied": (told("Auto-Submitted: auto-replied"), told("Auto-Submitted: no")),
    "autoresponder-header": (told("X-Autoreply: yes"), told("X-Autoreply:")),
    "autoresponder-class": (told("X-Post-MessageClass: 9; Autoresponder"), told("X-Post-MessageClass: 1; Letter")),
    "precedence-auto-reply": (told("Precedence: auto_reply"), told("Precedence: first-class")),
    "exchange-rules-agent": (
        told("X-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent"),
        told("X-MS-Exchange-Generated-Message-Source: Outlook"),
    ),
    "exchange-inbox-rule": (
        told("X-MS-Exchange-Inbox-Rules-Loop: e@partner.example", "X-MS-Exchange-Parent-Message-Id: <1@b.example>"),
        told("X-MS-Exchange-Inbox-Rules-Loop: e@partner.example"),
    ),
    "exchange-suppress-and-subject": (
        told("X-Auto-Response-Suppress: All", subject="Automatic reply: Request"),
        told("X-Auto-Response-Suppress: All"),
    ),
    "vacation-program": (told("X-Mailer: vacation 1.2"), told("X-Mailer: Thunderbird")),
    "delivered-by-autoresponder": (told("Delivered-To: Autoresponder"), told("Delivered-To: e@partner.example")),
    "rfc3834-auto-generated-answer": (
        told("Auto-Submitted: auto-generated", ANSWER),
        told("Auto-Submitted: no", ANSWER),
    ),
    "campaign-header": (told("X-Campaign: spring"), told("X-Camp: spring")),
    "rfc2919-list-id": (told("List-Id: <help.b.example>"), told("X-List: help")),
    "rfc2369-list-post": (told("List-Post: <mailto:help@b.example>"), told("List-Owner: <mailto:help@b.example>")),
    "precedence-list": (told("Precedence: list"), told("Precedence: first-class")),
    "rfc3834-auto-submitted": (told("Auto-Submitted: auto-generated"), told("Auto-Submitted: no (a person)")),
    "rfc2369-list-unsubscribe": (told("List-Unsubscribe: <x@b.example>"), told("List-Help: <x@b.example>")),
    "precedence-bulk-answer": (told("Precedence: bulk", ANSWER), told("Precedence: normal", ANSWER)),
    "precedence-bulk": (told("Precedence: bulk"), told("Precedence: normal")),
    "ticket-system-loop": (told("X-OTRS-Loop: yes"), told("X-OTRS-Queue: help")),
    "null-return-path-answer": (told("Return-Path: <>", ANSWER), told("Return-Path: <a@b.example>", ANSWER)),
    "null-return-path": (told("Return-Path: <>"), told("Return-Path: <a@b.example>")),
    "automatic-wording": (
        told(subject="Out of office: Request", text=AWAY),
        told(subject="Out of office: Request", text="What does this in the subject mean?"),
    ),
    "no-reply-sender": (told(sender="no-reply@b.example"), told(sender="noreen@b.example")),
    "form-script": (
        told("X-PHP-Originating-Script: 33:contact.php"),
        told("X-PHP-Originating-Script: 33:rcube.php"),
    ),
}  # fmt: skip
KINDS = {signal.slug: signal.kind for signal in SIGNALS}


def deciding(raw: bytes) -> str | None:
    """The sign that decides the mail's kind."""
    evidence = classify(parse(raw)).evidence
    return evidence[0].signal if evidence else None


@pytest.mark.parametrize("slug", WITNESSES)
def test_the_sign_decides_its_mail_and_not_the_one_beside_it(slug: str) -> None:
    mail, control = WITNESSES[slug]
    found = classify(parse(mail.raw))
    assert (found.evidence[0].signal, found.kind) == (slug, KINDS[slug])
    assert found.kind is not Kind.HUMAN
    assert slug not in [evidence.signal for evidence in classify(parse(control.raw)).evidence]


@pytest.mark.parametrize("header", ["List-Post", "Mailing-List", "X-Mailman-Version"])
def test_each_header_of_lists_decides(header: str) -> None:
    assert deciding(told(f"{header}: x").raw) == "rfc2369-list-post"


def test_every_sign_decides_a_mail() -> None:
    raws = [path.read_bytes() for path in SAMPLES] + [sample.raw for sample in samples()]
    assert {deciding(raw) for raw in raws} | WITNESSES.keys() >= KINDS.keys()
    assert WITNESSES.keys() <= KINDS.keys()
