"""Which case a mail belongs to, decided from signed tokens and stored Message-IDs; not what happens to it then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum

from reconciler.core.token import FoundToken, Purpose, Rung, TokenKey, TokenRecord, verify

__all__ = ["Correlation", "Outcome", "Rung", "StoredMail", "correlate"]


class Outcome(StrEnum):
    """What the signs of a mail say together."""

    NONE = "none"
    MATCH = "match"
    CONFLICT = "conflict"
    FORGED = "forged"


@dataclass(frozen=True, slots=True)
class StoredMail:
    """A mail we keep under its Message-ID, and where it was filed."""

    tenant: str
    case_id: int


@dataclass(frozen=True, slots=True)
class Correlation:
    """The decision and why. Unless `outcome` is MATCH, everything but `hop` and `evidence` is None.

    `purpose`, `rung`, `expired` and `token_id` belong to the strongest sign; purpose and token_id are None for a
    stored Message-ID. `hop` is the highest hop count of any signed Message-ID in the mail, None without one.
    """

    outcome: Outcome
    tenant: str | None
    case_id: int | None
    referral_id: int | None
    purpose: Purpose | None
    rung: Rung | None
    expired: bool
    token_id: int | None
    hop: int | None
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Sign:
    rung: Rung
    tenant: str
    case_id: int
    referral_id: int | None
    purpose: Purpose | None
    expired: bool
    token_id: int | None
    where: str

    def __str__(self) -> str:
        referral = "" if self.referral_id is None else f", referral {self.referral_id}"
        late = ", expired" if self.expired else ""
        return f"{self.where} names case {self.case_id}{referral} of {self.tenant} ({self.rung.value}{late})"


class _Verdict(Enum):
    VALID = "valid"
    IGNORED = "ignored"
    FORGED = "forged"


def correlate(
    found: Sequence[FoundToken],
    records: Mapping[int, TokenRecord],
    stored: Mapping[str, StoredMail],
    keys: Sequence[TokenKey],
    now: datetime,
    own_tenant: str | None,
) -> Correlation:
    """Decide the case of a mail that came in on an account of `own_tenant` (None: a main account).

    `found` comes strongest first; `records` holds the known ones of the found ids, `stored` the known ones of the
    mail's In-Reply-To and References. Signs that disagree are a CONFLICT, also a valid token of another tenant. An
    expired token of a customer is no sign: the other rungs decide. A stored Message-ID is unsigned, so it counts for
    `own_tenant` only, and never on a main account.
    """
    evidence: list[str] = []
    signs: list[_Sign] = []
    hops: list[int] = []
    forged = False
    for token in found:
        record = records.get(token.id)
        verdict, why = _judge(token, record, keys)
        if record is None or verdict is not _Verdict.VALID:
            forged = forged or verdict is _Verdict.FORGED
            evidence.append(why)
            continue
        if token.hop is not None:
            hops.append(token.hop)
        sign = _signed(token, record, now)
        evidence.append(str(sign))
        if not (sign.expired and sign.purpose is Purpose.CASE):
            signs.append(sign)
    unsigned = _stored_signs(stored, own_tenant)
    signs += unsigned
    evidence += map(str, unsigned)
    hop = max(hops, default=None)
    if forged:
        return _undecided(Outcome.FORGED, hop, evidence)
    if not signs:
        return _undecided(Outcome.NONE, hop, evidence)
    if disagreement := _disagreement(signs, own_tenant):
        return _undecided(Outcome.CONFLICT, hop, [*evidence, disagreement])
    return _match(signs, hop, evidence)


def _judge(token: FoundToken, record: TokenRecord | None, keys: Sequence[TokenKey]) -> tuple[_Verdict, str]:
    in_recipient = token.rung is Rung.RECIPIENT_TOKEN
    if record is None:
        if in_recipient:
            return _Verdict.FORGED, f"{token.where} carries a token nobody here gave out"
        # It may be another installation's, or of a case that was purged.
        return _Verdict.IGNORED, f"{token.where} carries a token that is not known here"
    if verify(token, record, keys):
        return _Verdict.VALID, ""
    if not in_recipient and all(key.kid != token.kid for key in keys):
        # An old thread must not be held because its key was retired.
        return _Verdict.IGNORED, f"{token.where} carries a token of a key that is no longer kept"
    return _Verdict.FORGED, f"{token.where} carries a token whose signature is wrong"


def _signed(token: FoundToken, record: TokenRecord, now: datetime) -> _Sign:
    return _Sign(
        rung=token.rung,
        tenant=record.tenant,
        case_id=record.case_id,
        referral_id=record.referral_id,
        purpose=record.purpose,
        expired=record.expires_at <= now,
        token_id=record.id,
        where=token.where,
    )


def _stored_signs(stored: Mapping[str, StoredMail], own_tenant: str | None) -> list[_Sign]:
    cases = dict.fromkeys(mail.case_id for mail in stored.values() if mail.tenant == own_tenant)
    if own_tenant is None:
        return []
    return [
        _Sign(Rung.STORED_MESSAGE_ID, own_tenant, case_id, None, None, False, None, "the Message-ID of a stored mail")
        for case_id in cases
    ]


def _disagreement(signs: Sequence[_Sign], own_tenant: str | None) -> str | None:
    if own_tenant is not None and any(sign.tenant != own_tenant for sign in signs):
        return f"a token of another tenant came in on an account of {own_tenant}"
    if len({(sign.tenant, sign.case_id) for sign in signs}) > 1:
        return "the signs name different cases"
    if len({sign.referral_id for sign in signs} - {None}) > 1:
        return "the signs name different referrals"
    return None


def _match(signs: Sequence[_Sign], hop: int | None, evidence: Iterable[str]) -> Correlation:
    strongest = signs[0]
    return Correlation(
        outcome=Outcome.MATCH,
        tenant=strongest.tenant,
        case_id=strongest.case_id,
        referral_id=next((sign.referral_id for sign in signs if sign.referral_id is not None), None),
        purpose=strongest.purpose,
        rung=strongest.rung,
        expired=strongest.expired,
        token_id=strongest.token_id,
        hop=hop,
        evidence=tuple(evidence),
    )


def _undecided(outcome: Outcome, hop: int | None, evidence: Iterable[str]) -> Correlation:
    return Correlation(outcome, None, None, None, None, None, False, None, hop, tuple(evidence))
