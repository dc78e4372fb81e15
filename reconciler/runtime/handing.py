"""Leaves the result of applying as a file that CI or a person picks up."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from reconciler.core.errors import ReconcilerError
from reconciler.core.outcome import ApplyResult
from reconciler.report.result import result_json
from reconciler.runtime.desired import Reading
from reconciler.runtime.step import Clock
from reconciler.source.written import write_file

log = structlog.get_logger()

OnResult = Callable[[Reading, ApplyResult], None]


def write_result(path: Path, reading: Reading, result: ApplyResult, clock: Clock) -> None:
    """Replace the file in one rename; whoever reads it sees a whole result. Raises Unavailable."""
    desired = reading.desired
    commit = desired.commit.id if desired.commit is not None else None
    text = result_json(result, reading.findings, source=desired.source, commit=commit, at=clock())
    write_file(path, text)


def leaving_result(path: Path | None, clock: Clock) -> OnResult:
    """What a loop does with each result: a file that cannot be written stops nothing. None: nothing is done."""
    return partial(_leave, path, clock)


def _leave(path: Path | None, clock: Clock, reading: Reading, result: ApplyResult) -> None:
    if path is None:
        return
    try:
        write_result(path, reading, result, clock)
    except ReconcilerError as error:
        log.warning("report.not_written", reason=str(error))
