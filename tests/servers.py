"""Real servers on loopback that streams are sent to, and what they received."""

from __future__ import annotations

import itertools
import math
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import av
import numpy as np
import psutil
import pytest
from clips import numbered
from numpy.typing import NDArray

from realtime.config import StreamOutput
from realtime.frame import Frame
from realtime.sinks.stream import Stream

_RATE = 30.0
KEY = "geheim"
"""The stream key or password in every address that has room for one."""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nobody uses."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """ffmpeg listening for one sender, copying what comes into a file; start() again for the next one."""

    def __init__(self, kind: str, folder: Path) -> None:
        program = shutil.which("ffmpeg")
        if program is None:
            pytest.skip("the program ffmpeg is not installed, which serves streams here")
        self._port = port = free_port(socket.SOCK_DGRAM if kind in ("udp", "srt") else socket.SOCK_STREAM)
        place = f"127.0.0.1:{port}"
        self.url = {
            "rtmp": f"rtmp://{place}/live/{KEY}",
            "srt": f"srt://{place}?streamid={KEY}",
            "rtsp": f"rtsp://me:{KEY}@{place}/cam",
            "udp": f"udp://{place}",
        }[kind]
        listen = {
            "rtmp": ["-listen", "1", "-i", self.url],
            "srt": ["-i", f"{self.url}&mode=listener"],
            "rtsp": ["-rtsp_flags", "listen", "-i", self.url],
            "udp": ["-i", f"{self.url}?timeout=2000000&fifo_size=200000"],
        }[kind]
        # Few bytes are enough to know these streams by, and the end of a sender is the end of the file.
        self.path = folder / f"{kind}.mkv"
        quick = ["-probesize", "500000", "-analyzeduration", "1500000"]
        self._command = [program, "-hide_banner", "-loglevel", "error", *quick, *listen, "-c", "copy", "-y", str(self.path)]
        self._log: IO[bytes] = (folder / f"{kind}.log").open("wb")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Listen."""
        self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        listener, end = psutil.Process(self.process.pid), time.perf_counter() + 40
        while not any(line.laddr and line.laddr.port == self._port for line in listener.net_connections()):
            assert time.perf_counter() < end, "it does not listen"
            time.sleep(0.02)

    def finish(self) -> Path:
        """The file, when the sender has gone."""
        assert self.process is not None
        try:
            self.process.wait(20)
        finally:
            self.end()
        return self.path

    def end(self) -> None:
        """End at once."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._log.close()

    def kill(self) -> None:
        """Go, as a server that crashes does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()


class Sender:
    """Sends a numbered picture thirty times a second into a stream, as a loop does, and keeps what the stream says."""

    def __init__(self, output: StreamOutput, size: tuple[int, int] = (160, 96)) -> None:
        self.said: list[str] = []
        self.slowest = 0.0
        self.sent = 0
        self._size = size
        self.stream = Stream(output, _RATE, True, None, self.said.append)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        begin = time.perf_counter()
        for index in itertools.count():
            taken = begin + index / _RATE
            if self._stop.wait(max(taken - time.perf_counter(), 0)):
                return
            before = time.perf_counter()
            self.stream.send(Frame(numbered(index % 40, *self._size), index, taken))
            self.slowest = max(self.slowest, time.perf_counter() - before)
            self.sent += 1

    def until(self, wanted: Callable[[], bool]) -> None:
        """Wait for something to become true."""
        end = time.perf_counter() + 40
        while not wanted():
            assert time.perf_counter() < end, (self.stream.state, self.stream.problem, self.said)
            time.sleep(0.02)

    def close(self) -> float:
        """End the sending; the seconds that the stream took to close."""
        self._stop.set()
        self._thread.join()
        before = time.perf_counter()
        self.stream.close()
        return time.perf_counter() - before


def serving(folder: Path) -> Iterator[Callable[[str], Server]]:
    """What makes servers of a kind, and ends them all."""
    servers: list[Server] = []

    def made(kind: str) -> Server:
        servers.append(Server(kind, folder))
        return servers[-1]

    yield made
    for server in servers:
        server.end()


def aired(sink: object) -> Callable[[], float]:
    """What says for how many seconds a stream has been on air since it was first asked; infinite for a sink that is no stream."""
    since: list[float] = []

    def seconds() -> float:
        if not isinstance(sink, Stream) or sink.settings.kind == "hls":
            return math.inf
        if sink.state == "on air" and not since:
            since.append(time.perf_counter())
        return time.perf_counter() - since[0] if since else 0.0

    return seconds


def claps(path: Path | str, rate: float) -> tuple[list[float], list[float]]:
    """Moments at which flashes begin, and at which a loud sound begins, in seconds of a file's or playlist's own clock.

    A flash is pictures of grey 240, 228, 216, ... in a row, `rate` a second: where the first is lost, the next ones tell when it was.
    """
    flashes: list[float] = []
    # What a file begins with has begun before.
    bright = True
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            level = float(frame.to_ndarray(format="rgb24").mean())
            if level > 150 and not bright:
                flashes.append(float(frame.pts * frame.time_base) - round((240 - level) / 12) / rate)
            bright = level > 150
    pieces: list[tuple[float, NDArray[np.float32], int]] = []
    with av.open(str(path)) as container:
        for part in container.decode(audio=0):
            pieces.append((float(part.pts * part.time_base), np.abs(np.asarray(part.to_ndarray(), np.float32))[0], part.rate))
    beeps: list[float] = []
    last = -1.0
    for start, wave, rate in pieces:
        for sample in np.flatnonzero(wave > 0.2):
            moment = start + sample / rate
            if moment > last + 0.3:
                beeps.append(moment)
            last = moment
    return flashes, beeps


__all__ = ["KEY", "Sender", "Server", "aired", "claps", "free_port", "serving"]
