"""A stream of sound that is opened again when its device has been unplugged and is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from realtime.frame import RealtimeError

_SILENT = 2.0
# A sound server that is busy takes its time to begin.
_FIRST = 4.0
_PAUSES = (1.0, 2.0, 4.0, 8.0)
# Opening a device may take longer than anybody waits for its end.
_FAREWELL = 3.0


class Lasting:
    """Keeps a stream running: one that has not said for two seconds that it does is closed, and opened again and again.

    make: opens and starts one, whose callback calls what `make` is given.  gone, back: what is said when it has stopped and
    when it runs again, once each time.  say: takes one sentence, in a thread of its own.  Raises at construction what `make`
    raises; later it goes on after a RealtimeError.
    """

    def __init__(self, make: Callable[[Callable[[], None]], Any], gone: str, back: str, say: Callable[[str], None]) -> None:
        self._make, self._gone, self._back, self._say = make, gone, back, say
        self._stop = threading.Event()
        self._beaten = time.perf_counter()
        self._stream: Any = make(self._beat)
        # Opening may have taken longer than silence may last.
        self._beat()
        self._thread = threading.Thread(target=self._watch, name="sound device", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let it go."""
        self._stop.set()
        self._thread.join(_FAREWELL)
        if not self._thread.is_alive():
            self._let_go()

    def _beat(self) -> None:
        self._beaten = time.perf_counter()

    def _let_go(self) -> None:
        # A stream that is closed twice makes PortAudio look at memory that it has given back.
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            if time.perf_counter() < self._beaten + _SILENT:
                continue
            self._say(self._gone)
            self._let_go()
            attempt = 0
            while not self._stop.wait(_PAUSES[min(attempt, len(_PAUSES) - 1)]):
                attempt += 1
                if self._again():
                    self._say(self._back)
                    break

    def _again(self) -> bool:
        """Whether it runs: some devices can be opened that are not there, and never ask for anything."""
        before = self._beaten
        try:
            self._stream = self._make(self._beat)
        except RealtimeError:
            return False
        end = time.perf_counter() + _FIRST
        while self._beaten == before and time.perf_counter() < end and not self._stop.wait(0.02):
            pass
        if self._beaten == before or self._stop.is_set():
            # Whoever closed this may have gone meanwhile.
            self._let_go()
            return False
        return True


__all__ = ["Lasting"]
