"""When to look again: at the start, on events, on `wake`, and by the poll whatever happens to the folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from reconciler.source.watch import Watcher

LONG = 60.0


class Follower:
    """Runs a watcher in a thread and counts what it yields."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self.stop = threading.Event()
        self._looks: SimpleQueue[None] = SimpleQueue()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        for _ in self.watcher.changes(self.stop):
            self._looks.put(None)

    def looked(self, within: float = 10.0) -> bool:
        """True as soon as the watcher says "look again"."""
        try:
            self._looks.get(timeout=within)
        except Empty:
            return False
        return True

    def settle(self) -> None:
        """Take every look until none comes for a while."""
        while self.looked(within=0.6):
            pass


@pytest.fixture
def follow() -> Iterator[Callable[[Watcher], Follower]]:
    followers: list[Follower] = []

    def start(watcher: Watcher) -> Follower:
        followers.append(Follower(watcher))
        return followers[-1]

    yield start
    for follower in followers:
        follower.stop.set()
        follower.thread.join(10)
        assert not follower.thread.is_alive()


def test_the_first_look_is_at_once(tmp_path: Path, follow: Callable[[Watcher], Follower]) -> None:
    assert follow(Watcher(None, LONG)).looked()


def test_wake_means_look_again(tmp_path: Path, follow: Callable[[Watcher], Follower]) -> None:
    follower = follow(Watcher(None, LONG))
    assert follower.looked()
    follower.watcher.wake()
    assert follower.looked()
    assert not follower.looked(within=0.1)


@pytest.mark.field("missed events")
def test_the_poll_needs_no_event(tmp_path: Path, follow: Callable[[Watcher], Follower]) -> None:
    follower = follow(Watcher(None, 0.05))
    assert all(follower.looked() for _ in range(3))


def test_a_file_event_means_look_again(tmp_path: Path, follow: Callable[[Watcher], Follower]) -> None:
    follower = follow(Watcher(tmp_path, LONG))
    follower.settle()
    (tmp_path / "acme.yaml").write_text("version: 1\n")
    assert follower.looked()


def test_a_folder_that_vanishes_and_comes_back_is_followed_again(
    tmp_path: Path, follow: Callable[[Watcher], Follower]
) -> None:
    root = tmp_path / "accounts.d"
    root.mkdir()
    follower = follow(Watcher(root, LONG))
    follower.settle()
    root.rename(tmp_path / "away")
    follower.settle()
    root.mkdir()
    assert follower.looked()
    follower.settle()
    (root / "acme.yaml").write_text("version: 1\n")
    assert follower.looked()


@pytest.mark.field("burst")
def test_thousands_of_files_at_once_are_few_looks_and_the_next_change_is_seen(
    tmp_path: Path, follow: Callable[[Watcher], Follower]
) -> None:
    follower = follow(Watcher(tmp_path, LONG))
    follower.settle()
    for number in range(10_000):
        (tmp_path / f"t{number}.yaml").write_text("version: 1\n")
    looks = 0
    while follower.looked(within=0.6):
        looks += 1
    assert 1 <= looks < 1_000
    (tmp_path / "last.yaml").write_text("version: 1\n")
    assert follower.looked()


@pytest.mark.field("missed events")
def test_a_swapped_link_is_seen(tmp_path: Path, follow: Callable[[Watcher], Follower]) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "root").symlink_to("one")
    follower = follow(Watcher(tmp_path / "root", LONG))
    follower.settle()
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(tmp_path / "root")
    assert follower.looked()


def test_stop_ends_the_watch_within_a_second(tmp_path: Path, follow: Callable[[Watcher], Follower]) -> None:
    follower = follow(Watcher(tmp_path, LONG))
    assert follower.looked()
    started = time.monotonic()
    follower.stop.set()
    follower.thread.join(5)
    assert time.monotonic() - started < 2
