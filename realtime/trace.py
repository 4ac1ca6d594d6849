"""Trace: what each frame did in which thread, as a file that Perfetto and chrome://tracing open."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

from realtime.frame import RealtimeError


class Trace:
    """Writes spans and instants as they happen, so that an endless run needs no memory for them.

    The file is a JSON array in the Trace Event Format (Google, "Trace Event Format", JSON Array Format); it is
    complete after `close`, and viewers also open one that was cut off.  Times are seconds of time.perf_counter().
    """

    def __init__(self, path: str | Path) -> None:
        """Raises RealtimeError where the file cannot be written."""
        try:
            self._file = Path(path).open("w", encoding="utf-8")  # noqa: SIM115  (open as long as the loop runs)
        except OSError as error:
            raise RealtimeError(f"The trace {path} cannot be written: {error.strerror}") from error
        self._lock = threading.Lock()
        self._threads: dict[str, int] = {}
        self._start = time.perf_counter()
        self._file.write('[\n{"name":"process_name","ph":"M","pid":1,"tid":0,"args":{"name":"swapcam"}}')

    def span(self, name: str, thread: str, begin: float, end: float, frame: int) -> None:
        """One step on one frame."""
        length = f'"dur":{(end - begin) * 1e6:.1f}'
        self._write(f'{{"name":{json.dumps(name)},"ph":"X","ts":{self._stamp(begin)},{length}', thread, frame)

    def instant(self, name: str, thread: str, at: float, frame: int) -> None:
        """Something without a length: a dropped or repeated frame."""
        self._write(f'{{"name":{json.dumps(name)},"ph":"i","s":"t","ts":{self._stamp(at)}', thread, frame)

    def close(self) -> None:
        """Finish the file; may be called again."""
        with self._lock:
            if not self._file.closed:
                self._file.write("\n]\n")
                self._file.close()

    def _stamp(self, at: float) -> str:
        return f"{max(at - self._start, 0.0) * 1e6:.1f}"

    def _write(self, head: str, thread: str, frame: int) -> None:
        with self._lock:
            if self._file.closed:
                return
            number = self._threads.get(thread)
            if number is None:
                number = self._threads[thread] = len(self._threads) + 1
                name = json.dumps({"name": thread})
                self._file.write(f',\n{{"name":"thread_name","ph":"M","pid":1,"tid":{number},"args":{name}}}')
            self._file.write(f',\n{head},"pid":1,"tid":{number},"args":{{"frame":{frame}}}}}')


__all__ = ["Trace"]
