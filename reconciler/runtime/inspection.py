"""Reads mails from files and judges them on all cores, in order and streaming; stores nothing."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from stat import S_ISREG

from reconciler.report.inspect import Form, Line, inspected, not_inspected

STANDARD_INPUT = "-"

_SIZE_CAP = 256 * 1024 * 1024
_CHUNK = 32
_CHUNKS_AHEAD = 4
"""How many chunks a process may be ahead of what was printed: a slow reader of the output must not fill the memory."""

_ALONE = 100
"""Up to so many mails, starting processes takes longer than the mails do."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where one mail is; `raw` is there only if it cannot be read from `path`, as with standard input."""

    path: str
    raw: bytes | None = None


Chunk = tuple[Source, ...]


def sources(paths: Iterable[str]) -> Iterator[Source]:
    """The mails that `paths` name: a folder stands for all files in it and below, in name order.

    In a folder, names that begin with a dot are left out, and what is neither file nor folder. A path that cannot be
    read is passed on, to become a line with its reason.
    """
    for path in paths:
        if path == STANDARD_INPUT:
            yield Source(path, sys.stdin.buffer.read(_SIZE_CAP + 1))
        elif Path(path).is_dir():
            yield from _walk(path)
        else:
            yield Source(path)


def inspect_mails(mails: Iterable[Source], form: Form, *, processes: int | None = None) -> Iterator[Line]:
    """A line for each mail, in order, by default with a process for each core; what cannot be read says why."""
    count = processes or len(os.sched_getaffinity(0))
    waiting = iter(mails)
    first = list(islice(waiting, _ALONE + 1))
    chunks = _chunks(chain(first, waiting))
    if count == 1 or len(first) <= _ALONE:
        return (line for chunk in chunks for line in _read(chunk, form))
    return _spread(chunks, form, count)


def _walk(folder: str) -> Iterator[Source]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError:
        yield Source(folder)
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)
        elif _is_file(entry):
            yield Source(entry.path)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return S_ISREG(entry.stat().st_mode)
    except OSError:  # A link to nowhere: somebody meant a mail.
        return True


def _chunks(mails: Iterator[Source]) -> Iterator[Chunk]:
    while chunk := tuple(islice(mails, _CHUNK)):
        yield chunk


def _read(chunk: Chunk, form: Form) -> list[Line]:
    return [_read_one(source, form) for source in chunk]


def _read_one(source: Source, form: Form) -> Line:
    raw = source.raw
    if raw is None:
        try:
            with Path(source.path).open("rb") as file:
                raw = file.read(_SIZE_CAP + 1)
        except (OSError, ValueError) as error:
            return not_inspected(source.path, getattr(error, "strerror", None) or str(error), form)
    if len(raw) > _SIZE_CAP:
        return not_inspected(source.path, f"larger than {_SIZE_CAP:,} bytes", form)
    return inspected(source.path, raw, form)


def _spread(chunks: Iterator[Chunk], form: Form, processes: int) -> Iterator[Line]:
    """Each chunk read by one of the processes; a mail that kills its process costs that mail only."""
    pool = _pool(processes)
    running: deque[tuple[Chunk, Future[list[Line]]]] = deque()
    try:
        while True:
            for chunk in islice(chunks, processes * _CHUNKS_AHEAD - len(running)):
                running.append((chunk, pool.submit(_read, chunk, form)))
            if not running:
                return
            chunk, future = running.popleft()
            try:
                lines = future.result()
            except BrokenProcessPool:
                pool.shutdown(wait=False, cancel_futures=True)
                lines = [line for source in chunk for line in _read_apart(source, form)]
                pool = _pool(processes)
                running = deque((other, pool.submit(_read, other, form)) for other, _ in running)
            yield from lines
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _read_apart(source: Source, form: Form) -> list[Line]:
    """A mail of a chunk in which one killed its process, read in a process of its own."""
    with _pool(1) as pool:
        try:
            return pool.submit(_read, (source,), form).result()
        except BrokenProcessPool:
            return [not_inspected(source.path, "the process that read it died", form)]


def _pool(processes: int) -> ProcessPoolExecutor:
    # A plain fork would copy whatever thread shows the progress in the middle of what it does.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return ProcessPoolExecutor(processes, mp_context=context)
