"""Signed tags in subjects, for programs that keep a subject and lose the thread; alone a tag proves nothing.

`[R7-k2abcdefghijkl]` names referral 7: the key's id and 60 bits of HMAC-SHA256 over tenant, case and referral. It
counts only beside a sender who is expected there, because a subject is quoted, forwarded and shown to anybody.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.core.account import AnswerFrom
from reconciler.core.address import Address
from reconciler.core.token import TokenKey, encoded

MOST_TAGS = 4

_MAC_CHARACTERS = 12
_TAG = re.compile(r"\[([CR])([1-9][0-9]{0,17})-([a-z2-7]{2})([a-z2-7]{12})\]", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FoundTag:
    """Something of a tag's shape, not verified. `letter` is C (a case) or R (a referral)."""

    letter: str
    number: int
    kid: str
    mac: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """What is known of the case or referral that a tag names, and who is expected to write there."""

    tenant: str
    case_id: int
    referral_id: int | None
    participant: Address
    answer_from: AnswerFrom


def subject_tag(key: TokenKey, tenant: str, case_id: int, referral_id: int | None) -> str:
    """The tag with its brackets, of the referral if there is one, else of the case."""
    named = f"C{case_id}" if referral_id is None else f"R{referral_id}"
    return f"[{named}-{key.kid}{_mac(key, tenant, case_id, referral_id)}]"


def find_tags(subject: str) -> tuple[FoundTag, ...]:
    """What has a tag's shape in the subject, each once, at most 4."""
    found = (FoundTag(m[1].upper(), int(m[2]), m[3].lower(), m[4].lower()) for m in _TAG.finditer(subject[:2_000]))
    return tuple(dict.fromkeys(found))[:MOST_TAGS]


def verify_tag(found: FoundTag, tagged: Tagged, keys: Sequence[TokenKey]) -> bool:
    """Whether one of our keys made the tag for this case or referral; constant time."""
    key = next((key for key in keys if key.kid == found.kid), None)
    if key is None:
        return False
    return hmac.compare_digest(_mac(key, tagged.tenant, tagged.case_id, tagged.referral_id), found.mac)


def without_tags(text: str) -> str:
    """The text without tags: nobody else is to see whom else we asked."""
    return _TAG.sub("", text)


def _mac(key: TokenKey, tenant: str, case_id: int, referral_id: int | None) -> str:
    referral = "" if referral_id is None else str(referral_id)
    signed = encoded("subject", key.kid, tenant, str(case_id), referral)
    return base64.b32encode(hmac.digest(key.secret, signed, "sha256")).decode("ascii").lower()[:_MAC_CHARACTERS]
