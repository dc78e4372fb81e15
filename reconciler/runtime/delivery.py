"""Sends what is in the outbox: a step per account, each try counted before it is made; no account waits for another."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection

from reconciler.core.case import SYSTEM, EntryKind
from reconciler.core.errors import ReconcilerError
from reconciler.core.outbox import Delivery, DeliveryLine, OutboxState, Outcome, retry_at, state_after
from reconciler.core.registry import Registry
from reconciler.core.secret import Secret
from reconciler.core.settings import SmtpSettings
from reconciler.protocol.base import Limits
from reconciler.protocol.smtp import SmtpConnection, open_connection
from reconciler.runtime.faults import reach
from reconciler.runtime.settings import RunSettings
from reconciler.runtime.step import Clock
from reconciler.runtime.writer import Writer
from reconciler.source.secret import SecretStore
from reconciler.store import cases, outbox
from reconciler.store.database import Store

log = structlog.get_logger()


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


class Sender:
    """Runs sending steps, one at a time per account, in threads."""

    def __init__(self, postbox: Postbox, on_sent: Callable[[DeliveryLine], None]) -> None:
        self._postbox, self._on_sent = postbox, on_sent
        self._busy: set[int] = set()
        self._stranded = False
        self._stopped = False
        self._done: queue.SimpleQueue[tuple[int, list[DeliveryLine]]] = queue.SimpleQueue()
        now = postbox.clock()
        requeued = postbox.writer.run(lambda c: outbox.requeue_interrupted(c, postbox.boot, now))
        if requeued:
            log.warning("outbox.possibly_twice", mails=requeued)

    def run(self, stop: threading.Event, wake: threading.Event) -> None:
        """Send what is due until stopped; `wake` says that something may be."""
        while not stop.is_set():
            wake.clear()
            try:
                self._start_due()
            except ReconcilerError as error:
                log.warning("sending.paused", reason=str(error))
            wake.wait(0.05 if self._collect(0.0) else self._postbox.settings.send_seconds)
        self._wait_for_busy()

    def step(self) -> None:
        """One step for each account that has something to send."""
        self._start_due()
        while self._busy:
            self._collect(0.2)

    def drain(self) -> None:
        """Send until nothing is due; what a server deferred stays for later."""
        while not self._stopped and (self._start_due() or self._busy):
            self._collect(0.2)

    def stop(self) -> None:
        """Let a drain end after the steps in hand. Callable from any thread."""
        self._stopped = True

    def _start_due(self) -> bool:
        postbox = self._postbox
        if self._stranded:
            self._requeue_stranded()
        with postbox.store.read() as connection:
            due = outbox.due_accounts(connection, postbox.clock())
        started = [key for key in due if key not in self._busy]
        for key in started:
            self._busy.add(key)
            threading.Thread(target=self._step, args=(key,), name=f"send {key}", daemon=True).start()
        return bool(started)

    def _requeue_stranded(self) -> None:
        """Steps that failed themselves may have left mails as being sent: nobody else would take these up again."""
        postbox, busy, now = self._postbox, frozenset(self._busy), self._postbox.clock()
        postbox.writer.run(lambda c: outbox.requeue_stranded(c, busy, now))
        self._stranded = False

    def _collect(self, seconds: float) -> int:
        """Take the ends of steps that are there, waiting at most so long for the first."""
        count = 0
        try:
            while True:
                key, lines = self._done.get(timeout=seconds) if seconds and not count else self._done.get_nowait()
                self._busy.discard(key)
                count += 1
                for line in lines:
                    self._on_sent(line)
        except queue.Empty:
            return count

    def _wait_for_busy(self) -> None:
        """Let the mails in hand end, within the time a server has for one answer."""
        waited = 0.0
        while self._busy and waited < self._postbox.settings.command_seconds:
            waited += 0.2
            self._collect(0.2)

    def _step(self, account_key: int) -> None:
        """In a thread of its own: at most `send_weight` mails through one account's server."""
        lines: list[DeliveryLine] = []
        try:
            lines = _send_step(self._postbox, account_key)
        except Exception as error:
            self._stranded = True
            log.error("sending.failed", account=account_key, reason=f"{type(error).__name__}: {error}")
        finally:
            self._done.put((account_key, lines))


def _send_step(postbox: Postbox, account_key: int) -> list[DeliveryLine]:
    with postbox.store.read() as connection:
        unit, config = outbox.sending_account(connection, account_key)
    account = postbox.registry.account.model_validate(config)
    now = postbox.clock()
    rows = postbox.writer.run(lambda c: outbox.claim(c, account_key, account.send_weight, postbox.boot, now))
    if not rows:
        return []
    try:
        connection_ = _connect(postbox, unit, account.smtp)
    except ReconcilerError as error:
        return [_finish(postbox, row, Delivery(Outcome.TEMPORARY, None, str(error))) for row in rows]
    try:
        return [_finish(postbox, row, _deliver(postbox, connection_, row)) for row in rows]
    finally:
        connection_.close()


def _connect(postbox: Postbox, unit: str, smtp: SmtpSettings | None) -> SmtpConnection:
    if smtp is None:
        raise ReconcilerError("the account has no smtp block any more; add it again or let another account send")
    secret: Secret | None = None
    if smtp.password is not None:
        secret = postbox.secrets.resolve(unit, smtp.password.secret)
    settings = postbox.settings
    return open_connection(smtp, secret, Limits(connect=settings.connect_seconds, command=settings.command_seconds))


def _deliver(postbox: Postbox, connection: SmtpConnection, row: outbox.OutboxRow) -> Delivery:
    with postbox.store.read() as reading:
        data = outbox.read_data(reading, row.id)
    reach("sending", row.recipient)
    delivery = connection.deliver(row.mail_from, row.recipient, data)
    reach("sent", row.recipient)
    return delivery


def _finish(postbox: Postbox, row: outbox.OutboxRow, delivery: Delivery) -> DeliveryLine:
    now = postbox.clock()
    retry = retry_at(row.attempts, now)
    state = state_after(delivery.outcome, retry)
    answer = f"{delivery.code} {delivery.text}" if delivery.code is not None else delivery.text

    def write(connection: Connection) -> None:
        outbox.finish(
            connection,
            row.id,
            state,
            answer=answer,
            next_at=retry if state is OutboxState.QUEUED else None,
            sent_at=now if state is OutboxState.SENT else None,
            possibly_twice=delivery.outcome is Outcome.UNKNOWN,
        )
        if state is OutboxState.FAILED:
            cases.add_entry(connection, row.case_id, EntryKind.EVENT, **_failure(row, answer), now=now)

    postbox.writer.run(write)
    result = "deferred" if state is OutboxState.QUEUED else state.value
    log.info(
        "mail.sent" if state is OutboxState.SENT else "mail.not_sent", outbox=f"O{row.id}", result=result, answer=answer
    )
    return DeliveryLine(f"O{row.id}", f"C{row.case_id}", row.recipient, row.message_id, result)


def _failure(row: outbox.OutboxRow, answer: str) -> dict[str, Any]:
    text = f"the {row.purpose} to {row.recipient} could not be sent: {answer}"
    return {"author": SYSTEM, "text": text, "outbox_id": row.id, "referral_id": row.referral_id}
