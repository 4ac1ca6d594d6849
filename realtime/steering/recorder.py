"""Recorder: a recording that is begun and ended while the loop runs, and goes on in a new file when there is a new loop."""

from __future__ import annotations

import threading
from pathlib import Path

from realtime.config import RecordingOutput
from realtime.frame import RealtimeError
from realtime.keys import free_path
from realtime.loop import Loop
from realtime.machine.home import expanded
from realtime.ports import Port


class Recorder:
    """Makes recordings in a folder; safe from any thread.  ending: of the files, .mp4 or .mkv."""

    def __init__(self, folder: Path, ending: str = ".mp4") -> None:
        self._folder, self._ending = folder, ending
        self._loop: Loop | None = None
        self._port: Port | None = None
        self._wanted = self._told = False
        self._lock = threading.Lock()

    @property
    def path(self) -> Path | None:
        """The file that is being made; None while none is, or when writing it failed."""
        port = self._port
        return Path(port.output.path) if port and port.sink is not None and isinstance(port.output, RecordingOutput) else None

    def trouble(self) -> str:
        """Why the recording came to an end that nobody asked for, told once; else ""."""
        # Without the lock: a sink that fails asks, and whoever ends it holds the lock and waits for its thread.
        port = self._port
        if port is None or port.sink is not None or self._told:
            return ""
        self._told = True
        return port.problem

    def start(self, loop: Loop) -> Path:
        """Begin to record; the file.  Raises RealtimeError."""
        with self._lock:
            if self._loop is loop and self.path is not None:
                return self.path
            self._let_go()
            folder = expanded(self._folder)
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise RealtimeError(f"Nothing can be recorded in {folder}: {error.strerror}.") from error
            path = free_path(folder, self._ending)
            self._told = False
            self._port, self._loop = loop.ports.add(RecordingOutput(path=str(path)), extra=True), loop
            return path

    def stop(self) -> Path | None:
        """End the recording; its file, None where there was none.  Raises RealtimeError when its end could not be written."""
        with self._lock:
            path, port, self._wanted = self.path, self._port, False
            self._let_go()
            if port is not None and port.problem:
                raise RealtimeError(port.problem)
            return path

    def over(self) -> None:
        """The loop has ended, and the recording with it."""
        with self._lock:
            self._wanted = self._port is not None and not self._port.problem
            self._loop = self._port = None

    def rest(self) -> None:
        """Go on with nothing: no loop is to come."""
        self._wanted = False

    def resume(self, loop: Loop) -> str:
        """There is another loop: go on in another file, if the end of the last one cut a recording off; the problem, or ""."""
        wanted, self._wanted = self._wanted, False
        try:
            if wanted:
                self.start(loop)
        except RealtimeError as error:
            return str(error)
        return ""

    def _let_go(self) -> None:
        if self._port is not None and self._loop is not None:
            self._loop.ports.shut(self._port)
        self._loop = self._port = None


__all__ = ["Recorder"]
