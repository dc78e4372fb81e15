"""Signed tokens by which an answer finds its case: made, found in a mail, verified; not what follows from them.

A token is 34 characters of lower-case base32: 2 for the key's id, 32 for a 64-bit record id and 96 bits of HMAC-SHA256.
The HMAC covers everything the record says and the form the token is used in, so that a token taken from a Message-ID
is worthless in an address, and the hop count beside it cannot be altered.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciler.core.errors import Invalid
from reconciler.core.message import Head

TOKEN_LENGTH = 34
MOST_TOKENS = 64
MOST_REFERENCES = 200
LEAST_SECRET_BYTES = 16

_ID_BYTES = 8
_MAC_BYTES = 12
_TOKEN = r"[a-z2-7]{34}"
_KID = re.compile(r"[a-z2-7]{2}")
# `int` reads base 32 with the digits 0-9a-v, ten times as fast as `base64` does.
_TO_DIGITS = str.maketrans("abcdefghijklmnopqrstuvwxyz234567", "0123456789abcdefghijklmnopqrstuv")
_INSTANCE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_IN_LOCAL_PART = re.compile(rf".*[+-]({_TOKEN})", re.ASCII | re.IGNORECASE)
_IN_MESSAGE_ID = re.compile(
    rf"<?({_TOKEN})\.h([0-9]{{1,3}})\.([a-z0-9-]{{1,40}})@[^@\s<>]+>?", re.ASCII | re.IGNORECASE
)


class Purpose(StrEnum):
    """What a mail that carries the token was sent for."""

    FORWARD = "forward"
    INQUIRY = "inquiry"
    CASE = "case"


class Rung(StrEnum):
    """Where a sign of the case was found, strongest first."""

    RECIPIENT_TOKEN = "recipient-token"
    IN_REPLY_TO = "in-reply-to"
    REFERENCES = "references"
    ORIGINAL_MESSAGE_ID = "original-message-id"
    STORED_MESSAGE_ID = "stored-message-id"
    SUBJECT_TAG = "subject-tag"


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A signing key: `kid` names it inside the token (2 characters of a-z2-7), `secret` is never printed."""

    kid: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not _KID.fullmatch(self.kid):
            raise Invalid("a token key's id is 2 characters of a-z and 2-7; make one with `reconciler key new`")
        if len(self.secret) < LEAST_SECRET_BYTES:
            raise Invalid(
                f"token key {self.kid}: the secret is shorter than {LEAST_SECRET_BYTES} bytes; "
                "make a new key with `reconciler key new`"
            )


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What a token stands for, remembered under its random `id` (64 bits, unsigned); one record a mail sent.

    `referral_id` is None where the mail belongs to no referral; `contact` is the address the mail went to;
    `expires_at` is aware, fractions of a second do not count.
    """

    id: int
    tenant: str
    purpose: Purpose
    case_id: int
    referral_id: int | None
    contact: str
    expires_at: datetime

    def __post_init__(self) -> None:
        if not 0 <= self.id < 1 << 64:
            raise Invalid("a token record's id must be an unsigned 64-bit number")
        if self.expires_at.tzinfo is None:
            raise Invalid("a token record's expiry must say its time zone")


@dataclass(frozen=True, slots=True)
class FoundToken:
    """Something of a token's shape in a mail, not verified. `hop` and `instance` are None outside a Message-ID;
    `where` is the header's name."""

    rung: Rung
    kid: str
    id: int
    token: str
    hop: int | None
    instance: str | None
    where: str


def parse_keys(text: str) -> tuple[TokenKey, ...]:
    """The keys of a key file, newest first: `KK:base32secret` a line, blank lines ignored.

    Raises Invalid with the line's number, never with its text.
    """
    keys: list[TokenKey] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        key = _parse_key(line.strip(), number)
        if any(key.kid == other.kid for other in keys):
            raise Invalid(f"token keys, line {number}: the key id is used twice; remove one of the lines")
        keys.append(key)
    if not keys:
        raise Invalid("token keys: there is no key; make one with `reconciler key new`")
    return tuple(keys)


def _parse_key(line: str, number: int) -> TokenKey:
    kid, colon, secret = line.partition(":")
    padded = secret.upper() + "=" * (-len(secret) % 8)
    try:
        raw = base64.b32decode(padded) if colon else b""
    except (binascii.Error, ValueError):
        raw = b""
    if not raw:
        # The cause is dropped on purpose: its text may quote the line.
        raise Invalid(
            f"token keys, line {number}: expected KK:SECRET, 2 characters, a colon and base32; "
            "make keys with `reconciler key new`"
        )
    try:
        return TokenKey(kid, raw)
    except Invalid as wrong:
        raise Invalid(f"token keys, line {number}: {wrong}") from None


def format_key(key: TokenKey) -> str:
    """The key as a line of a key file, without line end. This prints the secret: for the key file only."""
    return f"{key.kid}:{_base32(key.secret)}"


def address_token(key: TokenKey, record: TokenRecord) -> str:
    """The token for the record's reply address, 34 characters."""
    return _token(key, record, "address")


def signed_message_id(key: TokenKey, record: TokenRecord, *, hop: int, instance: str, domain: str) -> str:
    """`<TOKEN.hHOP.INSTANCE@domain>`; as unique as the record's id, so each mail needs a record of its own.

    `hop` counts the mails of a chain that followed from one another by themselves, 0 to 999; `instance` names this
    installation in 1 to 40 characters of a-z, 0-9 and inner hyphens. Raises Invalid for anything else.
    """
    if not 0 <= hop <= 999:
        raise Invalid(f"the hop count {hop} is outside 0 to 999")
    if len(instance) > 40 or not _INSTANCE.fullmatch(instance):
        raise Invalid("the instance id must be 1 to 40 characters of a-z, 0-9 and inner hyphens")
    if not re.fullmatch(r"[A-Za-z0-9.-]{1,200}", domain):
        raise Invalid("the domain of a Message-ID must be ASCII letters, digits, dots and hyphens")
    return f"<{_token(key, record, 'message-id', str(hop), instance)}.h{hop}.{instance}@{domain}>"


def find_tokens(head: Head, extra_ids: Sequence[str] = ()) -> tuple[FoundToken, ...]:
    """What has a token's shape in the mail, strongest rung first, each once, at most 64; verified it is not.

    `extra_ids` are the Message-IDs of the original that a delivery report encloses.
    """
    found: dict[tuple[str, int | None, str | None], FoundToken] = {}
    for rung, where, token, hop, instance in _candidates(head, extra_ids):
        # What In-Reply-To says stands in References again.
        if (token, hop, instance) not in found:
            found[token, hop, instance] = FoundToken(rung, token[:2], _record_id(token), token, hop, instance, where)
            if len(found) == MOST_TOKENS:
                break
    return tuple(found.values())


def verify(found: FoundToken, record: TokenRecord, keys: Sequence[TokenKey]) -> bool:
    """Whether one of our keys made this token for this record in the form it was found in; constant time."""
    key = next((key for key in keys if key.kid == found.kid), None)
    if key is None or found.id != record.id:
        return False
    if found.hop is None or found.instance is None:
        expected = _mac(key, record, "address")
    else:
        expected = _mac(key, record, "message-id", str(found.hop), found.instance)
    return hmac.compare_digest(expected, _bytes(found.token)[_ID_BYTES:])


def hop_hint(head: Head) -> int:
    """The highest hop count in the mail's own Message-ID, In-Reply-To and newest reference, signed or not; 0 if none.

    Another installation's count cannot be verified, but it is what ends a chain between two of them: who writes a
    false one has his own mail held.
    """
    ids = (head.message_id or "", *head.in_reply_to[:1], *head.references[-1:])
    shapes = (_IN_MESSAGE_ID.fullmatch(found.strip()) for found in ids)
    return max((int(shape[2]) for shape in shapes if shape), default=0)


_Candidate = tuple[Rung, str, str, int | None, str | None]
"""Rung, where it stands, the token, and of a Message-ID its hop count and instance."""


def _candidates(head: Head, extra_ids: Sequence[str]) -> Iterator[_Candidate]:
    addresses = [("Delivered-To", address) for address in head.delivered_to]
    addresses += [("To", to.address) for to in head.to] + [("Cc", cc.address) for cc in head.cc]
    for where, address in addresses:
        local = address.strip("<> \t").rpartition("@")[0]
        if shape := _IN_LOCAL_PART.fullmatch(local[-(TOKEN_LENGTH + 64) :]):
            yield Rung.RECIPIENT_TOKEN, where, shape[1].lower(), None, None
    newest_first = tuple(reversed(head.references[-MOST_REFERENCES:]))
    for rung, where, ids in (
        (Rung.IN_REPLY_TO, "In-Reply-To", head.in_reply_to),
        (Rung.REFERENCES, "References", newest_first),
        (Rung.ORIGINAL_MESSAGE_ID, "Message-ID of the original", extra_ids),
    ):
        for message_id in ids:
            if shape := _IN_MESSAGE_ID.fullmatch(message_id.strip()):
                yield rung, where, shape[1].lower(), int(shape[2]), shape[3].lower()


def _record_id(token: str) -> int:
    return int.from_bytes(_bytes(token)[:_ID_BYTES], "big")


def _bytes(token: str) -> bytes:
    """Record id and HMAC of a token."""
    return int(token[2:].translate(_TO_DIGITS), 32).to_bytes(_ID_BYTES + _MAC_BYTES, "big")


def _token(key: TokenKey, record: TokenRecord, *form: str) -> str:
    return key.kid + _base32(record.id.to_bytes(_ID_BYTES, "big") + _mac(key, record, *form))


def _mac(key: TokenKey, record: TokenRecord, *form: str) -> bytes:
    signed = encoded(
        *form,
        key.kid,
        str(record.id),
        record.tenant,
        record.purpose.value,
        str(record.case_id),
        "" if record.referral_id is None else str(record.referral_id),
        record.contact.lower(),
        str(int(record.expires_at.timestamp())),
    )
    return hmac.digest(key.secret, signed, "sha256")[:_MAC_BYTES]


def encoded(*fields: str) -> bytes:
    """Each field with its length before it, and their number: no two lists of fields have the same bytes."""
    raw = [value.encode("utf-8", "surrogatepass") for value in fields]
    return len(raw).to_bytes(4, "big") + b"".join(len(value).to_bytes(4, "big") + value for value in raw)


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode("ascii").rstrip("=").lower()
