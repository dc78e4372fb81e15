"""What a mailbox and the ledger do not share, mail by mail; decides from two lists, asks no server."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from reconciler.core.fetch import Listed, Listing, StartRule, is_left_behind
from reconciler.core.reuse import Stored


class Difference(StrEnum):
    """What is wrong with a mail, or with a whole folder; each has its row in docs/reference.md."""

    WAITING = "waiting"
    TOO_LARGE = "too_large"
    NOT_ACKNOWLEDGED = "not_acknowledged"
    NOT_REMOVED = "not_removed"
    OTHER_MAIL = "other_mail"
    AMBIGUOUS = "ambiguous"
    RENUMBERED = "renumbered"


@dataclass(frozen=True, slots=True)
class AuditLine:
    """A difference; `uid` is empty where it is the whole folder's."""

    uid: str
    difference: Difference
    detail: str


@dataclass(frozen=True, slots=True)
class FolderAudit:
    """A folder: mails on the server, those of them that are stored and that `start` leaves, and all differences."""

    folder: str
    on_server: int
    known: int
    left_behind: int
    differences: tuple[AuditLine, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the account leaves on the server: its start rule and floor, what was left at first contact, the size limit.

    `contacted` is False before the first step; `others` are UIDs that are known to mean another mail than the stored.
    """

    start: StartRule
    floor: datetime | None
    contacted: bool
    left: Collection[str]
    mail_bytes: int
    others: Collection[str] = ()


def audit(listing: Listing, stored: Mapping[str, Stored], rules: Rules) -> FolderAudit:
    """Compare everything a folder shows with the mails stored from it under its present UIDs, by UID."""
    known = left = 0
    lines: list[AuditLine] = [
        AuditLine(uid, Difference.AMBIGUOUS, "stands for several mails") for uid in sorted(listing.ambiguous)
    ]
    for mail in listing.mails:
        if (mine := stored.get(mail.uid)) is not None:
            known += 1
            lines += _of_known(mail, mine, rules)
        elif mail.uid in rules.left or is_left_behind(
            mail, rules.start, rules.floor, not rules.contacted, dated=listing.dated
        ):
            left += 1
        elif (mail.size or 0) > rules.mail_bytes:
            lines.append(AuditLine(mail.uid, Difference.TOO_LARGE, f"{mail.size} bytes"))
        else:
            lines.append(AuditLine(mail.uid, Difference.WAITING, "not fetched yet"))
    total = len(listing.mails) + len(listing.ambiguous)
    return FolderAudit(listing.folder, total, known, left, tuple(lines))


def _of_known(mail: Listed, mine: Stored, rules: Rules) -> Iterator[AuditLine]:
    if mail.uid in rules.others:
        yield AuditLine(mail.uid, Difference.OTHER_MAIL, "another mail than the stored one")
    elif not mine.acknowledged:
        yield AuditLine(mail.uid, Difference.NOT_ACKNOWLEDGED, "stored, the server is not told yet")
    elif mine.taken_away:
        yield AuditLine(mail.uid, Difference.NOT_REMOVED, "the server confirmed that it is gone")
