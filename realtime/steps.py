"""What one thread of the loop does in one turn: read, work or deliver; each times what it calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Thread
from typing import TypeVar

from realtime.frame import Frame, Sink, Source, Stage
from realtime.meter import Meter, Pace, StageTimes, Statistics, Work
from realtime.slot import Closed, Slot
from realtime.trace import Trace

R = TypeVar("R")
At = tuple[str, int | None]


class StageError(RuntimeError):
    """An error inside the loop, with the name of the stage and the index of the frame that it happened on."""

    def __init__(self, stage: str, frame: int | None, error: Exception) -> None:
        where = stage if frame is None else f"{stage}, frame {frame}"
        super().__init__(f"{where}: {type(error).__name__}: {error}")
        self.stage = stage
        self.__cause__ = error


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
    """The side of a slot that a thread puts into; a frame that gave way to a newer one is told to the trace.

    gone: what is behind it was taken out while the loop goes on; nothing is put any more, and nobody is stopped by that.
    """

    def __init__(self, name: str, slot: Slot[Parcel], trace: Trace | None = None) -> None:
        self.name, self.slot, self.gone = name, slot, False
        self._trace, self._seen, self._last = trace, 0, 0

    def put(self, parcel: Parcel) -> None:
        """Leave a parcel; raises Closed."""
        try:
            self.slot.put(parcel)
        except Closed:
            if self.gone:
                return
            raise
        if self.slot.replaced != self._seen:
            self._seen = self.slot.replaced
            if self._trace:
                self._trace.instant("drop", self.name, time.perf_counter(), self._last)
        self._last = parcel.frame.index


class Reader:
    """Takes frames from the source; indices that a live source skipped count as missed.

    `at` names, here and in the other two, what is being called and the frame, for the message when it fails.
    `outlets`, here and in Worker, may be replaced at any time.
    """

    def __init__(self, name: str, source: Source, outlets: Sequence[Outlet], trace: Trace | None = None) -> None:
        self.name, self.missed = name, 0
        self.at: At = name, None
        self.step = Step(name, name, trace)
        self.outlets = tuple(outlets)
        self.source, self._trace = source, trace
        self._frames: Iterator[Frame] | None = None
        self._last: int | None = None

    def turn(self) -> None:
        """Pass one frame on; raises Closed at the end of the stream."""
        if self._frames is None:
            self._frames = iter(self.source)
        begin = time.perf_counter()
        frame = next(self._frames, None)
        now = time.perf_counter()
        if frame is None:
            raise Closed
        if self.source.live:
            self._count(frame, now)
        else:
            self.step.meter.add(now - begin)
            if self._trace:
                self._trace.span(self.name, self.name, begin, now, frame.index)
        self._last, self.at = frame.index, (self.name, frame.index + 1)
        parcel = Parcel(frame, frame.time if self.source.live else now)
        for outlet in self.outlets:
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
        self.outlets = tuple(outlets)
        self._stages, self._inlet = tuple(stages), inlet
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
        for outlet in self.outlets:
            outlet.put(parcel)


class Exit:
    """Hands frames to a sink, from a thread of its own or from the main thread.

    failed: who is told when the sink raises, so that the loop goes on without it; None: that ends the loop.
    """

    outlets: tuple[Outlet, ...] = ()
    thread: Thread | None = None

    def __init__(
        self, name: str, sink: Sink, keep: bool, trace: Trace | None = None, failed: Callable[[Exception], None] | None = None
    ) -> None:
        self.name, self.sink, self.slot, self.failed = name, sink, Slot[Parcel](keep), failed
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


def free(name: str, used: Iterable[str]) -> str:
    """The name, with a number where it is used already."""
    taken, result, number = set(used), name, 2
    while result in taken:
        result, number = f"{name}-{number}", number + 1
    return result


def tally(
    reader: Reader,
    workers: Sequence[Worker],
    exits: Sequence[Exit],
    outlets: Sequence[Outlet],
    now: float,
    seconds: float,
    cpu: Mapping[str, float],
) -> Statistics:
    """The figures of a loop after so many seconds; the first exit stands for the loop."""
    first, live = exits[0], reader.source.live
    steps = [] if live else [reader.step]
    steps += [step for worker in workers for step in worker.steps]
    steps += [exit.step for exit in exits]
    newest = first.latest
    return Statistics(
        seconds=seconds,
        frames=first.latency.count,
        fps=first.pace.mean(),
        fps_now=first.pace.rate(now),
        latency=first.latency.spread(),
        latencies={exit.name: exit.latency.spread() for exit in exits},
        dropped={reader.name: reader.missed} | {outlet.name: outlet.slot.replaced for outlet in outlets},
        repeated={exit.name: exit.repeated for exit in exits},
        stages=tuple(StageTimes(step.name, step.thread, step.meter.spread(), step.meter.recent()) for step in steps),
        age=now - newest.time if live and newest else None,
        cpu=cpu,
    )


__all__ = ["Exit", "Outlet", "Parcel", "Reader", "StageError", "Step", "Worker", "free", "name_of", "tally", "unique"]
