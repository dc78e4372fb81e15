"""The mails of the benchmark and what must become of each: 50 topics with a rule each, answers, bounces."""

from __future__ import annotations

import base64
import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOPICS = 50
SIZE = 19_000
_EVERY_ANSWER, _EVERY_BOUNCE = 10, 20


@dataclass(frozen=True, slots=True)
class Workload:
    """So many mailboxes with so many mails each."""

    name: str
    accounts: int
    mails: int

    @property
    def users(self) -> list[str]:
        """The mailboxes' login names."""
        return [f"{self.name}{number}@bench.example" for number in range(self.accounts)]

    @property
    def total(self) -> int:
        """All mails."""
        return self.accounts * self.mails


def rules() -> list[dict[str, object]]:
    """One rule a topic, each looking into the subject and the text."""
    return [
        {
            "id": f"topic-{topic}",
            "when": {"subject": {"contains": f"[topic {topic}]"}, "not": {"body": {"contains": "not for this queue"}}},
            "then": {"queue": f"queue-{topic}"},
        }
        for topic in range(TOPICS)
    ]


def mails_of(workload: Workload, answered: str) -> Iterator[tuple[str, bytes]]:
    """(mailbox, mail); every tenth answers the mail of ours with the Message-ID `answered`, every twentieth bounces."""
    number = 0
    for user in workload.users:
        for _ in range(workload.mails):
            yield user, _mail(number, user, answered)
            number += 1


def expected(workload: Workload) -> Counter[str]:
    """How many mails must come to each queue, continue the case (`answer`), or be filed as bounces (`bounce`)."""
    return Counter(_fate(number) for number in range(workload.total))


def _fate(number: int) -> str:
    if number % _EVERY_BOUNCE == 1:
        return "bounce"
    return "answer" if number % _EVERY_ANSWER == 0 else f"queue-{number % TOPICS}"


def _mail(number: int, user: str, answered: str) -> bytes:
    fate = _fate(number)
    head = [
        f"From: {'MAILER-DAEMON' if fate == 'bounce' else f'customer{number}'}@customer{number % 97}.example",
        f"To: {user}",
        f"Message-ID: <{number}.{user}>",
        "Date: Thu, 01 Jan 2026 12:00:00 +0000",
        "MIME-Version: 1.0",
    ]
    if fate == "bounce":
        return _lines([*head, *_BOUNCE])
    if fate == "answer":
        head += ["Subject: Re: your mail", f"In-Reply-To: {answered}"]
    else:
        head.append(f"Subject: [topic {fate.removeprefix('queue-')}] order {number}")
    filler = base64.encodebytes(random.Random(number).randbytes(SIZE * 73 // 100)).decode().splitlines()
    body = ["--b", "Content-Type: text/plain; charset=utf-8", "", f"Where is order {number}?", "--b"]
    file = ["Content-Type: application/pdf; name=a.pdf", "Content-Transfer-Encoding: base64", "", *filler, "--b--"]
    return _lines([*head, 'Content-Type: multipart/mixed; boundary="b"', "", *body, *file])


_BOUNCE = [
    "Subject: Undelivered Mail Returned to Sender",
    "Auto-Submitted: auto-replied",
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
    "",
    "--b",
    "",
    "Your message could not be delivered.",
    "--b",
    "Content-Type: message/delivery-status",
    "",
    "Reporting-MTA: dns; mx.customer.example",
    "",
    "Final-Recipient: rfc822; nobody@customer.example",
    "Action: failed",
    "Status: 5.1.1",
    "",
    "--b--",
]


def _lines(lines: list[str]) -> bytes:
    return "\r\n".join([*lines, ""]).encode()


def fill(workload: Workload, answered: str, mail_directory: Path, owner: tuple[int, int] | None) -> None:
    """Lay the mails into Maildirs below `mail_directory`, as their owner's if this is root."""
    made: set[str] = set()
    for number, (user, raw) in enumerate(mails_of(workload, answered)):
        maildir = mail_directory / user / "Maildir"
        if user not in made:
            made.add(user)
            for name in ("cur", "new", "tmp"):
                (maildir / name).mkdir(parents=True)
        # Without CR, as Dovecot stores what it is given.
        (maildir / "cur" / f"{1_767_268_800 + number}.M{number}P1.bench:2,").write_bytes(raw.replace(b"\r\n", b"\n"))
    if owner is not None:
        for user in made:
            for place, _, files in os.walk(mail_directory / user):
                for path in (place, *(os.path.join(place, file) for file in files)):  # noqa: PTH118
                    os.chown(path, *owner)
