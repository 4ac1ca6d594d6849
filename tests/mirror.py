"""A real server on this machine that serves files well or badly, and keeps what it was asked."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """A file and the way it is served.

    tag: its ETag; "" for none.  ranges: parts are served.  length: its size is said.  cuts: after how many bytes of an answer the
    connection is closed, one for each of the first answers.  pause: seconds between two blocks.  block: bytes.
    status: answered instead.  to: where it sends on to.
    """

    content: bytes = b""
    tag: str = '"1"'
    ranges: bool = True
    length: bool = True
    cuts: list[int] = field(default_factory=list)
    pause: float = 0.0
    block: int = 1 << 16
    status: int = 200
    to: str = ""


class Mirror:
    """The server: `files` by path, `asked` is (path, headers) of every request."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, Served] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def serve(self, name: str, served: Served) -> str:
        """The address of a file that is served from now on."""
        self.files[f"/{name}"] = served
        return f"{self.address}/{name}"


@contextmanager
def mirror() -> Iterator[Mirror]:
    """A server at 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            here.asked.append((self.path, dict(self.headers)))
            _answer(self, here.files.get(re.sub(r"^http://[^/]+", "", self.path)))

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here = Mirror(f"http://127.0.0.1:{server.server_address[1]}")
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()


def _answer(handler: BaseHTTPRequestHandler, served: Served | None) -> None:
    handler.close_connection = True
    if served is None or served.status >= 400 or served.to:
        status = 404 if served is None else 302 if served.to else served.status
        handler.send_response(status)
        if served and served.to:
            handler.send_header("Location", served.to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    start = _start(handler, served)
    if start is None:
        handler.send_response(416)
        handler.send_header("Content-Range", f"bytes */{len(served.content)}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(served.content) - 1}/{len(served.content)}")
    if served.tag:
        handler.send_header("ETag", served.tag)
    if served.length:
        handler.send_header("Content-Length", str(len(served.content) - start))
    handler.end_headers()
    cut = served.cuts.pop(0) if served.cuts else len(served.content)
    body = served.content[start:][:cut]
    try:
        for place in range(0, len(body), served.block):
            time.sleep(served.pause if place else 0)
            handler.wfile.write(body[place : place + served.block])
            handler.wfile.flush()
    except OSError:
        pass


def _start(handler: BaseHTTPRequestHandler, served: Served) -> int | None:
    """From which byte on; None where there is none after it."""
    asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    if not asked or not served.ranges or handler.headers.get("If-Range", served.tag) != served.tag:
        return 0
    return int(asked[1]) if int(asked[1]) < len(served.content) else None


def sha256(content: bytes) -> str:
    """In hexadecimal."""
    return hashlib.sha256(content).hexdigest()
