"""Routes one mail: reads it, gathers what is known, asks core to decide, writes the relay. Stores nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from reconciler.core.account import AccountType, AnswerFrom, FurtherAnswers
from reconciler.core.authentication import UNCHECKED, Authenticity, Verdict, authenticity
from reconciler.core.case import Case
from reconciler.core.correlation import Correlation, Outcome, Writer, correlate
from reconciler.core.decision import Action, Context, Decision, ReferralView
from reconciler.core.errors import Invalid, Unavailable
from reconciler.core.kind import Classification, Evidence, Kind
from reconciler.core.message import Address, Message
from reconciler.core.quoting import without_quotes
from reconciler.core.referral import Referral
from reconciler.core.registry import Registry
from reconciler.core.restore import arrival, predates
from reconciler.core.revision import AppliedState
from reconciler.core.routing import decide
from reconciler.core.rule_match import book_of
from reconciler.core.subject_tag import find_tags
from reconciler.core.tenant_settings import AuthenticationCheck
from reconciler.core.token import hop_hint
from reconciler.runtime.answers import Answering, answer_letter
from reconciler.runtime.letters import Desk
from reconciler.runtime.reading import Reading, all_signs, read
from reconciler.runtime.together import Answer, Failure, Touched
from reconciler.runtime.tokens import read_keys
from reconciler.source.secret import SecretStore
from reconciler.store import cases
from reconciler.store.acts import exceptions_of
from reconciler.store.applied import newest_revision, read_applied
from reconciler.store.backup import restored_at
from reconciler.store.database import Store, instance
from reconciler.store.filing import Filing, Summary
from reconciler.store.ledger import MailState, StoredMail, read_mail, read_mails
from reconciler.store.signs import Known, look_up

T = TypeVar("T")

MOST_TEXT = 200_000
"""Characters of a mail's text that stand on the case; the whole mail is kept raw."""


@dataclass(frozen=True, slots=True)
class Release:
    """A person's word for a held mail: it may go on, and where it belongs if nothing in it says so.

    With `kind` the person only says what the mail is: it is decided anew as such, and every other doubt stays.
    """

    case_id: int | None = None
    referral_id: int | None = None
    kind: Kind | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class _Ground:
    """The state that mails are decided against: one snapshot, and what was looked up in it for all of them."""

    connection: Connection
    desk: Desk
    known: Known
    restored_at: datetime | None


class Router:
    """Decides mails against the state as it is when each is decided."""

    def __init__(self, store: Store, registry: Registry, secrets: SecretStore, clock: Callable[[], datetime]) -> None:
        self._store, self._registry, self._secrets, self._clock = store, registry, secrets, clock
        self._state: tuple[int, AppliedState] | None = None

    def route(self, mail_id: int) -> Filing | None:
        """Decide the mail; None if it does not wait any more."""
        with self._store.read() as connection:
            mail = read_mail(connection, mail_id)
            if mail is None or mail.state is not MailState.RECEIVED:
                return None
            reading = read(mail)
            return self._decided(self._ground(connection, [reading]), reading)

    def route_together(self, mail_ids: Sequence[int], begin: Callable[[int], None]) -> Iterator[tuple[int, Answer]]:
        """Decide many mails against one snapshot, each as if those before it were filed already; one that cannot be
        so is put off. `begin` is told which mail is in hand. Raises Unavailable if nothing can be decided now."""
        with self._store.read() as connection:
            mails = read_mails(connection, mail_ids)
            readings: list[Reading] = []
            for mail_id in mail_ids:
                mail = mails.get(mail_id)
                if mail is None or mail.state is not MailState.RECEIVED:
                    yield mail_id, None
                    continue
                begin(mail_id)
                found = _attempted(partial(read, mail))
                if isinstance(found, Failure):
                    yield mail_id, found
                else:
                    readings.append(found)
            ground, touched = self._ground(connection, readings), Touched()
            for reading in readings:
                begin(reading.mail.id)
                answer = _attempted(partial(self._decided, ground, reading))
                yield reading.mail.id, touched.admitted(reading, answer)

    def release(self, mail_id: int, release: Release) -> Filing:
        """Decide a held mail anew, against the state as it is now, with a person answering for it. Raises Invalid."""
        with self._store.read() as connection:
            mail = read_mail(connection, mail_id)
            if mail is None or (mail.state is not MailState.HELD and release.kind is None):
                raise Invalid(f"M{mail_id} is not held any more")
            reading = _as_told(read(mail), release)
            return self._decided(self._ground(connection, [reading]), reading, release)

    def _ground(self, connection: Connection, readings: Sequence[Reading]) -> _Ground:
        desk = Desk(self._applied(connection), read_keys(self._secrets), instance(connection))
        return _Ground(connection, desk, look_up(connection, all_signs(readings)), restored_at(connection))

    def _applied(self, connection: Connection) -> AppliedState:
        newest = newest_revision(connection)
        if self._state is None or self._state[0] != newest:
            self._state = (newest, read_applied(connection, self._registry))
        return self._state[1]

    def _decided(self, ground: _Ground, reading: Reading, release: Release | None = None) -> Filing:
        connection, desk, known = ground.connection, ground.desk, ground.known
        now, mail, message, classification = self._clock(), reading.mail, reading.message, reading.classification
        checked, must_authenticate = _authentication(desk, mail.unit, message)
        correlation = _correlate(ground, reading, now, (checked, must_authenticate))
        if release is not None and release.kind is None:
            correlation = _named(connection, correlation, release, reading.tenant or correlation.tenant)
        referral, case = _referral(connection, correlation), _case(connection, correlation)
        context = Context(
            tenant=reading.tenant,
            account_id=mail.account_id,
            account_type=AccountType(mail.account_type),
            is_own=lambda address: Address("", address).key in desk.own_addresses(),
            case_state=case.state if case else None,
            referral=None if referral is None else _view(referral),
            is_echo=message.head.message_id in known.sent,
            is_copy=referral is not None and cases.has_effect(connection, referral.id, fingerprint(mail.raw, message)),
            is_released=release is not None and release.kind is None,
            exceptions=_exceptions(connection, correlation, referral),
            is_probe=not known.probes.isdisjoint((message.head.message_id, reading.original_id)),
            authenticity=checked,
            must_authenticate=must_authenticate,
            hop=hop_hint(message.head),
            now=now,
            predates_restore=predates(arrival(mail.internal_date, message.head), ground.restored_at),
            **_tenant_settings(desk, reading.tenant or correlation.tenant),
        )
        decision = decide(message, len(mail.raw), classification, correlation, context)
        letter, notes = None, _notes(decision, classification)
        if decision.action in (Action.RELAY, Action.TO_AGENT):
            answering = Answering(message, max(correlation.hop or 0, context.hop) + 1, now, context.is_released)
            decision, letter, notes = answer_letter(connection, desk, decision, answering)
            if letter is not None and checked.verdict is Verdict.FAIL:
                notes = (*notes, f"From could not be proven: {checked.detail}")
        return Filing(
            mail_id=mail.id,
            account_key=mail.account_key,
            account=f"{mail.unit}/{mail.account_id}",
            decision=decision,
            seen_case_state=case.state if case else None,
            summary=_summary(mail, message, classification, decision),
            explanation=_explanation(decision, classification, correlation, desk, reading.tenant),
            letter=letter,
            notes=notes,
            was_held=mail.state is MailState.HELD,
            was_routed=mail.state is MailState.ROUTED,
            hop=max(correlation.hop or 0, context.hop),
            bounced_message_id=reading.original_id,
        )


def _attempted(attempt: Callable[[], T]) -> T | Failure:
    """What the attempt gave, or how it failed: one mail's failure is not the others'. Raises Unavailable."""
    try:
        return attempt()
    except Unavailable:
        raise
    except Exception as error:
        return Failure(f"{type(error).__name__}: {error}")


def _as_told(reading: Reading, release: Release) -> Reading:
    """The mail as a person says it is."""
    if release.kind is None:
        return reading
    found = reading.classification
    said = Evidence("reclassified", "a person", release.by)
    bounce = found.bounce if release.kind is Kind.BOUNCE else None
    told = replace(found, kind=release.kind, evidence=(said, *found.evidence), bounce=bounce)
    return replace(reading, classification=told)


def _exceptions(connection: Connection, correlation: Correlation, referral: Referral | None) -> frozenset[Kind]:
    """The kinds a person lets the correlated referral's contact answer with."""
    if correlation.tenant is None or referral is None:
        return frozenset()
    return exceptions_of(connection, correlation.tenant, Address("", referral.contact_address))


def _named(connection: Connection, found: Correlation, release: Release, tenant: str | None) -> Correlation:
    """What a person says outweighs what the mail says, inside the tenant the mail belongs to."""
    case_id = release.case_id
    if release.referral_id is not None:
        referral = cases.read_referral(connection, release.referral_id)
        case_id = referral.case_id if referral is not None else None
    if case_id is None:
        if release.referral_id is not None:
            raise Invalid(f"there is no referral R{release.referral_id}")
        return found
    case = cases.read_case(connection, case_id)
    if case is None or (tenant is not None and case.tenant != tenant):
        raise Invalid(f"there is no case C{case_id} of {tenant or 'any tenant'}")
    said = (*found.evidence, f"a person named case C{case_id}")
    return Correlation(
        Outcome.MATCH, case.tenant, case_id, release.referral_id, None, None, False, None, found.hop, said
    )


def _correlate(ground: _Ground, reading: Reading, now: datetime, checked: tuple[Authenticity, bool]) -> Correlation:
    head, tenant, known = reading.message.head, reading.tenant, ground.known
    stored = {i: known.filed[tenant, i] for i in reading.thread if (tenant, i) in known.filed} if tenant else {}
    tags = {tag: cases.read_tagged(ground.connection, tag) for tag in find_tags(head.subject)}
    return correlate(
        reading.found, known.tokens, stored, ground.desk.keys, now, tenant, Writer(head.sender, *checked, tags)
    )


def _authentication(desk: Desk, unit: str, message: Message) -> tuple[Authenticity, bool]:
    """What the server that received the mail says of From, and whether only a pass will do."""
    applied = desk.state.units.get(unit)
    settings = applied.document.authentication if applied is not None else None
    if settings is None:
        return UNCHECKED, False
    return authenticity(message.head, settings.authserv_id), settings.check is AuthenticationCheck.STRICT


def _case(connection: Connection, correlation: Correlation) -> Case | None:
    return None if correlation.case_id is None else cases.read_case(connection, correlation.case_id)


def _referral(connection: Connection, correlation: Correlation) -> Referral | None:
    return None if correlation.referral_id is None else cases.read_referral(connection, correlation.referral_id)


def _view(referral: Referral) -> ReferralView:
    contact = Address(referral.contact_name, referral.contact_address)
    target = Address(referral.target_name, referral.target_address)
    rule = AnswerFrom(referral.answer_from)
    return ReferralView(referral.id, referral.kind, referral.state, contact, target, rule, referral.answered_at)


def _tenant_settings(desk: Desk, tenant: str | None) -> dict[str, Any]:
    document = desk.state.tenant_document(tenant) if tenant else None
    if document is None or tenant is None:
        return {"further_answers": FurtherAnswers.HOLD}
    return {
        "rules": book_of(document.routing),
        "further_answers": document.referrals.further_answers,
        "further_window": document.referrals.further_window,
        "tenant_retired": desk.state.units[tenant].retired,
    }


def _notes(decision: Decision, classification: Classification) -> tuple[str, ...]:
    if not decision.delivery_failed or classification.bounce is None:
        return ()
    recipient = classification.bounce.recipient or "the customer"
    return (f"a mail to {recipient} could not be delivered ({classification.bounce.status or 'no status'})",)


def _summary(mail: StoredMail, message: Message, classification: Classification, decision: Decision) -> Summary:
    head, text = message.head, message.body.text
    if decision.action in (Action.CONTINUE_CASE, Action.RELAY, Action.TO_AGENT):
        text = without_quotes(text) or text
    return Summary(
        message_id=head.message_id,
        sender_name=head.sender.name if head.sender else "",
        sender_address=head.sender.address if head.sender else "",
        subject=head.subject,
        text=text[:MOST_TEXT],
        kind=classification.kind,
        fingerprint=fingerprint(mail.raw, message),
    )


def fingerprint(raw: bytes, message: Message) -> str:
    """Tells copies of one mail, wherever they arrived: over Message-ID, From, Date and the bytes after the header.

    Blank lines at the end do not count: servers on the way add and take them.
    """
    head = message.head
    body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")[2].rstrip()
    sender = head.sender.key if head.sender else ""
    parts = (head.message_id or "", sender, head.first("date") or "", hashlib.sha256(body).hexdigest())
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


def _explanation(
    decision: Decision, classification: Classification, correlation: Correlation, desk: Desk, tenant: str | None
) -> Mapping[str, Any]:
    unit = desk.state.units.get(decision.tenant or tenant or "main")
    return {
        "action": decision.action.value,
        "reason": decision.reason.value if decision.reason else None,
        "detail": decision.detail,
        "kind": classification.kind.value,
        "evidence": [{f.name: getattr(e, f.name) for f in fields(e)} for e in classification.evidence],
        "correlation": {
            "outcome": correlation.outcome.value,
            "rung": correlation.rung.value if correlation.rung else None,
            "evidence": list(correlation.evidence),
            "tried": [{"rung": t.rung.value, "result": t.result.value, "detail": t.detail} for t in correlation.tried],
        },
        "rule": decision.rule,
        "rules_missed": list(decision.missed),
        "event": decision.event.value if decision.event else None,
        "revision": unit.revision if unit else None,
    }
