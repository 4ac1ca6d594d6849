"""What one thread of the loop does in one turn: read, work or deliver; each times what it calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from realtime.frame import Frame, Sink, Source, Stage
from realtime.meter import Meter, Pace, Work
from realtime.slot import Closed, Slot
from realtime.trace import Trace

R = TypeVar("R")
At = tuple[str, int | None]


@dataclass(frozen=True, slots=True)
class Parcel:
    """A frame on its way, and the moment from which its latency counts."""

    frame: Frame
    born: float


class Step:
    """Something that is called for each frame, timed and traced."""

    def __init__(self, name: str, thread: str, trace: Trace | None = None) -> None:
        self.name, self.thread, self.meter = name, thread, Meter()
        self._trace = trace

    def run(self, work: Callable[[Frame], R], frame: Frame) -> R:
        """The result of `work` on the frame."""
        begin = time.perf_counter()
        result = work(frame)
        end = time.perf_counter()
        self.meter.add(end - begin)
        if self._trace:
            self._trace.span(self.name, self.thread, begin, end, frame.index)
        return result


class Outlet:
    """The side of a slot that a thread puts into; a frame that gave way to a newer one is told to the trace."""

    def __init__(self, name: str, slot: Slot[Parcel], trace: Trace | None = None) -> None:
        self.name, self.slot = name, slot
        self._trace, self._seen, self._last = trace, 0, 0

    def put(self, parcel: Parcel) -> None:
        """Leave a parcel; raises Closed."""
        self.slot.put(parcel)
        if self.slot.replaced != self._seen:
            self._seen = self.slot.replaced
            if self._trace:
                self._trace.instant("drop", self.name, time.perf_counter(), self._last)
        self._last = parcel.frame.index


class Reader:
    """Takes frames from the source; indices that a live source skipped count as missed.

    `at` names, here and in the other two, what is being called and the frame, for the message when it fails.
    """

    def __init__(self, name: str, source: Source, outlets: Sequence[Outlet], trace: Trace | None = None) -> None:
        self.name, self.missed = name, 0
        self.at: At = name, None
        self.step = Step(name, name, trace)
        self._source, self._outlets, self._trace = source, outlets, trace
        self._frames: Iterator[Frame] | None = None
        self._last: int | None = None

    def turn(self) -> None:
        """Pass one frame on; raises Closed at the end of the stream."""
        if self._frames is None:
            self._frames = iter(self._source)
        begin = time.perf_counter()
        frame = next(self._frames, None)
        now = time.perf_counter()
        if frame is None:
            raise Closed
        if self._source.live:
            self._count(frame, now)
        else:
            self.step.meter.add(now - begin)
            if self._trace:
                self._trace.span(self.name, self.name, begin, now, frame.index)
        self._last, self.at = frame.index, (self.name, frame.index + 1)
        parcel = Parcel(frame, frame.time if self._source.live else now)
        for outlet in self._outlets:
            outlet.put(parcel)

    def _count(self, frame: Frame, now: float) -> None:
        if self._last is not None and frame.index > self._last + 1:
            self.missed += frame.index - self._last - 1
        if self._trace:
            self._trace.span(self.name, self.name, frame.time, now, frame.index)


class Worker:
    """Takes a frame from a slot through a sequence of stages."""

    def __init__(self, name: str, stages: Sequence[Stage], inlet: Slot[Parcel], outlets: Sequence[Outlet], trace: Trace | None) -> None:
        self.name = name
        self.at: At = name, None
        self.steps = [Step(step, name, trace) for step in unique(name_of(stage) for stage in stages)]
        self._stages, self._inlet, self._outlets = tuple(stages), inlet, outlets
        self._done = 0, 0.0

    @property
    def work(self) -> Work:
        """What was done so far; any thread may read it."""
        return Work(*self._done, self._inlet.replaced)

    def turn(self) -> None:
        """Work on one frame; raises Closed when there is nothing more."""
        parcel = self._inlet.take()
        frame = parcel.frame
        begin = time.perf_counter()
        for step, stage in zip(self.steps, self._stages, strict=True):
            self.at = step.name, frame.index
            frame = step.run(stage, frame)
        self._done = self._done[0] + 1, self._done[1] + time.perf_counter() - begin
        parcel = Parcel(frame, parcel.born)
        for outlet in self._outlets:
            outlet.put(parcel)


class Exit:
    """Hands frames to a sink, from a thread of its own or from the main thread."""

    def __init__(self, name: str, sink: Sink, keep: bool, trace: Trace | None = None) -> None:
        self.name, self.sink, self.slot = name, sink, Slot[Parcel](keep)
        self.at: At = name, None
        self.main = bool(getattr(sink, "main", False))
        self.step, self.latency, self.pace, self.repeated = Step(name, name, trace), Meter(), Pace(), 0
        self.latest: Frame | None = None
        self._sent, self._trace = 0.0, trace

    def turn(self, timeout: float | None = None) -> None:
        """Hand over the next frame, or the last one again after the sink's `repeat` seconds of silence; raises Closed."""
        repeat: float | None = getattr(self.sink, "repeat", None) if self.latest else None
        waits = [] if timeout is None else [timeout]
        if repeat is not None:
            waits.append(max(self._sent + repeat - time.perf_counter(), 0.0))
        try:
            parcel = self.slot.take(min(waits) if waits else None)
        except TimeoutError:
            if repeat is not None and self.latest and time.perf_counter() >= self._sent + repeat:
                self._again(self.latest)
            return
        self.at = self.name, parcel.frame.index
        handed = time.perf_counter()
        self.step.run(self.sink.send, parcel.frame)
        self._sent = time.perf_counter()
        self.latency.add(handed - parcel.born)
        self.pace.add(handed)
        self.latest = parcel.frame

    def poll(self) -> None:
        """Let a window look at its keys and mouse."""
        poll: Callable[[], None] | None = getattr(self.sink, "poll", None)
        if poll:
            poll()

    def _again(self, frame: Frame) -> None:
        self.step.run(self.sink.send, frame)
        self._sent = time.perf_counter()
        self.repeated += 1
        if self._trace:
            self._trace.instant("repeat", self.name, self._sent, frame.index)


def name_of(part: object) -> str:
    """What a source, stage or sink is called in figures and errors: its class or function in lower case."""
    return str(getattr(part, "__name__", type(part).__name__)).lower().strip("_<>")


def unique(names: Iterable[str]) -> list[str]:
    """The same names, with a number where one comes again."""
    result: list[str] = []
    for name in names:
        number = sum(other == name or other.startswith(f"{name}-") for other in result)
        result.append(f"{name}-{number + 1}" if number else name)
    return result


__all__ = ["Exit", "Outlet", "Parcel", "Reader", "Step", "Worker", "name_of", "unique"]
