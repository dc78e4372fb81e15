"""A token server on loopback: gives access tokens over HTTPS and tells over HTTP whose they are; no real issuer."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.rig.certificate import Certificate

Answer = tuple[int, dict[str, str], bytes]


class TokenServer:
    """Use as a context manager. A token is its `scope`'s, which is a mailbox's login name.

    `client_secret` and `refresh_token` are what it wants to see; with `rotates` each refresh token is good once.
    Tokens have `padding` bytes and some more. `answer` replaces what the token endpoint says, `asked` has the
    forms that it was sent.
    """

    client_id, client_secret = "reconciler", "Kanarie-Client"

    def __init__(self, certificate: Certificate, tokeninfo_port: int, seconds: int = 3600) -> None:
        self.seconds = seconds
        self.refresh_token = "Kanarie-Refresh-0"
        self.rotates = False
        self.padding = 1500
        self.answer: Answer | None = None
        self.asked: list[dict[str, str]] = []
        self._good: dict[str, str] = {}
        self._lock = threading.Lock()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate.cert, certificate.key)
        self._https = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._on_post, self._on_get))
        self._https.socket = context.wrap_socket(self._https.socket, server_side=True)
        self._http = ThreadingHTTPServer(("127.0.0.1", tokeninfo_port), _handler(self._on_post, self._on_get))
        self.endpoint = f"https://localhost:{self._https.server_port}/token"

    def __enter__(self) -> Self:
        for server in (self._https, self._http):
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self._https, self._http):
            server.shutdown()
            server.server_close()

    @property
    def given(self) -> int:
        """How many tokens were given."""
        return len(self._good)

    def revoke(self) -> None:
        """No token that was given so far is good any longer."""
        with self._lock:
            self._good = dict.fromkeys(self._good, "")

    def _on_post(self, _path: str, body: bytes) -> Answer:
        form = {key: values[0] for key, values in parse_qs(body.decode()).items()}
        with self._lock:
            self.asked.append(form)
            if self.answer is not None:
                return self.answer
            if form.get("client_id") != self.client_id or form.get("client_secret") != self.client_secret:
                # As Microsoft does, it says back what it was sent.
                return _error(401, "invalid_client", f"AADSTS7000215: {form.get('client_secret')} is wrong")
            if form.get("grant_type") == "refresh_token" and form.get("refresh_token") != self.refresh_token:
                return _error(400, "invalid_grant", "expired or revoked")
            token = f"token-{len(self._good)}-" + "x" * self.padding
            self._good[token] = form.get("scope", "")
            given: dict[str, Any] = {"access_token": token, "token_type": "Bearer", "expires_in": self.seconds}
            if self.rotates and form["grant_type"] == "refresh_token":
                given["refresh_token"] = self.refresh_token = f"Kanarie-Refresh-{len(self._good)}"
        return _json(200, given)

    def _on_get(self, path: str, _body: bytes) -> Answer:
        token = parse_qs(urlsplit(path).query).get("access_token", [""])[0]
        user = self._good.get(token)
        return _json(200, {"username": user, "active": "true"}) if user else _error(401, "invalid_token", "")


def _json(status: int, value: dict[str, Any]) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _error(status: int, error: str, description: str) -> Answer:
    return _json(status, {"error": error, "error_description": description})


def _handler(
    on_post: Callable[[str, bytes], Answer], on_get: Callable[[str, bytes], Answer]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._say(on_post(self.path, self.rfile.read(int(self.headers.get("Content-Length", 0)))))

        def do_GET(self) -> None:
            self._say(on_get(self.path, b""))

        def _say(self, answer: Answer) -> None:
            status, headers, body = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    return Handler
