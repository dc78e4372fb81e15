"""The router in a process of its own: a mail that kills or stalls its reader costs that process and that mail only."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Protocol

from reconciler.core.errors import Unavailable
from reconciler.core.registry import Registry
from reconciler.runtime.clock import utc_now
from reconciler.runtime.router import Router
from reconciler.runtime.together import Answer
from reconciler.source.secret import SecretStore
from reconciler.store.database import open_store

_START_SECONDS = 60.0
_READY, _END = "ready", "end"


@dataclass(frozen=True, slots=True)
class RouterConfig:
    """What a router process is started with; picklable, so no secret."""

    state_url: str
    registry: Registry
    secrets_folder: Path | None


@dataclass(frozen=True, slots=True)
class Paused:
    """Nothing can be routed now, whatever the mail: the text says why."""

    text: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The router process died or took too long while it had this mail in hand; None: before it had any."""

    mail_id: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Routed:
    """What became of the mails of one go, by id; those without an answer were not reached, because of `lost`."""

    answers: Mapping[int, Answer]
    lost: Lost | None = None


def serve(pipe: Pipe, config: RouterConfig) -> None:
    """Route for whoever holds the other end of the pipe, until that is closed."""
    # Ctrl-C reaches the whole process group; the parent decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    store = open_store(config.state_url)
    secrets = SecretStore(config.secrets_folder, os.environ)
    router = Router(store, config.registry, secrets, utc_now)
    # A pipe that fails says that the program has ended, however it did.
    with contextlib.suppress(EOFError, OSError):
        pipe.send(_READY)
        while True:
            _answer(router, pipe, pipe.recv())


def _answer(router: Router, pipe: Pipe, mail_ids: Sequence[int]) -> None:
    """Send the id of each mail when it is taken in hand, each answer as it is there, and a word at the end."""
    try:
        for answer in router.route_together(mail_ids, pipe.send):
            pipe.send(answer)
    except Unavailable as error:
        pipe.send(Paused(str(error)))
    else:
        pipe.send(_END)


class Process(Protocol):
    """The router's process, as `multiprocessing` has it."""

    @property
    def exitcode(self) -> int | None:
        """Its exit code, negative for a signal; None while it lives."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end."""
        ...


def _spawned(pipe: Pipe, config: RouterConfig) -> Process:
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(pipe, config), name="router", daemon=True
    )
    process.start()
    return process


started: Callable[[Pipe, RouterConfig], Process] = _spawned
"""How the process is started; one that loads its modules anew inherits nothing but its arguments."""


class RouterProcess:
    """One router process, started when it is first needed and again after it was lost."""

    def __init__(self, config: RouterConfig) -> None:
        self._config = config
        self._process: Process | None = None
        self._pipe: Pipe | None = None

    def start(self) -> None:
        """Have the process ready, if it is not. Raises Unavailable if it does not start."""
        self._started()

    def route(self, mail_ids: Sequence[int], seconds: float, alive: Callable[[], None] = lambda: None) -> Routed:
        """Have the mails decided, each within so many seconds; `alive` is called as it goes on.

        If the process dies or is too slow, the answers so far are given out, and which mail it had in hand.
        Raises Unavailable if the process does not start or has no store.
        """
        answers: dict[int, Answer] = {}
        in_hand: int | None = None
        try:
            pipe = self._started()
            pipe.send(list(mail_ids))
            while True:
                alive()
                if not pipe.poll(seconds):
                    self.close()
                    return Routed(answers, Lost(in_hand, f"no decision within {seconds:g} s"))
                match pipe.recv():
                    case int(mail_id):
                        in_hand = mail_id
                    case (int(mail_id), answer):
                        answers[mail_id] = answer
                    case Paused(text=text):
                        raise Unavailable(text)
                    case _:
                        return Routed(answers)
        except (EOFError, OSError):
            code = self._exit_code()
            self.close()
            return Routed(answers, Lost(in_hand, f"the router process ended ({code})"))

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def _started(self) -> Pipe:
        if self._pipe is None:
            self._pipe, theirs = multiprocessing.Pipe()
            self._process = started(theirs, self._config)
            theirs.close()
            self._await_start(self._pipe)
        return self._pipe

    def _await_start(self, pipe: Pipe) -> None:
        """Starting takes its own time, which is not the mail's."""
        try:
            if pipe.poll(_START_SECONDS):
                pipe.recv()
                return
            why = f"not ready within {_START_SECONDS:g} s"
        except (EOFError, OSError):
            why = self._exit_code()
        self.close()
        raise Unavailable(f"the router process did not start ({why})")

    def _exit_code(self) -> str:
        if self._process is None:
            return "never started"
        self._process.join(timeout=5)
        code = self._process.exitcode
        return f"signal {-code}" if code is not None and code < 0 else f"exit {code}"
