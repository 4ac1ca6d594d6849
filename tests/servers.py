"""Real servers on loopback that streams are sent to, and what they received."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path
from typing import IO

import av
import numpy as np
import pytest
from numpy.typing import NDArray

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
        port = free_port(socket.SOCK_DGRAM if kind in ("udp", "srt") else socket.SOCK_STREAM)
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


def claps(path: Path | str, rate: float) -> tuple[list[float], list[float]]:
    """Moments at which flashes begin, and at which a loud sound begins, in seconds of a file's or playlist's own clock.

    A flash is pictures of grey 240, 228, 216, ... in a row, `rate` a second: where the first is lost, the next ones tell when it was.
    """
    flashes: list[float] = []
    bright = False
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


__all__ = ["KEY", "Server", "claps", "free_port"]
