"""The last seconds of sound, each sample in its place on the clock that frames are stamped with."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

RATE = 48000
CHANNELS = 2


class Ring:
    """Sound by its time: samples (n, 2) float32, -1..1, 48000 a second of time.perf_counter().

    One thread writes, any number read.  What was never written, or longer ago than `seconds`, is silence.
    """

    def __init__(self, seconds: float = 12.0) -> None:
        self._data = np.zeros((round(seconds * RATE), CHANNELS), np.float32)
        self._lock = threading.Lock()
        self._begin = self._end = 0

    @property
    def end(self) -> int:
        """The place behind the newest sample, 0 before the first."""
        return self._end

    def write(self, place: int, samples: Samples) -> None:
        """Put samples at a place: right behind the newest, later (silence lies between), or earlier, over what is there."""
        place += max(len(samples) - len(self._data), 0)
        samples = samples[-len(self._data) :]
        with self._lock:
            if place < self._begin or place - self._end >= len(self._data) or self._end == self._begin:
                self._begin = self._end = place
            if place > self._end:
                self._put(self._end, np.zeros((place - self._end, CHANNELS), np.float32))
            self._put(place, samples)
            self._end = place + len(samples)
            self._begin = max(self._begin, self._end - len(self._data))

    def read(self, place: int, count: int) -> Samples:
        """`count` samples from a place on; silence where there are none."""
        result = np.zeros((count, CHANNELS), np.float32)
        with self._lock:
            first, last = max(place, self._begin), min(place + count, self._end)
            if last > first:
                result[first - place : last - place] = self._data[np.arange(first, last) % len(self._data)]
        return result

    def _put(self, place: int, samples: Samples) -> None:
        self._data[np.arange(place, place + len(samples)) % len(self._data)] = samples


__all__ = ["CHANNELS", "RATE", "Ring", "Samples"]
