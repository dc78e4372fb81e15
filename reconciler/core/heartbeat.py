"""Which loops of a running system have stopped beating; knows no clock and no thread."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Loop(StrEnum):
    """A loop that beats as long as it goes round."""

    FETCH = "fetch"
    ROUTE = "route"
    SEND = "send"
    REMIND = "remind"
    RECONCILE = "reconcile"
    SUSPEND = "suspend"
    REQUEST = "request"
    NOTICE = "notice"
    WRITER = "writer"
    LEASE_MAIL = "lease mail"
    LEASE_APPLY = "lease apply"


def stale(beats: Mapping[Loop, float], limits: Mapping[Loop, float], now: float) -> tuple[Loop, ...]:
    """The loops whose last beat is longer ago than their limit, in seconds of one clock; `beats` are those that run."""
    return tuple(loop for loop in Loop if loop in beats and now - beats[loop] > limits[loop])
