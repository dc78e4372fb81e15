"""One step of sending: claims an account's mails, hands them to its server one by one, writes what became of each."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection

from reconciler.core.case import SYSTEM, EntryKind
from reconciler.core.endpoint import SmtpSettings
from reconciler.core.errors import Permanent, ReconcilerError, Temporary
from reconciler.core.health import Condition, Refused, Trouble
from reconciler.core.outbox import (
    Delivery,
    DeliveryLine,
    OutboxRow,
    OutboxState,
    Outcome,
    allowance,
    retry_at,
    state_after,
)
from reconciler.core.registry import Registry
from reconciler.core.schedule import StepEnd
from reconciler.protocol.base import Limits
from reconciler.protocol.smtp import SmtpConnection
from reconciler.runtime.access import Access, Tokens
from reconciler.runtime.faults import reach
from reconciler.runtime.settings import RunSettings
from reconciler.runtime.step import Clock
from reconciler.runtime.submission import Line
from reconciler.runtime.writer import Writer
from reconciler.source.secret import SecretStore
from reconciler.store import cases, outbox
from reconciler.store.database import Store
from reconciler.store.health import write_sending

log = structlog.get_logger()

MOST_LOSSES = 2
"""Connections that may be lost in one step; then the mails that were not tried wait for another."""

_TOLD_EVERY = 10.0

Write = Callable[[Connection], DeliveryLine]


@dataclass(frozen=True, slots=True)
class Postbox:
    """What sending works with."""

    store: Store
    writer: Writer
    registry: Registry
    secrets: SecretStore
    settings: RunSettings
    clock: Clock
    boot: str
    tokens: Tokens = field(default_factory=Tokens)


@dataclass(slots=True)
class Left:
    """What a step leaves behind that the store did not take: results to be written, mails that were never tried."""

    results: list[Write] = field(default_factory=list)
    untried: list[int] = field(default_factory=list)


@dataclass(slots=True)
class SendingStep:
    """At most `send_weight` mails through one account's submission server. `lines` is what became of them so far."""

    postbox: Postbox
    account_key: int
    line: Line
    lines: list[DeliveryLine] = field(default_factory=list)
    left: Left = field(default_factory=Left)

    def run(self) -> StepEnd:
        """Send. Raises only if the store fails, see `left`."""
        with self.postbox.store.read() as connection:
            unit, config = outbox.sending_account(connection, self.account_key)
        account = self.postbox.registry.account.model_validate(config)
        rows, wait = self.postbox.writer.run(partial(self._claim, account.send_weight, account.smtp))
        if not rows:
            return StepEnd(failed=False, permanent=False, backlog=1, wait=wait)
        self.left.untried = [row.id for row in rows]
        trouble = self._send(unit, account.smtp, deque(rows))
        condition = getattr(trouble, "condition", Condition.UNREACHABLE) if trouble is not None else Condition.OK
        self._tell(condition, str(trouble or ""))
        retry_after = trouble.retry_after if isinstance(trouble, Temporary) else None
        return StepEnd(trouble is not None, isinstance(trouble, Permanent), 1, retry_after)

    def _claim(self, weight: int, smtp: SmtpSettings | None, connection: Connection) -> tuple[list[OutboxRow], float]:
        """The mails of this step, and how long the account's rate makes the next one wait, in seconds."""
        now, rate = self.postbox.clock(), smtp.per_minute if smtp is not None else None
        tries = outbox.recent_tries(connection, self.account_key, now) if rate is not None else []
        allowed = allowance(rate, tries, now, weight)
        if not allowed.mails:
            return [], allowed.wait.total_seconds()
        return outbox.claim(connection, self.account_key, allowed.mails, self.postbox.boot, now), 0.0

    def _send(self, unit: str, smtp: SmtpSettings | None, rows: deque[OutboxRow]) -> ReconcilerError | None:
        """Send the mails one by one; what kept the account from it in the end, None if nothing did."""
        trouble: ReconcilerError | None = None
        losses, looked_at = 0, False
        while rows:
            try:
                if not looked_at or self.line.connection is None or not self.line.connection.usable:
                    self._open(unit, smtp)
                    looked_at = True
            except ReconcilerError as error:
                self._put_back(rows, error)
                return error
            assert self.line.connection is not None
            row = rows.popleft()
            delivery = self._deliver(self.line.connection, row, rows)
            if delivery.fault is not None:
                fault = Refused(delivery.fault, delivery.text)
                self._put_back([row, *rows], fault, tried=row)
                return fault
            self._finish(row, delivery)
            trouble = None
            if not self.line.connection.usable:
                losses += 1
                condition = Condition.THROTTLED if delivery.code == 421 else Condition.UNREACHABLE
                trouble = Trouble(condition, _answer(delivery))
                if losses == MOST_LOSSES and rows:
                    self._put_back(rows, trouble)
                    return trouble
        return trouble

    def _open(self, unit: str, smtp: SmtpSettings | None) -> None:
        if smtp is None:
            raise Refused(
                Condition.UNREACHABLE,
                "the account has no smtp block any more; add it again or let another account send",
            )
        settings = self.postbox.settings
        limits = Limits(connect=settings.connect_seconds, command=settings.command_seconds)
        self.line.opened(unit, smtp, Access(self.postbox.secrets, self.postbox.tokens), limits)

    def _deliver(self, connection: SmtpConnection, row: OutboxRow, rest: Sequence[OutboxRow]) -> Delivery:
        with self.postbox.store.read() as reading:
            data = outbox.read_data(reading, row.id)
        # From here on the mail may have been sent, whatever happens to this process.
        self.left.untried = [other.id for other in rest]
        reach("sending", row.recipient)
        delivery = connection.deliver(row.mail_from, row.recipient, data)
        reach("sent", row.recipient)
        return delivery

    def _finish(self, row: OutboxRow, delivery: Delivery) -> None:
        write = partial(_write, self.postbox.clock, row, delivery)
        try:
            line = self.postbox.writer.run(write)
        except ReconcilerError:
            # Nobody but this process knows how it ended.
            self.left.results.append(write)
            raise
        reach("marked", row.recipient)
        self.lines.append(line)
        log.info(
            "mail.sent" if line.result == OutboxState.SENT.value else "mail.not_sent",
            outbox=line.outbox,
            result=line.result,
            answer=_answer(delivery),
        )

    def _put_back(self, rows: Sequence[OutboxRow], why: ReconcilerError, tried: OutboxRow | None = None) -> None:
        """It was the account's trouble and not the mails': they wait, and no try is counted.

        `tried` is the mail the server refused; it goes behind the others, in case it is the mail after all.
        """
        ids, now = [row.id for row in rows], self.postbox.clock()

        def write(connection: Connection) -> None:
            outbox.put_back(connection, ids, self.postbox.boot, str(why))
            if tried is not None:
                outbox.move_behind(connection, tried.id, now)

        self.left.untried = ids
        self.postbox.writer.run(write)
        self.left.untried = []
        for row in rows:
            self.lines.append(_line(row, "deferred"))
            log.info("mail.not_sent", outbox=f"O{row.id}", result="deferred", answer=str(why))

    def _tell(self, condition: Condition, reason: str) -> None:
        """Write down how the submission server is, if that has changed or not been said for a while."""
        told, now = self.line.told, time.monotonic()
        if told is not None and told[:2] == (condition, reason) and now - told[2] < _TOLD_EVERY:
            return
        if condition is not Condition.OK and (told is None or told[0] is not condition):
            log.warning("sending.trouble", account=self.account_key, condition=condition.value, reason=reason)
        self.line.told = (condition, reason, now)
        at = self.postbox.clock()
        self.postbox.writer.submit(lambda c: write_sending(c, self.account_key, condition, reason, at))


def _write(clock: Clock, row: OutboxRow, delivery: Delivery, connection: Connection) -> DeliveryLine:
    """Write how a try ended; doing so twice does no harm."""
    now = clock()
    retry = retry_at(row.attempts, now)
    state, answer = state_after(delivery.outcome, retry), _answer(delivery)
    written = outbox.finish(
        connection,
        row.id,
        state,
        answer=answer,
        next_at=retry if state is OutboxState.QUEUED else None,
        sent_at=now if state is OutboxState.SENT else None,
        possibly_twice=delivery.outcome is Outcome.UNKNOWN,
    )
    if written and state is OutboxState.FAILED:
        cases.add_entry(connection, row.case_id, EntryKind.EVENT, **_failure(row, answer), now=now)
    return _line(row, "deferred" if state is OutboxState.QUEUED else state.value)


def _line(row: OutboxRow, result: str) -> DeliveryLine:
    return DeliveryLine(f"O{row.id}", f"C{row.case_id}", row.recipient, row.message_id, result)


def _answer(delivery: Delivery) -> str:
    return f"{delivery.code} {delivery.text}" if delivery.code is not None else delivery.text


def _failure(row: OutboxRow, answer: str) -> dict[str, Any]:
    text = f"the {row.purpose} to {row.recipient} could not be sent: {answer}"
    return {"author": SYSTEM, "text": text, "outbox_id": row.id, "referral_id": row.referral_id}
