"""A camera at an address: the newest picture, and patience when the network goes away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from realtime.fit import fit
from realtime.frame import Frame, RealtimeError
from realtime.slot import Closed, Slot
from realtime.sources.decode import Decoder

_PAUSES = (0.5, 1.0, 2.0, 4.0)


class Network:
    """A live stream read in its own thread; a lost connection is told once and tried again for as long as it takes.

    decoder: the opened stream, taken over.  While nothing comes no frame is yielded; a picture of another size after
    a reconnect is fitted into the first one's.
    """

    live = True

    def __init__(self, decoder: Decoder, say: Callable[[str], None]) -> None:
        self.rate, self.size, self._place, self._say = decoder.rate, decoder.size, decoder.name, say
        self._slot: Slot[Frame] = Slot()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(decoder,), name="network camera", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            try:
                yield self._slot.take()
            except Closed:
                return

    def close(self) -> None:
        """End; a read that hangs is left to run into its own time limit in the background."""
        self._stop.set()
        self._slot.close()
        self._thread.join(0.9)

    def _work(self, first: Decoder) -> None:
        decoder: Decoder | None = first
        index = 0
        try:
            while decoder is not None:
                try:
                    index = self._pass_on(decoder, index)
                finally:
                    decoder.close()
                decoder = self._again()
        except Closed:
            return
        finally:
            self._slot.close()

    def _pass_on(self, decoder: Decoder, index: int) -> int:
        """Hand out frames until the stream ends; returns the next index."""
        while not self._stop.is_set():
            entry = decoder.read()
            now = time.perf_counter()
            if entry is None:
                break
            self._slot.put(Frame(fit(decoder.picture(entry[0]), self.size), index, now))
            index += 1
        return index

    def _again(self) -> Decoder | None:
        """A new connection, or None once closed."""
        attempt = 0
        if not self._stop.is_set():
            self._say(f"{self._place} stopped sending; trying again.")
        while not self._stop.wait(_PAUSES[min(attempt, len(_PAUSES) - 1)]):
            attempt += 1
            try:
                decoder = Decoder(self._place)
            except RealtimeError:
                continue
            self._say(f"{self._place} is back.")
            return decoder
        return None
