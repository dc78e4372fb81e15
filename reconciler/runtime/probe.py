"""Tries out an applied account's servers: looks without changing anything, and sends test mails if asked to."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from reconciler.core.errors import Invalid, ReconcilerError
from reconciler.core.health import Condition, condition_of
from reconciler.core.kind import classify
from reconciler.core.message import Address, parse
from reconciler.core.outbox import Outcome
from reconciler.core.outgoing import AutoSubmitted, OutgoingMail, build, subaddressed
from reconciler.core.probe import Arrival, FetchProbe, MailProbe, Probe, SendProbe
from reconciler.core.revision import AppliedAccount, AppliedState
from reconciler.core.sender import submission_account
from reconciler.core.token import TOKEN_LENGTH
from reconciler.protocol.base import Limits, Session
from reconciler.protocol.smtp import SmtpConnection, open_connection
from reconciler.runtime.asking import answered_by_waiting
from reconciler.runtime.cursor import Cursor
from reconciler.runtime.fleet import FetchAccount, looking, read_account
from reconciler.runtime.step import Step, Tools
from reconciler.runtime.thread_door import open_session
from reconciler.store import probes
from reconciler.store.applied import read_applied
from reconciler.store.database import instance

_SLACK = timedelta(days=1)
_MOST_BYTES = 256 * 1024
_LOOK_SECONDS = 1.0
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True, slots=True)
class MailTrial:
    """How test mails are sent: the delimiter to try, and how many seconds they have to arrive."""

    delimiter: str
    seconds: float


@dataclass(frozen=True, slots=True)
class _Trial:
    """A test mail on its way."""

    address: str
    message_id: str


class Prober:
    """Tries out one account. Raises Invalid if nothing of that name is applied."""

    def __init__(self, tools: Tools, label: str, state: AppliedState, account: FetchAccount) -> None:
        self._tools, self._label, self._state, self._account = tools, label, state, account

    @classmethod
    def of(cls, tools: Tools, registry: Any, label: str) -> Prober:
        """The prober of the applied account `unit/id`."""
        with tools.store.read() as connection:
            account = read_account(connection, registry, label)
            state = read_applied(connection, registry)
        return cls(tools, label, state, account)

    def probe(self, test: MailTrial | None = None) -> Probe:
        """Look at both servers; with `test`, send test mails too if both serve."""
        fetch, via = self._fetch(), self._via()
        found = Probe(self._label, fetch, self._send(via) if via is not None else None)
        if test is None:
            return found
        if via is None or found.send is None:
            raise Invalid(f"{self._label} cannot send test mails; give it smtp or send_from")
        if not found.well:
            return found
        plain, subaddress = self._try(via, test)
        return replace(found, plain=plain, subaddress=subaddress, delimiter=test.delimiter)

    def _fetch(self) -> FetchProbe:
        protocol = self._account.account.protocol
        try:
            with self._session() as session:
                waiting = {folder: self._waiting(session, folder) for folder in self._folders()}
                return FetchProbe(protocol, Condition.OK, "", session.capabilities, waiting)
        except ReconcilerError as error:
            return FetchProbe(protocol, condition_of(error), str(error), frozenset(), {})

    def _folders(self) -> tuple[str, ...]:
        folders: tuple[str, ...] = getattr(self._account.account.block, "folders", ("",))
        return folders

    @contextmanager
    def _session(self) -> Iterator[Session]:
        session = open_session(self._tools, looking(self._account))
        try:
            yield session
        finally:
            session.close()

    def _waiting(self, session: Session, folder: str) -> int:
        step = Step(looking(self._account, folder), Cursor(), self._tools)
        report = answered_by_waiting(step.preview(), session, self._tools.store)
        return report.taken + (report.backlog or 0)

    def _via(self) -> AppliedAccount | None:
        unit, account_id = self._account.unit, self._account.account.id
        return submission_account(self._state.accounts[unit, account_id], lambda i: self._state.accounts.get((unit, i)))

    def _send(self, via: AppliedAccount) -> SendProbe:
        try:
            connection = self._connected(via)
        except ReconcilerError as error:
            return SendProbe(via.label, condition_of(error), str(error), False, (), None)
        offer = connection.offer
        connection.close()
        return SendProbe(via.label, Condition.OK, "", offer.tls, offer.auth, offer.size)

    def _connected(self, via: AppliedAccount) -> SmtpConnection:
        smtp, settings = via.account.smtp, self._tools.settings
        assert smtp is not None
        limits = Limits(connect=settings.connect_seconds, command=settings.command_seconds)
        return self._tools.access.log_in(via.unit, smtp, limits, lambda secret: open_connection(smtp, secret, limits))

    def _try(self, via: AppliedAccount, test: MailTrial) -> tuple[MailProbe, MailProbe]:
        """Send a mail to the plain and one to a subaddress, and watch the mailbox for both."""
        address = self._account.account.address
        token = "".join(secrets.choice(_ALPHABET) for _ in range(TOKEN_LENGTH))
        tests = [self._test(to) for to in (address, subaddressed(address, test.delimiter, token))]
        before = {folder: self._uids(folder) for folder in self._folders()}
        began = time.monotonic()
        found: dict[str, MailProbe] = {}
        for one, answer in zip(tests, self._deliver(via, tests), strict=True):
            if answer is not None:
                found[one.address] = MailProbe(one.address, Arrival.REFUSED, None, answer)
        while len(found) < len(tests) and time.monotonic() - began < test.seconds:
            self._look(began, before, [one for one in tests if one.address not in found], found)
            if len(found) < len(tests):
                time.sleep(_LOOK_SECONDS)
        missing = f"not seen within {test.seconds:g} s"
        plain, sub = (found.get(t.address, MailProbe(t.address, Arrival.MISSING, None, missing)) for t in tests)
        return plain, sub

    def _test(self, address: str) -> _Trial:
        domain = self._account.account.address.rpartition("@")[2]
        with self._tools.store.write() as connection:
            message_id = f"<probe.{secrets.token_hex(12)}.{instance(connection)}@{domain}>"
            probes.remember(connection, message_id, self._account.key, self._tools.clock())
        return _Trial(address, message_id)

    def _deliver(self, via: AppliedAccount, tests: list[_Trial]) -> list[str | None]:
        """The server's words about each mail that it did not take."""
        connection = self._connected(via)
        own = self._account.account.address
        try:
            deliver = partial(connection.deliver, own)
            answers = [deliver(one.address, self._mail(one)) for one in tests]
        finally:
            connection.close()
        taken = (Outcome.ACCEPTED, Outcome.UNKNOWN)
        return [None if a.outcome in taken else f"{a.code or ''} {a.text}".strip() for a in answers]

    def _mail(self, test: _Trial) -> bytes:
        sender = Address(self._account.account.name, self._account.account.address)
        return build(
            OutgoingMail(
                sender=sender,
                reply_to=None,
                to=Address("", test.address),
                subject="Test mail",
                date=self._tools.clock(),
                message_id=test.message_id,
                in_reply_to=None,
                references=(),
                text=f"A test mail of `reconciler probe {self._label} --mail`. It may be deleted.\n",
                attachments=(),
                auto_submitted=AutoSubmitted.GENERATED,
            )
        )

    def _uids(self, folder: str) -> frozenset[str]:
        with self._session() as session:
            listing = session.list(folder, (), self._tools.clock() - _SLACK)
        return frozenset(mail.uid for mail in listing.mails)

    def _look(
        self, began: float, before: dict[str, frozenset[str]], tests: list[_Trial], found: dict[str, MailProbe]
    ) -> None:
        """One look at the mailbox, and at what a running system has taken from it meanwhile."""
        try:
            arrived, bounced = self._seen(before)
        except ReconcilerError:
            # The running system may be at it; another look follows.
            arrived, bounced = set(), {}
        with self._tools.store.read() as connection:
            arrived |= {t.message_id for t in tests if probes.has_come_in(connection, t.message_id, self._account.key)}
        seconds = round(time.monotonic() - began, 1)
        for test in tests:
            if test.message_id in arrived:
                found[test.address] = MailProbe(test.address, Arrival.ARRIVED, seconds, "")
            elif test.message_id in bounced:
                found[test.address] = MailProbe(test.address, Arrival.BOUNCED, None, bounced[test.message_id])

    def _seen(self, before: dict[str, frozenset[str]]) -> tuple[set[str], dict[str, str]]:
        """Message-IDs of the mails that have come, and of those that bounces say could not be delivered."""
        arrived: set[str] = set()
        bounced: dict[str, str] = {}
        with self._session() as session:
            for raw in (raw for folder in self._folders() for raw in self._news(session, folder, before[folder])):
                message = parse(raw)
                bounce = classify(message).bounce
                if bounce is not None and bounce.original_message_id is not None:
                    bounced[bounce.original_message_id] = bounce.status or ""
                if message.head.message_id is not None:
                    arrived.add(message.head.message_id)
        return arrived, bounced

    def _news(self, session: Session, folder: str, before: Collection[str]) -> Iterator[bytes]:
        """The small mails that have come since; a test mail is one."""
        listing = session.list(folder, before, self._tools.clock() - _SLACK)
        small = [mail.uid for mail in listing.mails if (mail.size or 0) <= _MOST_BYTES]
        return (fetched.raw for fetched in session.fetch(listing, small))
