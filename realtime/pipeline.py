"""Pipeline: the threads of the loop, their figures, their errors and their end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from realtime.frame import Frame, RealtimeError, Sink, Source, Stage
from realtime.meter import StageTimes, Statistics, Work
from realtime.slot import Closed, Slot
from realtime.steps import Exit, Outlet, Parcel, Reader, Worker, name_of, unique
from realtime.trace import Trace

Actor = Reader | Worker | Exit
logger = logging.getLogger(__name__)

_PATIENCE = 3.0
"""Seconds that stop() gives the threads to end."""
_NAP = 0.03
"""Seconds between two looks of the main thread at its windows, its signals and the end."""


class StageError(RuntimeError):
    """An error inside the loop, with the name of the stage and the index of the frame that it happened on."""

    def __init__(self, stage: str, frame: int | None, error: Exception) -> None:
        where = stage if frame is None else f"{stage}, frame {frame}"
        super().__init__(f"{where}: {type(error).__name__}: {error}")
        self.stage = stage
        self.__cause__ = error


class Pipeline:
    """A source, stages grouped into threads, and sinks, joined by slots.

    stages: one inner sequence per thread.  sinks: each gets a thread and a slot, so that a slow one holds nobody up;
    those with `main = True` are driven by the thread that calls run().  names: of the sinks, for figures and errors.
    A live source's frames may be replaced by newer ones; a file's all arrive, in order.
    The pipeline closes none of its parts, except a source that says nothing when the loop is to end.
    """

    def __init__(
        self,
        source: Source,
        stages: Sequence[Sequence[Stage]],
        sinks: Sequence[Sink],
        names: Sequence[str] = (),
        trace: Trace | None = None,
    ) -> None:
        if not sinks:
            raise ValueError("got no sinks, expected at least one")
        keep = not source.live
        groups = [group for group in stages if group]
        self._source = source
        self._exits = [
            Exit(name, sink, keep, trace) for name, sink in zip(unique(names or [name_of(sink) for sink in sinks]), sinks, strict=True)
        ]
        inner = [Outlet(name, Slot[Parcel](keep), trace) for name in unique("+".join(map(name_of, group)) for group in groups)]
        outer = [Outlet(exit.name, exit.slot, trace) for exit in self._exits]
        self._outlets = [*inner, *outer]
        after = [[outlet] for outlet in inner] + [outer]
        self._reader = Reader(name_of(source), source, after[0], trace)
        self._workers = [
            Worker(inlet.name, group, inlet.slot, outlets, trace) for group, inlet, outlets in zip(groups, inner, after[1:], strict=True)
        ]
        self._threads = [self._thread(self._reader, after[0])]
        for worker, inlet, outlets in zip(self._workers, inner, after[1:], strict=True):
            self._threads.append(self._thread(worker, [inlet, *outlets]))
        self._threads += [
            self._thread(exit, [outlet]) for exit, outlet in zip(self._exits, outer, strict=True) if not exit.main
        ]
        self._cpu = {thread.name: 0.0 for thread in self._threads}
        self._left = len(self._threads)
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._error: Exception | None = None
        self._quit = self._stopped = False
        self._begin = self._end = 0.0

    @property
    def latest(self) -> Frame | None:
        """The newest finished frame, before any overlay; None before the first."""
        return self._exits[0].latest

    def start(self) -> None:
        """Start the threads; they run until the source ends, something fails, or stop()."""
        self._begin = time.perf_counter()
        for thread in self._threads:
            thread.start()

    def quit(self) -> None:
        """Ask run() to end soon; safe in a signal handler, in a stage and in any thread."""
        self._quit = True

    def run(self, between: Callable[[], None] | None = None) -> None:
        """Start, drive the sinks that want the main thread, end with the source, and raise what went wrong.

        `between` is called about thirty times a second in the calling thread.  Raises like wait().
        """
        self.start()
        windows = [exit for exit in self._exits if exit.main]
        try:
            while not self._quit and not self._error and (windows or not self._ended.is_set()):
                windows = [exit for exit in windows if self._drive(exit)]
                if not windows:
                    self._ended.wait(_NAP)
                if between:
                    between()
        finally:
            self.stop()
        self._raise()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the loop has ended by itself, and stop it.

        Raises the first error: a RealtimeError as it is, anything else as StageError with its cause; TimeoutError.
        """
        if not self._ended.wait(timeout):
            raise TimeoutError(f"the loop still runs after {timeout} s")
        self.stop()
        self._raise()

    def stop(self) -> tuple[str, ...]:
        """End the threads within a bounded time; names those that will not end, in the log too."""
        if self._stopped:
            return ()
        self._stopped = True
        started = [thread for thread in self._threads if thread.ident is not None]
        for outlet in self._outlets:
            outlet.slot.close()
        deadline = time.perf_counter() + _PATIENCE
        if started:
            started[0].join(0.3)
            if started[0].is_alive():
                # It waits for a camera or a network that says nothing.
                self._source.close()
        for thread in started:
            thread.join(max(deadline - time.perf_counter(), 0.0))
        self._end = time.perf_counter()
        stuck = tuple(thread.name for thread in started if thread.is_alive())
        if stuck:
            logger.error("These threads will not end: %s", ", ".join(stuck))
        return stuck

    def work(self) -> tuple[Work, ...]:
        """What each thread of stages has done so far; cheaper than statistics(), for looking many times a second."""
        return tuple(worker.work for worker in self._workers)

    def statistics(self) -> Statistics:
        """The figures now; cheap, and safe to call from any thread."""
        now = self._end or time.perf_counter()
        first = self._exits[0]
        steps = [] if self._source.live else [self._reader.step]
        steps += [step for worker in self._workers for step in worker.steps]
        steps += [exit.step for exit in self._exits]
        newest = first.latest
        return Statistics(
            seconds=now - self._begin if self._begin else 0.0,
            frames=first.latency.count,
            fps=first.pace.mean(),
            fps_now=first.pace.rate(now),
            latency=first.latency.spread(),
            latencies={exit.name: exit.latency.spread() for exit in self._exits},
            dropped={self._reader.name: self._reader.missed} | {outlet.name: outlet.slot.replaced for outlet in self._outlets},
            repeated={exit.name: exit.repeated for exit in self._exits},
            stages=tuple(StageTimes(step.name, step.thread, step.meter.spread(), step.meter.recent()) for step in steps),
            age=now - newest.time if self._source.live and newest else None,
            cpu=dict(self._cpu),
        )

    def _drive(self, exit: Exit) -> bool:
        """One turn of a sink in the main thread; False when it has had its last frame."""
        try:
            exit.turn(_NAP)
            exit.poll()
        except Closed:
            return False
        except Exception as error:
            self._keep(exit, error)
            return False
        return True

    def _thread(self, actor: Actor, outlets: Sequence[Outlet]) -> threading.Thread:
        return threading.Thread(target=self._loop, args=(actor, outlets), name=actor.name, daemon=True)

    def _loop(self, actor: Actor, outlets: Sequence[Outlet]) -> None:
        """Turn after turn, until a neighbour closes or something fails; then close the slots on both sides."""
        try:
            while True:
                actor.turn()
                self._cpu[actor.name] = time.thread_time()
        except Closed:
            pass
        except Exception as error:
            self._keep(actor, error)
        finally:
            for outlet in outlets:
                outlet.slot.close()
            with self._lock:
                self._left -= 1
                if not self._left or self._error:
                    self._ended.set()

    def _keep(self, actor: Actor, error: Exception) -> None:
        with self._lock:
            self._error = self._error or (error if isinstance(error, RealtimeError) else StageError(*actor.at, error))

    def _raise(self) -> None:
        if self._error:
            raise self._error


__all__ = ["Pipeline", "StageError"]
