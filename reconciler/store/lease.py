"""The writer's leases: one process at a time applies, one fetches and sends; knows nothing of what they do."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from reconciler.core.errors import Unavailable
from reconciler.store.database import Store
from reconciler.store.tables import leases

LASTING = timedelta(seconds=30)
"""How long a lease is good for unless it is renewed; only another machine ever waits for its end."""


class Right(StrEnum):
    """What a lease gives the right to. `run` holds both, with --no-apply only MAIL, so that `apply` works beside it."""

    APPLY = "apply"
    MAIL = "mail"


_LONG_AGO = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease that is held. `fence` grows with every holder, so that a holder who was replaced can be told."""

    store: Store
    right: Right
    holder: str
    fence: int
    lasting: timedelta

    def renew(self, now: datetime) -> None:
        """Hold it for another while. Raises Unavailable if somebody else took it meanwhile."""
        with self.store.write() as connection:
            self.verify(connection)
            connection.execute(self._mine(update(leases)).values(expires_at=now + self.lasting))

    def verify(self, connection: Connection) -> None:
        """Raise Unavailable unless it is still held; inside a write transaction nobody can take it before the end."""
        if connection.execute(self._mine(select(leases.c.fence))).first() is None:
            raise Unavailable(f"{self.holder} lost the writer lease to another process and stops writing")

    def release(self) -> None:
        """Let the next one have it at once; without effect if it was lost."""
        with self.store.write() as connection:
            connection.execute(self._mine(update(leases)).values(expires_at=_LONG_AGO))

    def _mine(self, statement: Any) -> Any:
        return statement.where(leases.c.name == self.right.value, leases.c.fence == self.fence)

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a lease: the command, and where it runs."""

    name: str
    pid: int
    host: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid} on {self.host})"


def holder(connection: Connection, right: Right, now: datetime) -> Holder | None:
    """Who has this right now; None if nobody has, as far as can be told from this machine."""
    row = connection.execute(select(leases).where(leases.c.name == right.value)).one_or_none()
    if row is None or row.expires_at <= now or _is_dead(row):
        return None
    return Holder(row.holder, row.pid, row.host)


def take(store: Store, right: Right, command: str, now: datetime, *, lasting: timedelta = LASTING) -> Lease:
    """Become the one writer with this right. `command` is its name, for the message others get.

    A holder on this machine whose process is gone is replaced at once, one elsewhere when its lease has expired.
    Raises Unavailable, naming the holder, while another has it.
    """
    pid = os.getpid()
    with store.write() as connection:
        row = connection.execute(select(leases).where(leases.c.name == right.value)).one_or_none()
        if row is not None and (has_it := holder(connection, right, now)) is not None:
            raise Unavailable(
                f"{has_it} holds the writer lease; stop it or wait for its end",
                retry_after=(row.expires_at - now).total_seconds(),
            )
        fence = row.fence + 1 if row is not None else 1
        connection.execute(delete(leases).where(leases.c.name == right.value))
        connection.execute(
            insert(leases).values(
                name=right.value,
                holder=command,
                host=socket.gethostname(),
                pid=pid,
                process_start=_process_start(pid) or "",
                fence=fence,
                expires_at=now + lasting,
            )
        )
    return Lease(store, right, command, fence, lasting)


def _process_start(pid: int) -> str | None:
    """When a living process began, in clock ticks since boot (proc_pid_stat(5), field 22); None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The second field is the program's name in brackets and may hold spaces and brackets itself.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[19]


def _is_dead(row: Any) -> bool:
    if row.host != socket.gethostname() or not row.process_start:
        return False
    return _process_start(row.pid) != str(row.process_start)
