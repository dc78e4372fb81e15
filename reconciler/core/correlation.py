"""Which case a mail belongs to, decided from signed tokens, stored Message-IDs and signed subject tags; not what
happens to it then. Every rung is tried and what it gave is kept, whichever decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciler.core.address import Address
from reconciler.core.authentication import UNCHECKED, Authenticity, Verdict
from reconciler.core.referral import is_expected
from reconciler.core.subject_tag import FoundTag, Tagged, verify_tag
from reconciler.core.token import FoundToken, Purpose, Rung, TokenKey, TokenRecord, verify

__all__ = ["Correlation", "Outcome", "Rung", "StoredMail", "Tried", "TriedResult", "Writer", "correlate"]


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


class TriedResult(StrEnum):
    """What a rung gave."""

    HIT = "hit"
    MISSED = "missed"
    IGNORED = "ignored"
    FORGED = "forged"


@dataclass(frozen=True, slots=True)
class Tried:
    """One look at one rung, and in words what was there."""

    rung: Rung
    result: TriedResult
    detail: str


@dataclass(frozen=True, slots=True)
class Writer:
    """Who wrote the mail as far as a subject tag asks, and the tags with what they name (unknown ones left out).

    `must_authenticate`: only a sender the receiving server vouches for counts as expected.
    """

    sender: Address | None = None
    authenticity: Authenticity = UNCHECKED
    must_authenticate: bool = False
    tags: Mapping[FoundTag, Tagged | None] = field(default_factory=dict)


NOBODY = Writer()


@dataclass(frozen=True, slots=True)
class Correlation:
    """The decision and why. Unless `outcome` is MATCH, everything but `hop`, `evidence` and `tried` is None.

    `purpose`, `rung`, `expired` and `token_id` belong to the strongest sign; purpose and token_id are None for a
    stored Message-ID or a tag. `hop` is the highest hop count of any signed Message-ID in the mail, None without one.
    `tried` has every rung, strongest first; `evidence` what was found, in words.
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
    tried: tuple[Tried, ...] = ()


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


_PLACES = {
    Rung.RECIPIENT_TOKEN: "no token in Delivered-To, X-Original-To, To or Cc",
    Rung.IN_REPLY_TO: "no Message-ID of ours in In-Reply-To",
    Rung.REFERENCES: "no Message-ID of ours in References",
    Rung.ORIGINAL_MESSAGE_ID: "no Message-ID of ours in an enclosed mail",
    Rung.STORED_MESSAGE_ID: "no Message-ID of a mail that stands on a case",
    Rung.SUBJECT_TAG: "no tag of ours in the subject",
}


_MISSED: Mapping[Rung, Sequence[Tried]] = {
    rung: (Tried(rung, TriedResult.MISSED, why),) for rung, why in _PLACES.items()
}


@dataclass(slots=True)
class _Search:
    """What the rungs have given so far."""

    signs: list[_Sign] = field(default_factory=list)
    tried: list[Tried] = field(default_factory=list)
    hops: list[int] = field(default_factory=list)

    def hit(self, sign: _Sign) -> None:
        # Long after the conversation its token still names the case, but says nothing any more.
        late = sign.expired and sign.purpose is Purpose.CASE
        self.tried.append(Tried(sign.rung, TriedResult.IGNORED if late else TriedResult.HIT, str(sign)))
        if not late:
            self.signs.append(sign)

    def finished(self) -> tuple[Tried, ...]:
        """All rungs in their order, those without anything as missed."""
        by_rung: dict[Rung, list[Tried]] = {}
        for tried in self.tried:
            by_rung.setdefault(tried.rung, []).append(tried)
        return tuple(tried for rung, missed in _MISSED.items() for tried in by_rung.get(rung, missed))


def correlate(
    found: Sequence[FoundToken],
    records: Mapping[int, TokenRecord],
    stored: Mapping[str, StoredMail],
    keys: Sequence[TokenKey],
    now: datetime,
    own_tenant: str | None,
    writer: Writer = NOBODY,
) -> Correlation:
    """Decide the case of a mail that came in on an account of `own_tenant` (None: a main account).

    `found` comes strongest first; `records` holds the known ones of the found ids, `stored` the known ones of the
    mail's In-Reply-To and References. Signs that disagree are a CONFLICT, also a valid token of another tenant. An
    expired token of a customer is no sign: the other rungs decide. A stored Message-ID is unsigned, so it counts for
    `own_tenant` only, and never on a main account. A subject tag is asked only if nothing else says anything,
    and never on a main account.
    """
    search = _Search()
    for token in found:
        _try_token(search, token, records.get(token.id), keys, now)
    for sign in _stored_signs(stored, own_tenant):
        search.hit(sign)
    if not search.signs:
        for tag, tagged in writer.tags.items():
            _try_tag(search, tag, tagged if own_tenant is not None else None, writer, keys)
    hop, tried = max(search.hops, default=None), search.finished()
    evidence = tuple(t.detail for t in tried if t.result is not TriedResult.MISSED)
    nothing = (None, None, None, None, None, False, None, hop)
    if any(t.result is TriedResult.FORGED for t in tried):
        return Correlation(Outcome.FORGED, *nothing, evidence, tried)
    if not search.signs:
        return Correlation(Outcome.NONE, *nothing, evidence, tried)
    if disagreement := _disagreement(search.signs, own_tenant):
        return Correlation(Outcome.CONFLICT, *nothing, (*evidence, disagreement), tried)
    return _match(search.signs, hop, evidence, tried)


def _try_token(
    search: _Search, token: FoundToken, record: TokenRecord | None, keys: Sequence[TokenKey], now: datetime
) -> None:
    if record is not None and verify(token, record, keys):
        if token.hop is not None:
            search.hops.append(token.hop)
        search.hit(_signed(token, record, now))
        return
    result, why = _unverified(token, record, keys, now)
    search.tried.append(Tried(token.rung, result, f"{token.where} carries {why}"))


def _unverified(
    token: FoundToken, record: TokenRecord | None, keys: Sequence[TokenKey], now: datetime
) -> tuple[TriedResult, str]:
    in_recipient = token.rung is Rung.RECIPIENT_TOKEN
    if record is None:
        if in_recipient:
            return TriedResult.FORGED, "a token nobody here gave out"
        # It may be another installation's, or of a case that was purged.
        return TriedResult.IGNORED, "a token that is not known here"
    key_is_gone = all(key.kid != token.kid for key in keys)
    if key_is_gone and (not in_recipient or record.purpose is Purpose.CASE):
        # Neither an old thread nor a customer must be held because a key was retired.
        return TriedResult.IGNORED, "a token of a key that is no longer kept"
    if record.purpose is Purpose.CASE and record.expires_at <= now:
        return TriedResult.IGNORED, "a token that has expired and cannot be verified"
    return TriedResult.FORGED, "a token whose signature is wrong"


def _try_tag(search: _Search, tag: FoundTag, tagged: Tagged | None, writer: Writer, keys: Sequence[TokenKey]) -> None:
    named = f"the subject's tag {tag.letter}{tag.number}"
    # Anybody may write anything into a subject: a tag that does not hold is no reason to hold the mail.
    if tagged is None or not verify_tag(tag, tagged, keys):
        why = f"{named} is not one of ours"
    elif not is_expected(writer.sender, tagged.participant, tagged.answer_from):
        why = f"{named} is ours, but the sender is not expected there"
    elif writer.authenticity.verdict is Verdict.FAIL or (
        writer.must_authenticate and writer.authenticity.verdict is not Verdict.PASS
    ):
        why = f"{named} is ours, but the sender is not proven ({writer.authenticity.detail})"
    else:
        sign = _Sign(
            Rung.SUBJECT_TAG, tagged.tenant, tagged.case_id, tagged.referral_id, None, False, None, "the subject's tag"
        )
        search.hit(sign)
        return
    search.tried.append(Tried(Rung.SUBJECT_TAG, TriedResult.IGNORED, why))


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


def _match(signs: Sequence[_Sign], hop: int | None, evidence: tuple[str, ...], tried: tuple[Tried, ...]) -> Correlation:
    strongest = signs[0]
    referral = next((sign.referral_id for sign in signs if sign.referral_id is not None), None)
    return Correlation(
        Outcome.MATCH,
        strongest.tenant,
        strongest.case_id,
        referral,
        strongest.purpose,
        strongest.rung,
        strongest.expired,
        strongest.token_id,
        hop,
        evidence,
        tried,
    )
