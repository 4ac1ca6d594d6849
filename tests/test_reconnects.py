"""Streams whose servers are not there, go, hang and come back."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from servers import KEY, Sender, Server, serving

from realtime.address import masked
from realtime.config import StreamOutput
from realtime.frame import Frame
from realtime.sinks import stream
from realtime.sinks.stream import Stream

_RATE = 30.0


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[str], Server]]:
    yield from serving(tmp_path)


@pytest.mark.parametrize("kind", ["rtmp", "srt", "rtsp"])
def test_a_server_that_comes_late_goes_and_comes_back(
    kind: str, serve: Callable[[str], Server], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    server = serve(kind)
    sender = Sender(StreamOutput(url=server.url, bitrate=1))
    sender.until(lambda: len(sender.said) == 1)
    assert sender.stream.state == "waiting"
    assert "not there" in sender.stream.problem
    server.start()
    sender.until(lambda: len(sender.said) == 2)
    assert (sender.stream.state, sender.stream.problem) == ("on air", "")
    server.kill()
    sender.until(lambda: len(sender.said) == 3)
    assert sender.stream.state == "waiting"
    server.start()
    sender.until(lambda: len(sender.said) == 4)
    assert sender.stream.state == "on air"
    sender.close()
    away, there = (f"{masked(server.url)} is not there", f"On air: {masked(server.url)}")
    assert [text.startswith(start) for text, start in zip(sender.said, (away, there, away, there), strict=True)] == [True] * 4
    assert sender.slowest < 0.1
    out, err = capfd.readouterr()
    assert KEY not in " ".join([*sender.said, sender.stream.problem, caplog.text, out, err])


@pytest.mark.parametrize("kind", ["rtmp", "rtsp"])
def test_a_server_that_hangs_is_left_and_holds_nobody_up(
    kind: str, serve: Callable[[str], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_HANGS", 1.0)
    server = serve(kind)
    server.start()
    # Incompressible, so that the socket's buffers are soon full.
    draw = np.random.default_rng(0)
    noise = [draw.integers(0, 255, (360, 640, 3), dtype=np.uint8) for _ in range(4)]
    said: list[str] = []
    sink = Stream(StreamOutput(url=server.url, bitrate=100), _RATE, True, None, said.append)
    slowest, stopped, end = 0.0, False, time.perf_counter() + 60
    for index in itertools.count():
        before = time.perf_counter()
        sink.send(Frame(noise[index % 4], index, before))
        slowest = max(slowest, time.perf_counter() - before)
        if not stopped and said and sink.state == "on air" and server.process:
            os.kill(server.process.pid, signal.SIGSTOP)
            stopped = True
        if stopped and sink.state == "waiting":
            break
        assert time.perf_counter() < end, (said, sink.state)
        time.sleep(0.01)
    assert slowest < 0.2
    assert "does not answer" in sink.problem
    before = time.perf_counter()
    sink.close()
    assert time.perf_counter() - before < 2


def test_pauses_between_attempts_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[float] = []

    class Refused(stream.Broadcast):
        def open(self) -> None:
            tried.append(time.perf_counter())
            raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(stream, "Broadcast", Refused)
    monkeypatch.setattr(stream, "_PAUSES", (0.1, 0.2, 0.4, 0.4))
    sender = Sender(StreamOutput(url="rtmp://127.0.0.1/live/me"))
    sender.until(lambda: len(tried) == 5)
    sender.close()
    assert (np.diff(tried) > np.array([0.1, 0.2, 0.4, 0.4]) - 0.01).all(), "a busy machine makes them longer, nothing shorter"
    assert len(sender.said) == 1
