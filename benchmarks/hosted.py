"""A studio in a process of its own, as people start it: for tests of its pages and for pictures of them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime.frame import RealtimeError

_ROOT = Path(__file__).resolve().parents[1]
_PATIENCE = 90.0
PORTRAIT = ("--input", "animated", "--set", "input.width=640", "--set", "input.height=360", "--set", "input.fps=15")
"""Arguments for a small moving portrait as the camera."""


@dataclass(frozen=True, slots=True)
class Hosted:
    """A studio that runs.  url: without a slash at its end.  log: what it said on the terminal."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def state(self) -> dict[str, Any]:
        """What GET /api/state says."""
        with urllib.request.urlopen(f"{self.url}/api/state", timeout=20) as answer:
            data: dict[str, Any] = json.load(answer)
        return data


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


@contextmanager
def hosted(home: Path, arguments: Sequence[str] = PORTRAIT, port: int | None = None) -> Iterator[Hosted]:
    """Start `swapcam studio` for this machine alone, and end it.

    home: folder for faces, settings and recordings; nothing of the user's own is touched.
    Raises RealtimeError with what it said where it does not come up.
    """
    port = free_port() if port is None else port
    folders = {"SWAPCAM_HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), "APPDATA": str(home / "config")}
    command = [sys.executable, "-m", "realtime", "studio", "--no-open", "--port", str(port), "--folder", str(home), *arguments]
    if "--config" not in command:
        (home / "config.yaml").touch()
        command += ["--config", str(home / "config.yaml")]
    log = home / "studio.log"
    with log.open("ab") as said:
        process = subprocess.Popen(command, cwd=_ROOT, env={**os.environ, **folders}, stdout=said, stderr=said)
    studio = Hosted(f"http://127.0.0.1:{port}", port, process, log)
    try:
        _wait(studio)
        yield studio
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(studio: Hosted) -> None:
    """Until its loop runs, or stands for good."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if studio.process.poll() is not None:
            raise RealtimeError(f"The studio did not start: {studio.log.read_text(errors='replace').strip()}")
        try:
            if studio.state()["loop"]["state"] != "starting":
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.2)
    raise RealtimeError(f"The studio did not start within {_PATIENCE:.0f} s; it said: {studio.log.read_text(errors='replace').strip()}")


__all__ = ["PORTRAIT", "Hosted", "free_port", "hosted"]
