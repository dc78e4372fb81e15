"""Sends the mails to tenants' owners, in a loop of its own: they hold up nobody's mail, and nobody's mail them."""

from __future__ import annotations

import threading

import structlog

from reconciler.core.account import MAIN
from reconciler.core.errors import ReconcilerError
from reconciler.core.heartbeat import Loop
from reconciler.core.outbox import Delivery, OutboxState, Outcome
from reconciler.core.suspension import Activity, suspended
from reconciler.protocol.base import Limits
from reconciler.runtime.access import Access
from reconciler.runtime.observer import UNOBSERVED, Observer
from reconciler.runtime.sending import Postbox
from reconciler.runtime.submission import Line
from reconciler.store import notices, outbox
from reconciler.store.suspensions import in_force

log = structlog.get_logger()

LOOK_SECONDS = 5.0


class OwnersPost:
    """Sends the notices that wait, one after the other; whatever becomes of them holds up no customer's mail."""

    def __init__(self, postbox: Postbox, observer: Observer = UNOBSERVED) -> None:
        self._postbox, self._observer = postbox, observer

    def run(self, stop: threading.Event) -> None:
        """Send what is due until stopped."""
        while True:
            self._observer.beat(Loop.NOTICE)
            try:
                self.drain(stop)
            except ReconcilerError as error:
                log.warning("notices.paused", reason=str(error))
            if stop.wait(LOOK_SECONDS):
                return

    def drain(self, stop: threading.Event | None = None) -> None:
        """Send all that is due. Raises only if the store fails."""
        while (stop is None or not stop.is_set()) and self._one():
            self._observer.beat(Loop.NOTICE)

    def _one(self) -> bool:
        postbox = self._postbox
        with postbox.store.read() as connection:
            key = notices.due(connection, postbox.clock())
            stopping = in_force(connection, postbox.clock()) if key is not None else ()
        if key is None or Activity.SENDING in suspended(stopping, key, MAIN):
            return False
        waiting = postbox.writer.run(lambda c: notices.claim(c, postbox.clock()))
        if waiting is None:
            return False
        delivery = self._deliver(waiting)
        state = postbox.writer.run(lambda c: notices.finish(c, waiting, delivery, postbox.clock()))
        if state is OutboxState.SENT:
            log.info("notice.sent", notice=waiting.id)
        else:
            log.warning("notice.not_sent", notice=waiting.id, answer=delivery.text)
        return True

    def _deliver(self, waiting: notices.Notice) -> Delivery:
        postbox = self._postbox
        with postbox.store.read() as connection:
            unit, config = outbox.sending_account(connection, waiting.account_key)
        smtp = postbox.registry.account.model_validate(config).smtp
        if smtp is None:
            return Delivery(Outcome.TEMPORARY, None, "the main reply account has no smtp block any more")
        limits = Limits(connect=postbox.settings.connect_seconds, command=postbox.settings.command_seconds)
        line = Line()
        try:
            line.opened(unit, smtp, Access(postbox.secrets, postbox.tokens), limits)
            assert line.connection is not None
            return line.connection.deliver(waiting.mail_from, waiting.recipient, waiting.data)
        except ReconcilerError as error:
            return Delivery(Outcome.TEMPORARY, None, str(error))
        finally:
            line.close()
