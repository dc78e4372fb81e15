"""`make acceptance`: plays every row on a real Dovecot and SMTP server and prints the table; 1 if a row fails.

Run as `python -m tests.acceptance.run [ROW …]`; with names only those rows are played.
"""

from __future__ import annotations

import itertools
import logging
import shutil
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

import structlog

from tests.acceptance import rows
from tests.acceptance.rows import plug_in
from tests.acceptance.story import STORIES
from tests.rig.certificate import make_certificate
from tests.rig.dovecot import Dovecot
from tests.rig.smtp_server import SmtpServer
from tests.world import World

ROWS = rows.ROWS | STORIES
_WIDTH = max(map(len, ROWS))


def main(wanted: Sequence[str]) -> int:
    """Play the rows, each in a world of its own on the same servers; the exit code."""
    if unknown := set(wanted) - ROWS.keys():
        print(f"no such row: {', '.join(sorted(unknown))}; there are: {', '.join(ROWS)}", file=sys.stderr)
        return 64
    sys.path.insert(0, str(plug_in()))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    directory = Path(tempfile.mkdtemp(prefix="rig-"))
    certificate = make_certificate(directory)
    dovecot = Dovecot(directory, certificate)
    smtp_server = SmtpServer(directory, certificate, f"127.0.0.1:{dovecot.own_port}:{dovecot.password}")
    try:
        dovecot.start()
        smtp_server.start()
        failed = [name for name in wanted or ROWS if not _played(name, directory, dovecot, smtp_server)]
    finally:
        smtp_server.stop()
        dovecot.stop()
        shutil.rmtree(directory, ignore_errors=True)
    verdict = f"failed: {', '.join(failed)}" if failed else "Every row came out right."
    print(f"\n{verdict}")
    return 1 if failed else 0


_numbers = itertools.count(1)


def _fresh(name: str) -> str:
    return f"{name}-{next(_numbers)}@acme.example"


def _played(name: str, directory: Path, dovecot: Dovecot, smtp_server: SmtpServer) -> bool:
    """Play one row and print its line."""
    place = Path(tempfile.mkdtemp(dir=directory))
    try:
        seen = ROWS[name](World(place, dovecot, smtp_server, _fresh))
    except Exception:
        # Whatever goes wrong in a row, the rows after it are shown.
        print(f"✗ {name:{_WIDTH}}  {traceback.format_exc(limit=-3)}", flush=True)
        return False
    print(f"✓ {name:{_WIDTH}}  {seen}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
