"""The small web server for machines that watch: /metrics, /healthz and /readyz; it changes nothing."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6
from typing import Any

import structlog

from reconciler.core.errors import Invalid, ReconcilerError, Unavailable
from reconciler.runtime.heartbeat import Heartbeats
from reconciler.runtime.metrics import CONTENT_TYPE, Metrics
from reconciler.store.applied import newest_revision
from reconciler.store.database import Store
from reconciler.store.lease import Lease

log = structlog.get_logger()

LOOPBACK = "127.0.0.1"
_SLOWEST_CLIENT = 10.0

Answer = tuple[int, str, bytes]
"""Status, content type, body."""


def parse_address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `[IPV6]:PORT`, `:PORT` or `PORT`; without a host it is loopback. Raises Invalid."""
    match = re.fullmatch(r"(?:(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]]*)):)?(?P<port>[0-9]{1,5})", text.strip())
    if match is None or int(match["port"]) > 65535:
        raise Invalid(f"--metrics {text}: write HOST:PORT, such as 127.0.0.1:9464, or PORT for loopback")
    return match["six"] or match["host"] or LOOPBACK, int(match["port"])


@dataclass(frozen=True, slots=True)
class Facts:
    """What is asked after: the loops' beats, the store, and the leases that have to be held."""

    metrics: Metrics
    beats: Heartbeats
    store: Store
    leases: Sequence[Lease]

    def answer(self, path: str) -> Answer:
        """The answer to a GET; 503 says that something is wrong, and the body what."""
        match path.partition("?")[0]:
            case "/metrics":
                return 200, CONTENT_TYPE, self.metrics.text()
            case "/healthz":
                return self._health()
            case "/readyz":
                return self._readiness()
        return 404, "text/plain; charset=utf-8", b"/metrics, /healthz or /readyz\n"

    def _health(self) -> Answer:
        stuck = self.beats.stale()
        ages = {loop.value: round(age, 1) for loop, age in self.beats.ages().items()}
        return _json(not stuck, {"loops": ages, "stuck": [loop.value for loop in stuck]})

    def _readiness(self) -> Answer:
        missing = []
        try:
            with self.store.read() as connection:
                if not newest_revision(connection):
                    missing.append("nothing is applied")
                for lease in self.leases:
                    try:
                        lease.verify(connection)
                    except ReconcilerError:
                        missing.append(f"the lease {lease.right.value} is not held")
        except ReconcilerError as error:
            missing.append(str(error))
        return _json(not missing, {"ready": not missing, "missing": missing})


def _json(is_well: bool, value: Any) -> Answer:
    return 200 if is_well else 503, "application/json", (json.dumps(value) + "\n").encode()


class Endpoint:
    """The server, listening. Raises Unavailable if it cannot listen there."""

    def __init__(self, address: tuple[str, int], answer: Callable[[str], Answer]) -> None:
        try:
            self._server = _server(address, answer)
        except OSError as error:
            raise Unavailable(f"cannot listen on {address[0]}:{address[1]} for --metrics: {error.strerror}") from error
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()
        host, port = self._server.server_address[:2]
        log.info("metrics.listening", host=str(host), port=port)

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


def _server(address: tuple[str, int], answer: Callable[[str], Answer]) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        timeout = _SLOWEST_CLIENT
        server_version, sys_version = "reconciler", ""

        def do_GET(self) -> None:
            status, content_type, body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Whoever watches asks all day long."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that went away is no event of ours."""

    if ":" in address[0]:
        Server.address_family = AF_INET6
    return Server(address, Handler)
