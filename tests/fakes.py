"""Sources, stages and sinks whose every move is known."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np

from realtime.frame import Frame


class Counter:
    """A source of numbered grey frames; live ones come at `rate`, a file's as fast as they are taken."""

    def __init__(self, frames: int | None, live: bool = False, rate: float = 100.0, size: tuple[int, int] = (32, 24)) -> None:
        self.live, self.rate, self.frames, self.size = live, rate, frames, size
        self.closed = threading.Event()
        self.closes = 0

    def __iter__(self) -> Iterator[Frame]:
        begin, index = time.perf_counter(), 0
        width, height = self.size
        while not self.closed.is_set() and (self.frames is None or index < self.frames):
            if self.live:
                time.sleep(max(begin + index / self.rate - time.perf_counter(), 0.0))
            stamp = time.perf_counter() if self.live else index / self.rate
            yield Frame(np.full((height, width, 3), index % 256, np.uint8), index, stamp)
            index += 1

    def close(self) -> None:
        self.closes += 1
        self.closed.set()


class Silent:
    """A live source that gives one frame and then nothing until it is closed, like an unplugged camera."""

    live, rate = True, 30.0

    def __init__(self) -> None:
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        yield Frame(np.zeros((24, 32, 3), np.uint8), 0, time.perf_counter())
        self.closed.wait()

    def close(self) -> None:
        self.closed.set()


class Collector:
    """A sink that keeps the indices it was sent, `seconds` for each."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.indices: list[int] = []
        self.threads: set[str] = set()
        self.closes = 0

    def send(self, frame: Frame) -> None:
        time.sleep(self.seconds)
        self.indices.append(frame.index)
        self.threads.add(threading.current_thread().name)

    def close(self) -> None:
        self.closes += 1


class MainCollector(Collector):
    """The same, wanting the main thread as a window does."""

    main = True

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__(seconds)
        self.polls = 0

    def poll(self) -> None:
        self.polls += 1


class RepeatingCollector(Collector):
    """The same, wanting its last frame again after 20 ms."""

    repeat = 0.02


class Delay:
    """A stage that takes `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, frame: Frame) -> Frame:
        time.sleep(self.seconds)
        return frame


class Failing:
    """A stage that fails on one frame."""

    def __init__(self, index: int, error: Exception) -> None:
        self.index, self.error = index, error

    def __call__(self, frame: Frame) -> Frame:
        if frame.index == self.index:
            raise self.error
        return frame
