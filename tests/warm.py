"""Starts the program as processes of their own without the half second that loading its modules takes each time.

A warm process has all modules loaded and forks for each command. The fork is a whole process with its own environment,
working directory, output, exit code and death. What it does not show is `reconciler` in its command line.
"""

from __future__ import annotations

import array
import contextlib
import importlib
import json
import os
import pickle
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, NoReturn

from reconciler.runtime import router_process

_ROOT = Path(__file__).parents[1]
_COLD = ("reconciler.demo", "reconciler.__main__", "reconciler.store.migrations")
"""Loading these does something, or needs what only the demo has."""


class Warm:
    """One warm process; `start` has it fork. Used by one thread at a time. It ends when this process does."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        with theirs:
            command = [sys.executable, "-m", "tests.warm", str(theirs.fileno())]
            self._process = subprocess.Popen(command, cwd=_ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)

    def start(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        stdout: int | None = None,
        stderr: int | None = None,
        start_new_session: bool = False,
    ) -> Started:
        """`python -m reconciler` with these arguments; `stdout` and `stderr` are descriptors, None for pipes."""
        ended, tells = os.pipe()
        opened = [tells]
        pipes: list[IO[str] | None] = []
        targets = []
        for given in (stdout, stderr):
            if given is None:
                read, write = os.pipe()
                pipes.append(os.fdopen(read, encoding="utf-8"))
                opened.append(write)
                targets.append(write)
            else:
                pipes.append(None)
                targets.append(given)
        request = {"arguments": list(arguments), "env": dict(env), "cwd": str(cwd), "session": start_new_session}
        passed = array.array("i", [*targets, tells])
        try:
            data = json.dumps(request).encode()
            self._socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])
            pid = int(self._socket.recv(64))
        finally:
            for descriptor in opened:
                os.close(descriptor)
        return Started(pid, ended, *pipes)


class Started:
    """A process that was started, to be used as a `subprocess.Popen` of text."""

    def __init__(self, pid: int, ended: int, stdout: IO[str] | None, stderr: IO[str] | None) -> None:
        self.pid, self._ended, self.stdout, self.stderr = pid, ended, stdout, stderr
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it lives."""
        return self._await(0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code once it has ended; raises subprocess.TimeoutExpired."""
        code = self._await(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"reconciler, process {self.pid}", timeout or 0.0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """All it prints until it ends; raises subprocess.TimeoutExpired."""
        until = time.monotonic() + timeout if timeout is not None else None
        texts: dict[int, bytes] = {}
        open_ones = {f.fileno(): f for f in (self.stdout, self.stderr) if f is not None}
        order = list(open_ones)
        while open_ones:
            ready, _, _ = select.select(list(open_ones), [], [], _left(until))
            if not ready:
                raise subprocess.TimeoutExpired(f"reconciler, process {self.pid}", timeout or 0.0)
            for number in ready:
                data = os.read(number, 65536)
                texts[number] = texts.get(number, b"") + data
                if not data:
                    open_ones.pop(number).close()
        self.wait(_left(until))
        out, err = (texts.get(number, b"").decode() for number in order)
        return out, err

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it lives."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, if it lives."""
        self.send_signal(signal.SIGKILL)

    def _await(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], timeout)[0]:
            told = os.read(self._ended, 64)
            os.close(self._ended)
            self.returncode = int(told or -signal.SIGKILL)
        return self.returncode


def _left(until: float | None) -> float | None:
    return None if until is None else max(0.0, until - time.monotonic())


@cache
def warm() -> Warm:
    """This process's one; it ends with this process."""
    return Warm()


def _load() -> None:
    # What is ignored here is to be seen in the forks as the interpreter shows it by itself.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = importlib.import_module("reconciler")
        for found in pkgutil.walk_packages(package.__path__, "reconciler.", onerror=lambda _: None):
            if not found.name.startswith(_COLD):
                importlib.import_module(found.name)
        for name in (
            "alembic.command",
            "alembic.config",
            "sqlalchemy.dialects.sqlite",
            "rich.console",
            "rich.progress",
        ):
            importlib.import_module(name)
        from reconciler.cli.compose import registry

        registry()


def _serve(door: socket.socket) -> None:
    waiting: dict[int, int] = {}
    wakes, wakened = os.pipe()
    os.set_blocking(wakened, False)
    signal.set_wakeup_fd(wakened, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([door, wakes], [], [])
        if wakes in ready:
            os.read(wakes, 4096)
            _tell_the_ended(waiting)
        if door in ready and not _take(door, waiting, (wakes, wakened)):
            return


def _take(door: socket.socket, waiting: dict[int, int], ours: tuple[int, int]) -> bool:
    descriptors = array.array("i")
    data, passed, _, _ = door.recvmsg(1 << 20, socket.CMSG_LEN(3 * descriptors.itemsize))
    if not data:
        return False
    for _, _, content in passed:
        descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    out, err, tells = descriptors
    pid = os.fork()
    if pid == 0:
        for number in (*ours, *waiting.values(), tells, door.detach()):
            os.close(number)
        _become(json.loads(data), out, err)
    waiting[pid] = tells
    os.close(out)
    os.close(err)
    door.send(str(pid).encode())
    return True


def _tell_the_ended(waiting: dict[int, int]) -> None:
    while waiting:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        tells = waiting.pop(pid)
        with contextlib.suppress(BrokenPipeError):
            os.write(tells, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(tells)


def _become(request: dict[str, object], out: int, err: int) -> None:
    """In the fork: be the program, and never return."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if request["session"]:
        os.setsid()
    for number, target in ((out, 1), (err, 2)):
        os.dup2(number, target)
        os.close(number)
    os.chdir(str(request["cwd"]))
    os.environ.clear()
    environment = request["env"]
    assert isinstance(environment, dict)
    os.environ.update(environment)
    arguments = request["arguments"]
    assert isinstance(arguments, list)
    sys.argv = ["reconciler", *arguments]
    if arguments[:1] in (["fetch"], ["run"]):
        router_process.started = Seed().started
    from reconciler.cli.main import main

    # Leaving by the fork's own end, past the loop above, as the interpreter itself would: threads, buffers, hooks.
    main()


class Seed:
    """A fork that waits, with all modules loaded and no threads, to become the command's router."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            ours.close()
            # Ctrl-C is the command's to take.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            _sprout(theirs)
        theirs.close()
        self._socket = ours

    def started(self, pipe: Connection, config: router_process.RouterConfig) -> router_process.Process:
        """Implements `router_process.started`."""
        descriptors = array.array("i", [pipe.fileno()])
        self._socket.sendmsg([pickle.dumps(config)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
        return Sprout(int(self._socket.recv(64)), self._socket)


class Sprout:
    """A router's process; implements `router_process.Process`."""

    def __init__(self, pid: int, seed: socket.socket) -> None:
        self._pid, self._seed, self.exitcode = pid, seed, None

    exitcode: int | None

    def kill(self) -> None:
        """End it at once."""
        if self.exitcode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, which the seed tells."""
        if self.exitcode is None and select.select([self._seed], [], [], timeout)[0]:
            self.exitcode = int(self._seed.recv(64) or -signal.SIGKILL)


def _sprout(door: socket.socket) -> NoReturn:
    """Fork a router for each request, one after the other, and tell how it ended; end with the command."""
    while True:
        data, passed, _, _ = door.recvmsg(1 << 20, socket.CMSG_LEN(array.array("i").itemsize))
        if not data:
            os._exit(0)
        (pipe,) = array.array("i", passed[0][2])
        pid = os.fork()
        if pid == 0:
            door.close()
            router_process.serve(Connection(pipe), pickle.loads(data))
            os._exit(0)
        os.close(pipe)
        door.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        with contextlib.suppress(BrokenPipeError):
            door.send(str(os.waitstatus_to_exitcode(status)).encode())


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as its_door:
        _load()
        import gc

        gc.collect()
        gc.freeze()
        _serve(its_door)
