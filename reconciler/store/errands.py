"""What rules asked for beside opening a case, to be done by and by: written with the case, ticked off when done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from reconciler.core.rule import Then
from reconciler.store.oversight_tables import errands


@dataclass(frozen=True, slots=True)
class Errand:
    """One thing to do. `kind` is notify or refer; `detail` what the rule says; `hop` counts the mails before."""

    id: int
    tenant: str
    case_id: int
    mail_id: int
    rule: str
    kind: str
    detail: Mapping[str, Any]
    hop: int


def add(
    connection: Connection, tenant: str, case_id: int, mail_id: int, rule: str, then: Then, hop: int, now: datetime
) -> None:
    """Write down what the rule asks for; nothing if it asks for nothing."""
    for kind, detail in _asked(then):
        connection.execute(
            insert(errands).values(
                tenant=tenant,
                case_id=case_id,
                mail_id=mail_id,
                rule=rule,
                kind=kind,
                detail=detail,
                hop=hop,
                created_at=now,
            )
        )


def _asked(then: Then) -> Iterator[tuple[str, dict[str, Any]]]:
    for address in then.notify:
        yield "notify", {"to": [address]}
    if then.refer is not None:
        yield "refer", then.refer.model_dump(mode="json") | {"agent": then.agent}


def open_errands(connection: Connection, limit: int = 500) -> list[Errand]:
    """What is still to do, oldest first."""
    query = select(errands).where(errands.c.done_at.is_(None)).order_by(errands.c.id).limit(limit)
    return [
        Errand(r.id, r.tenant, r.case_id, r.mail_id, r.rule, r.kind, r.detail, r.hop) for r in connection.execute(query)
    ]


def finish(connection: Connection, errand_id: int, outcome: str | None, now: datetime) -> bool:
    """Tick it off; `outcome` says why it could not be done. False if that had been done already."""
    statement = update(errands).where(errands.c.id == errand_id, errands.c.done_at.is_(None))
    return bool(connection.execute(statement.values(done_at=now, outcome=outcome)).rowcount)


def of_mail(connection: Connection, mail_id: int) -> list[dict[str, Any]]:
    """What a rule asked for because of this mail, and what became of it."""
    query = select(errands).where(errands.c.mail_id == mail_id).order_by(errands.c.id)
    return [
        {"rule": r.rule, "kind": r.kind, "to": r.detail.get("to"), "done": r.done_at is not None, "outcome": r.outcome}
        for r in connection.execute(query)
    ]
