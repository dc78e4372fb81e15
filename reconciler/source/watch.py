"""Says when to look at the accounts folder again; never says what changed, for events lie and the folder does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

_STEP_MS = 50
_DEBOUNCE_MS = 200
_LOOK_AT_ROOT_MS = 1_000
_NOTICE_STOP_SECONDS = 0.5


class Watcher:
    """Wakes its caller at the start, after file events, on `wake()`, and at the latest after `poll` seconds.

    The poll is the guarantee and events are the shortcut: a folder that is swapped behind a link, or vanishes and
    comes back, is seen by the poll even where no event is. `root` is the folder whose events are followed; None: there
    is none. `on_rest` is called now and then while the caller waits.
    """

    def __init__(self, root: Path | None, poll: float, on_rest: Callable[[], None] = lambda: None) -> None:
        self._root = root
        self._poll = poll
        self._on_rest = on_rest
        # A SimpleQueue is the one primitive that a signal handler may use while its own thread waits on it.
        self._hints: SimpleQueue[None] = SimpleQueue()

    def wake(self) -> None:
        """Look again at once; safe in a signal handler and from any thread."""
        self._hints.put(None)

    def changes(self, stop: threading.Event) -> Iterator[None]:
        """Yields whenever it is time to look again; ends within half a second after `stop` is set."""
        ended = threading.Event()
        threads = [
            threading.Thread(target=self._follow_events, args=(root, ended), name="watch-accounts", daemon=True)
            for root in (self._root,)
            if root is not None
        ]
        for thread in threads:
            thread.start()
        try:
            while not stop.is_set():
                yield
                self._rest(stop)
        finally:
            ended.set()
            for thread in threads:
                thread.join()

    def _rest(self, stop: threading.Event) -> None:
        """Wait for a hint, the poll interval, or `stop`; hints that came together count as one."""
        until = time.monotonic() + self._poll
        while not stop.is_set() and (left := until - time.monotonic()) > 0:
            self._on_rest()
            try:
                self._hints.get(timeout=min(left, _NOTICE_STOP_SECONDS))
            except Empty:
                continue
            break
        while not self._hints.empty():
            self._hints.get()

    def _follow_events(self, root: Path, ended: threading.Event) -> None:
        """Turn file events into hints; starts over when the folder has become another one or was away."""
        while not ended.is_set():
            try:
                self._follow_one_folder(root, ended)
            except (OSError, RuntimeError):
                # The folder is away, or inotify has no watches left: the poll goes on without events.
                ended.wait(_LOOK_AT_ROOT_MS / 1_000)

    def _follow_one_folder(self, root: Path, ended: threading.Event) -> None:
        from watchfiles import watch

        identity = _identity(root)
        self.wake()
        for changes in watch(
            root,
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            stop_event=ended,
            rust_timeout=_LOOK_AT_ROOT_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
        ):
            if changes:
                self.wake()
            if _identity(root) != identity:
                return


def _identity(root: Path) -> tuple[int, int]:
    """Device and inode of the folder, links followed; raises OSError while it is away."""
    status = root.stat()
    return status.st_dev, status.st_ino
