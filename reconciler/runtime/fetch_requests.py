"""The running process's side of `fetch --now`: reads what is asked for, and answers for accounts nobody fetches."""

from __future__ import annotations

import threading
from datetime import timedelta

import structlog
from sqlalchemy import Connection, select

from reconciler.core.errors import ReconcilerError
from reconciler.core.fetch import NOT_FETCHED, StepLine
from reconciler.core.heartbeat import Loop
from reconciler.runtime.cycle import Engine
from reconciler.runtime.observer import UNOBSERVED, Observer
from reconciler.runtime.step import Clock
from reconciler.runtime.writer import Writer
from reconciler.store import fetch_requests as requests
from reconciler.store.database import Store
from reconciler.store.fetch_requests import Open
from reconciler.store.tables import accounts

log = structlog.get_logger()

LOOK_SECONDS = 0.5
"""How often the store is asked, in one statement that finds nothing most of the time."""

_PATIENCE = timedelta(seconds=5)
"""An account that was applied or resumed just now is fetched after a moment."""

UNFETCHED = f"{NOT_FETCHED}: it is disabled, suspended or retired, or the running process does not know it yet"


class RequestWatch:
    """Hands open requests to the engine, all of them at every look: none is lost by a look that fails."""

    def __init__(
        self, store: Store, writer: Writer, engine: Engine, clock: Clock, observer: Observer = UNOBSERVED
    ) -> None:
        self._store, self._writer, self._engine, self._clock = store, writer, engine, clock
        self._observer = observer
        self._had_any = False

    def run(self, stop: threading.Event) -> None:
        """Look until stopped."""
        while True:
            self._observer.beat(Loop.REQUEST)
            try:
                self.look()
            except ReconcilerError as error:
                log.warning("requests.not_read", reason=str(error))
            if stop.wait(LOOK_SECONDS):
                return

    def look(self) -> None:
        """One look. Raises ReconcilerError if the store does not answer."""
        with self._store.read() as connection:
            found = requests.still_open(connection)
        if not found and not self._had_any:
            return
        self._had_any = bool(found)
        opened: dict[int, set[int]] = {}
        for one in found:
            opened.setdefault(one.account_key, set()).add(one.id)
        self._engine.serve_now(opened)
        now = self._clock()
        if unseen := [one.id for one in found if one.seen_at is None]:
            self._writer.run(lambda c: requests.take_up(c, unseen, now))
            log.info("fetch.asked", requests=len(unseen))
        fetched = self._engine.fetched()
        waited = (o for o in found if o.seen_at is not None and now - o.seen_at >= _PATIENCE)
        if strangers := [one for one in waited if one.account_key not in fetched]:
            self._writer.run(lambda c: _decline(c, strangers))


def _decline(connection: Connection, strangers: list[Open]) -> None:
    for one in strangers:
        row = connection.execute(select(accounts).where(accounts.c.key == one.account_key)).one()
        requests.answer(connection, [one.id], unfetched(row.unit, row.id, row.config.get("protocol", ""), UNFETCHED))


def unfetched(unit: str, account: str, protocol: str, error: str) -> StepLine:
    """What is told of an account that gets no step."""
    return StepLine(0, None if unit == "main" else unit, account, protocol, 0, None, 0.0, error)
