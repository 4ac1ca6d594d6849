"""Readers of answers without an end who read nothing, or slowly, over a real connection."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from studios import Running, running

from realtime.config import AnimatedInput, NoOutput, Settings
from realtime.studio.hosting import Wish

_PATIENCE = 1.0
_MOVING = Settings(input=AnimatedInput(width=640, height=360, fps=20), outputs=(NoOutput(),))
_TOKEN = "a-token-for-the-tests"


@contextmanager
def _hurried(folder: Path, wish: Wish | None = None) -> Iterator[Running]:
    """A studio of which the loop runs, and that has little patience."""
    with running(folder, _MOVING, wish) as one:
        connections: Any = one.house.hosted.config.http
        connections.patience = _PATIENCE
        one.house.show.start()
        one.wait()
        yield one


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with _hurried(tmp_path_factory.mktemp("studio")) as one:
        yield one


def _asked(one: Running, path: str) -> socket.socket:
    """A connection that has asked and read how the answer begins; it holds little that was not read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 10)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", one.house.access.port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    assert connection.recv(12).startswith(b"HTTP/1.1")
    return connection


def _status(one: Running, path: str) -> int:
    with one.client.stream("GET", path) as answer:
        return answer.status_code


def _until_all_are_cut(one: Running) -> None:
    end = time.monotonic() + 30
    while any(other.cycle is not None and not other.cycle.response_complete for other in one.house.hosted.server_state.connections):
        assert time.monotonic() < end, "who reads nothing is answered for ever"
        time.sleep(0.05)


@pytest.mark.parametrize("path", ["/source.mjpg", "/preview.mjpg"])
def test_who_watches_and_reads_nothing_makes_room(moving: Running, path: str) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(_asked(moving, path)) for _ in range(24)]
        assert _status(moving, path) == 503
        _until_all_are_cut(moving)
        assert _status(moving, path) == 200
        assert len(silent) == 24


def test_who_listens_and_reads_nothing_makes_room(moving: Running) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(_asked(moving, "/api/events")) for _ in range(64)]
        assert _status(moving, "/api/events") == 503
        # As much as the lines of a log that goes wild: a quiet studio would need minutes to fill what lies between.
        for _ in range(100):
            moving.house.studio.events.log("info", "x" * 20_000)
        _until_all_are_cut(moving)
        assert _status(moving, "/api/events") == 200
        assert len(silent) == 64


def test_who_reads_slowly_keeps_the_place_and_is_not_far_behind(moving: Running) -> None:
    with _asked(moving, "/source.mjpg") as slow:
        end = time.monotonic() + 5 * _PATIENCE
        while time.monotonic() < end:
            assert slow.recv(8 << 10), "it was cut"
            # A sixth of what is made.  Less is handed on by the system in so large pieces that patience nearly ends between two.
            time.sleep(0.05)
        moving.house.show.stop()
        try:
            # From here on the same picture comes once a second; before it, what waited.
            waited, last, begun = b"", b"", time.monotonic()
            while not last and time.monotonic() < begun + 30:
                waited += slow.recv(1 << 20)
                parts = waited.split(b"\r\n--swapcam-frame")
                last = parts[-2] if len(parts) > 2 and parts[-2] == parts[-3] else b""
            assert last, "no picture comes a second time"
            assert len(waited) < 400_000, f"{len(waited)} bytes of old pictures waited"
        finally:
            moving.house.show.start()
            moving.wait()


def test_over_https_who_reads_nothing_is_cut_too(tmp_path: Path, home: Path) -> None:
    import ssl

    with _hurried(tmp_path, Wish(host="0.0.0.0", port=0, token=_TOKEN, open=False)) as one:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", one.house.access.port), timeout=20) as plain, context.wrap_socket(plain) as connection:
            connection.sendall(f"GET /source.mjpg HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {_TOKEN}\r\n\r\n".encode())
            assert connection.recv(12) == b"HTTP/1.1 200"
            _until_all_are_cut(one)
