"""A switch for crash tests: named points at which this process dies, exits, hangs or fails when it is told to.

`RECONCILER_FAULTS` is a list `point[~text][#n]=action` separated by commas: at the n-th time (default: every time) the
point is reached with a detail that contains the text, do `kill` (SIGKILL, as power loss would), `exit`, `hang` or
`raise`. Unset, reaching a point costs one comparison.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from dataclasses import dataclass
from functools import cache

from reconciler.core.errors import Invalid, Temporary

VARIABLE = "RECONCILER_FAULTS"

POINTS = frozenset(
    {
        "fetched",
        "stored",
        "copied",
        "acknowledged",
        "finished",
        "deciding",
        "decided",
        "committed",
        "sending",
        "sent",
        "marked",
        "applied",
    }
)

_ENTRY = re.compile(r"^(?P<point>[a-z]+)(~(?P<text>[^#=]+))?(#(?P<nth>[0-9]+))?=(?P<action>kill|exit|hang|raise)$")


@dataclass(slots=True)
class _Fault:
    point: str
    text: str
    nth: int
    action: str
    reached: int = 0


def _parse(value: str) -> list[_Fault]:
    faults = []
    for entry in filter(None, value.split(",")):
        match = _ENTRY.match(entry)
        if match is None or match["point"] not in POINTS:
            raise Invalid(f"{VARIABLE}: cannot read {entry!r}; write point[~text][#n]=kill|exit|hang|raise")
        faults.append(_Fault(match["point"], match["text"] or "", int(match["nth"] or 0), match["action"]))
    return faults


@cache
def _armed() -> list[_Fault]:
    return _parse(os.environ.get(VARIABLE, ""))


def reach(point: str, detail: str = "") -> None:
    """Say that the process is at this point; `detail` is what a fault's text is looked for in."""
    for fault in _armed():
        if fault.point == point and fault.text in detail:
            fault.reached += 1
            if fault.nth in (0, fault.reached):
                _act(fault.action, point)


def _act(action: str, point: str) -> None:
    match action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(70)
        case "hang":
            threading.Event().wait()
        case _:
            raise Temporary(f"fault at {point}")
