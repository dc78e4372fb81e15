"""What a step would take from an account, seen without fetching, storing or telling the server anything."""

from __future__ import annotations

import time

from reconciler.core.fetch import StepLine
from reconciler.core.health import Condition
from reconciler.runtime.asking import answered_by_waiting
from reconciler.runtime.cursor import Cursor
from reconciler.runtime.fleet import FetchAccount
from reconciler.runtime.step import Step, StepReport, Tools, failed
from reconciler.runtime.thread_door import open_session


def preview(tools: Tools, account: FetchAccount) -> StepLine:
    """The line of the step that would come next; `cycle` is 0, for there is none."""
    started = time.monotonic()
    report = _look(tools, account)
    return StepLine(
        cycle=0,
        tenant=account.tenant,
        account=account.account.id,
        protocol=account.account.protocol,
        taken=report.taken,
        backlog=report.backlog,
        seconds=round(time.monotonic() - started, 3),
        error=f"{report.condition.value}: {report.reason}" if report.condition is not Condition.OK else None,
    )


def _look(tools: Tools, account: FetchAccount) -> StepReport:
    try:
        session = open_session(tools, account)
    except Exception as error:
        return failed(account.key, error)
    try:
        return answered_by_waiting(Step(account, Cursor(), tools).preview(), session, tools.store)
    except Exception as error:
        return failed(account.key, error)
    finally:
        session.close()
