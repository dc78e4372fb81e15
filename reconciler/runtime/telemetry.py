"""Structured logs on standard error: event names and fields, never sentences, never secrets."""

from __future__ import annotations

import sys
from typing import Literal

import structlog


def configure_logs(level: Literal["debug", "info", "warning"]) -> None:
    """JSON lines in a pipe, a readable line on a terminal; nothing below `level`."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_none,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Asked for at each line: whoever redirects standard error later gets the log too.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def _without_none(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {key: value for key, value in event.items() if value is not None}
