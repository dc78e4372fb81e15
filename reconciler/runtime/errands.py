"""Does what rules asked for beside opening a case: tells colleagues, asks externals; a transaction for each."""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlalchemy import Connection

from reconciler.core.case import SYSTEM, EntryKind
from reconciler.core.errors import Invalid, Unsafe
from reconciler.core.referral import ReferralKind
from reconciler.core.registry import Registry
from reconciler.runtime.desk import enqueue, existing_case
from reconciler.runtime.letters import Desk, Occasion, notice_letter
from reconciler.runtime.referring import ByRule, TooMany, refer_by_rule
from reconciler.runtime.step import Clock
from reconciler.runtime.tokens import new_token_id, read_keys
from reconciler.runtime.writer import Writer
from reconciler.source.secret import SecretStore
from reconciler.store import cases, errands
from reconciler.store.applied import read_applied
from reconciler.store.backup import restore_waits
from reconciler.store.database import Store, instance
from reconciler.store.errands import Errand
from reconciler.store.outbox import cap_reached

log = structlog.get_logger()

MOST_EXCERPT = 2_000
"""Characters of the customer's mail that a notice shows."""


class Errands:
    """Looks for what is to do; a thing that cannot be done is ticked off with its reason, on the case too."""

    def __init__(self, store: Store, writer: Writer, registry: Registry, secrets: SecretStore, clock: Clock) -> None:
        self._store, self._writer, self._registry, self._secrets, self._clock = store, writer, registry, secrets, clock

    def look(self) -> int:
        """Do what is open now; returns how many things that were. Nothing while a restored store waits for a person."""
        with self._store.read() as connection:
            if not (waiting := errands.open_errands(connection)) or restore_waits(connection):
                return 0
            desk = Desk(read_applied(connection, self._registry), read_keys(self._secrets), instance(connection))
        for errand in waiting:
            self._run(desk, errand)
        return len(waiting)

    def _run(self, desk: Desk, errand: Errand) -> None:
        now = self._clock()
        try:
            self._writer.run(lambda c: _do(c, desk, errand, now))
        except (Invalid, Unsafe) as error:
            reason = str(error)
            if isinstance(error, TooMany):
                log.error("errand.capped", case=f"C{errand.case_id}", rule=errand.rule, reason=reason)
            self._writer.run(lambda c: _give_up(c, errand, reason, now))
            log.warning("errand.not_done", case=f"C{errand.case_id}", rule=errand.rule, reason=reason)
        else:
            log.info("errand.done", case=f"C{errand.case_id}", rule=errand.rule, kind=errand.kind)


def _do(connection: Connection, desk: Desk, errand: Errand, now: datetime) -> None:
    if not errands.finish(connection, errand.id, None, now):
        return
    detail = errand.detail
    if errand.kind == "refer":
        how = ByRule(detail.get("agent"), detail.get("text", ""), errand.hop + 1)
        kind = ReferralKind(detail["kind"])
        refer_by_rule(connection, desk, errand.case_id, kind, detail["to"], how, now)
        return
    case, (to,) = existing_case(connection, errand.case_id), detail["to"]
    if over := cap_reached(connection, to, case.id, now):
        raise TooMany(over)
    first = next(iter(cases.read_entries(connection, case.id)), None)
    occasion = Occasion(case, (), new_token_id(), errand.hop + 1, now)
    letter = notice_letter(desk, occasion, to, rule=errand.rule, text=first.text[:MOST_EXCERPT] if first else "")
    enqueue(connection, letter, EntryKind.EVENT, SYSTEM, f"{to} was told of the case (rule {errand.rule})", now)


def _give_up(connection: Connection, errand: Errand, reason: str, now: datetime) -> None:
    if errands.finish(connection, errand.id, reason, now):
        text = f"rule {errand.rule} could not {errand.kind}: {reason}"
        cases.add_entry(connection, errand.case_id, EntryKind.EVENT, author=SYSTEM, text=text, now=now)
