"""A real HTTP server on 127.0.0.1 with planted faults, for the tests of downloads."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Resource:
    """A file, and how the server behaves when it is asked for it.

    `cuts`: after how many bytes of its body each of the next answers breaks off. `statuses`: what
    each of the next answers is in place of the file.
    """

    body: bytes
    etag: str | None = None
    modified: str | None = None
    ranges: bool = True
    if_range: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    chunked: bool = False
    redirect: str | None = None
    #: Seconds between pieces of 64 KiB.
    pause: float = 0.0


@dataclass
class Asked:
    """A request that has reached the server."""

    path: str
    range: str | None
    if_range: str | None
    user_agent: str | None


class Site:
    """What the server has, and what it was asked for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, Resource] = {}
        self.asked: list[Asked] = []

    def add(self, path: str, body: bytes, **options: object) -> Resource:
        self.files[path] = Resource(body, **options)  # type: ignore[arg-type]
        return self.files[path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        head = self.headers
        self.site.asked.append(
            Asked(self.path, head["Range"], head["If-Range"], head["User-Agent"])
        )
        self.close_connection = True
        file = self.site.files.get(self.path)
        if file is None:
            self._answer(404, {"Content-Length": "0"})
        elif file.statuses:
            status, headers = file.statuses.pop(0)
            self._answer(status, {"Content-Length": "0", **headers})
        elif file.redirect is not None:
            self._answer(302, {"Location": file.redirect, "Content-Length": "0"})
        else:
            self._serve(file)

    def _serve(self, file: Resource) -> None:
        headers = dict(file.headers)
        if file.etag is not None:
            headers["ETag"] = file.etag
        if file.modified is not None:
            headers["Last-Modified"] = file.modified
        body, status = file.body, 200
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        version = self.headers["If-Range"]
        same = version is None or version in {file.etag, file.modified} or not file.if_range
        if wanted and file.ranges and same:
            start = int(wanted[1])
            if start >= len(body):
                self._answer(416, {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"})
                return
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            body, status = body[start:], 206
        if file.chunked:
            headers["Transfer-Encoding"] = "chunked"
        else:
            headers["Content-Length"] = str(len(body) if file.length is None else file.length)
        self._answer(status, headers)
        keep = file.cuts.pop(0) if file.cuts else len(body)
        self._send(body[:keep], file, whole=keep >= len(body))

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()

    def _send(self, body: bytes, file: Resource, whole: bool) -> None:
        try:
            for start in range(0, len(body), 1 << 16):
                piece = body[start : start + (1 << 16)]
                if file.chunked:
                    piece = b"%x\r\n%s\r\n" % (len(piece), piece)
                self.wfile.write(piece)
                time.sleep(file.pause)
            if file.chunked and whole:
                self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client has heard enough

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Site]:
    """Run a server in a thread; yield its site."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        site = Site(f"http://127.0.0.1:{server.server_port}")
        server.RequestHandlerClass = type("Handler", (_Handler,), {"site": site})
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server on this machine, no proxy before it, and no waiting between tries."""
    monkeypatch.setattr("bench.data.download.BACKOFF", 0.0)
    monkeypatch.setenv("no_proxy", "*")
    with serving() as running:
        yield running
