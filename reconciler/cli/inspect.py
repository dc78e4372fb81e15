"""`reconciler inspect`: what mails in files say and what kind they are, without any state."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.fetch import Lines, TextOrNdjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.report.inspect import Form, Line

Paths = Annotated[
    list[str], typer.Argument(metavar="PATH...", help="Mails, folders of mails, - for a mail on standard input.")
]


def inspect(
    paths: Paths,
    html: Annotated[bool, typer.Option("--html", help="Give the HTML, too, made harmless to show (ndjson).")] = False,
    output: Lines = TextOrNdjson.TEXT,
) -> None:
    """Read mails and say what each is and why; touches no state and no server.

    A mail that cannot be read is a line with its reason. Exits 1 if there was a file that could not be read.
    """
    from collections import Counter

    from reconciler.core.errors import ExitCode
    from reconciler.report.inspect import Form, summary

    counts: Counter[str | None] = Counter()
    wanted = Form(as_json=output is TextOrNdjson.NDJSON, with_html=html)
    try:
        for line in _lines(paths, wanted):
            counts[line.kind] += 1
            sys.stdout.write(f"{line.text}\n")
        if output is TextOrNdjson.TEXT:
            sys.stdout.write(f"{summary(counts)}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _stop_writing()
    raise typer.Exit(ExitCode.FINDINGS.value if counts[None] else ExitCode.CLEAN.value)


def _lines(paths: Iterable[str], wanted: Form) -> Iterator[Line]:
    """The lines of the mails, with a progress bar if a person waits for them and does not see them go by."""
    from reconciler.runtime.inspection import inspect_mails, sources

    found = sources(paths)
    if sys.stdout.isatty() or not sys.stderr.isatty():
        yield from inspect_mails(found, wanted)
        return
    from rich.console import Console
    from rich.progress import track

    mails = list(found)
    lines = inspect_mails(mails, wanted)
    yield from track(lines, "inspect", total=len(mails), console=Console(stderr=True), transient=True)


def _stop_writing() -> None:
    """Whoever read the output has enough, as `head` does; what is still buffered must not fail a second time."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
