"""The comments of a pull request as GitHub's and GitLab's interfaces keep them, on loopback, for `ci/comment`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "t0ken"
_GITHUB = "/repos/acme/accounts/issues"
_GITLAB = "/projects/7/merge_requests/5/notes"


class Forge:
    """One pull request, number 5. `comments` by id: text, and whether the checks wrote it."""

    def __init__(self) -> None:
        self.comments: dict[int, tuple[str, bool]] = {}
        self.url = ""

    def add(self, text: str, *, ours: bool = False) -> int:
        """A new comment's id."""
        number = len(self.comments) + 1
        self.comments[number] = (text, ours)
        return number

    @property
    def ours(self) -> list[str]:
        """The texts that the checks wrote."""
        return [text for text, ours in self.comments.values() if ours]

    def answer(self, method: str, path: str, body: Any) -> Any:
        """What the interface answers, None for 404; both hosts' addresses are served."""
        where = urlsplit(path)
        if (method, where.path) == ("GET", "/user"):
            return {"id": 1}
        lists = {f"{_GITHUB}/5/comments", _GITLAB}
        if where.path in lists and method == "GET":
            query = parse_qs(where.query)
            size, page = int(query["per_page"][0]), int(query["page"][0])
            return [self._shown(number) for number in sorted(self.comments)][size * (page - 1) : size * page]
        if where.path in lists and method == "POST":
            return self._shown(self.add(body["body"], ours=True))
        start, _, number = where.path.rpartition("/")
        if (method, start) in {("PATCH", f"{_GITHUB}/comments"), ("PUT", _GITLAB)}:
            self.comments[int(number)] = (body["body"], True)
            return self._shown(int(number))
        return None

    def _shown(self, number: int) -> dict[str, Any]:
        text, ours = self.comments[number]
        return {
            "id": number,
            "body": text,
            "user": {"login": "github-actions[bot]" if ours else "mallory", "type": "Bot" if ours else "User"},
            "author": {"id": 1 if ours else 2},
        }


@contextmanager
def serving() -> Iterator[Forge]:
    """A forge that listens."""
    forge = Forge()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            known = TOKEN in (
                self.headers.get("PRIVATE-TOKEN"),
                self.headers.get("Authorization", "")[len("Bearer ") :],
            )
            answer = forge.answer(self.command, self.path, body) if known else None
            data = json.dumps(answer).encode()
            self.send_response(200 if answer is not None else 404)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = _serve

        def log_message(self, *_: Any) -> None:
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    forge.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
