"""Pipeline: the threads of the loop, their figures, their errors and their end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from realtime.frame import Frame, RealtimeError, Sink, Source, Stage
from realtime.meter import Statistics, Work
from realtime.slot import Closed, Slot
from realtime.steps import Exit, Outlet, Parcel, Reader, StageError, Worker, free, name_of, tally, unique
from realtime.trace import Trace

Actor = Reader | Worker | Exit
logger = logging.getLogger(__name__)

_PATIENCE = 3.0
"""Seconds that stop() gives the threads to end."""
_NAP = 0.03
"""Seconds between two looks of the main thread at its windows, its signals and the end."""


class Pipeline:
    """A source, stages grouped into threads, and sinks, joined by slots.

    stages: one inner sequence per thread.  sinks: each gets a thread and a slot, so that a slow one holds nobody up;
    those with `main = True` are driven by the thread that calls run().  names: of the sinks, for figures and errors.
    Sinks may come and go while it runs, by add() and remove(); the first one stands for the loop in its figures.
    A live source's frames may be replaced by newer ones; a file's all arrive, in order.  stuck: threads that stop() could not end.
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
        self._whole = keep = not source.live
        groups = [group for group in stages if group]
        self._source, self._trace = source, trace
        self._exits = tuple(
            Exit(name, sink, keep, trace) for name, sink in zip(unique(names or [name_of(sink) for sink in sinks]), sinks, strict=True)
        )
        self._inner = [Outlet(name, Slot[Parcel](keep), trace) for name in unique("+".join(map(name_of, group)) for group in groups)]
        after = [[outlet] for outlet in self._inner] + [[Outlet(exit.name, exit.slot, trace) for exit in self._exits]]
        self._reader = Reader(name_of(source), source, after[0], trace)
        joined = zip(groups, self._inner, after[1:], strict=True)
        self._workers = [Worker(inlet.name, group, inlet.slot, outlets, trace) for group, inlet, outlets in joined]
        self._last: Reader | Worker = self._workers[-1] if self._workers else self._reader
        self._threads = [self._thread(self._reader, None)]
        self._threads += [self._thread(worker, inlet.slot) for worker, inlet in zip(self._workers, self._inner, strict=True)]
        for exit in self._exits:
            if not exit.main:
                exit.thread = self._thread(exit, exit.slot)
                self._threads.append(exit.thread)
        self._cpu, self._left = {thread.name: 0.0 for thread in self._threads}, len(self._threads)
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._error: Exception | None = None
        self.stuck: tuple[str, ...] = ()
        self._quit = self._stopped = self._over = False
        self._begin = self._end = 0.0

    @property
    def latest(self) -> Frame | None:
        """The newest finished frame, before any overlay; None before the first."""
        return self._exits[0].latest

    def start(self) -> None:
        """Start the threads; they run until the source ends, something fails, or stop()."""
        with self._lock:
            self._begin = time.perf_counter()
            for thread in self._threads:
                thread.start()

    def add(self, name: str, sink: Sink, failed: Callable[[Exception], None]) -> str:
        """Hand the frames finished from now on to one more sink as well; the name that it got, which is nobody else's.

        When the sink raises it is taken out, and `failed` is told in the sink's own thread; the loop goes on with the others.
        """
        if getattr(sink, "main", False):
            raise ValueError(f"got the sink {name}, which wants the main thread, expected one that does not")
        with self._lock:
            exit = Exit(free(name, (exit.name for exit in self._exits)), sink, self._whole, self._trace, failed)
            thread = exit.thread = self._thread(exit, exit.slot)
            self._threads.append(thread)
            self._left += 1
            self._exits += (exit,)
            self._last.outlets += (Outlet(exit.name, exit.slot, self._trace),)
            if self._over or self._stopped:
                exit.slot.close()
            if self._begin:
                thread.start()
        return exit.name

    def remove(self, name: str) -> bool:
        """Hand a sink nothing more but the frame that already waits for it; whether its thread has ended, within a bounded time.

        Raises KeyError for an unknown name, ValueError for the last sink and for one in the main thread.
        """
        with self._lock:
            exit = next((exit for exit in self._exits if exit.name == name), None)
            if exit is None:
                raise KeyError(f"got {name}, expected one of {', '.join(exit.name for exit in self._exits)}")
            if exit.thread is None or len(self._exits) == 1:
                raise ValueError(f"got {name}, expected a sink with a thread of its own and another one beside it")
            self._take_out(exit)
            thread = exit.thread
            self._threads.remove(thread)
            if thread.ident is None:
                self._left -= 1
                return True
        if thread is not threading.current_thread():
            thread.join(_PATIENCE)
        if thread.is_alive():
            logger.error("The thread of %s will not end.", name)
        return not thread.is_alive()

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
        with self._lock:
            started = [thread for thread in self._threads if thread.ident is not None]
            for outlet in (*self._inner, *self._last.outlets):
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
        self.stuck = tuple(thread.name for thread in started if thread.is_alive())
        if self.stuck:
            logger.error("These threads will not end: %s", ", ".join(self.stuck))
        return self.stuck

    def work(self) -> tuple[Work, ...]:
        """What each thread of stages has done so far; cheaper than statistics(), for looking many times a second."""
        return tuple(worker.work for worker in self._workers)

    def statistics(self) -> Statistics:
        """The figures now; cheap, and safe to call from any thread."""
        now = self._end or time.perf_counter()
        seconds = now - self._begin if self._begin else 0.0
        return tally(self._reader, self._workers, self._exits, (*self._inner, *self._last.outlets), now, seconds, dict(self._cpu))

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

    def _thread(self, actor: Actor, inlet: Slot[Parcel] | None) -> threading.Thread:
        return threading.Thread(target=self._loop, args=(actor, inlet), name=actor.name, daemon=True)

    def _loop(self, actor: Actor, inlet: Slot[Parcel] | None) -> None:
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
            with self._lock:
                self._over |= actor is self._last
                for slot in (inlet, *(outlet.slot for outlet in actor.outlets)):
                    if slot is not None:
                        slot.close()
                self._left -= 1
                if not self._left or self._error:
                    self._ended.set()

    def _keep(self, actor: Actor, error: Exception) -> None:
        """Keep the first error, which ends the loop; that of a sink added later goes to who added it, and ends a loop without others."""
        error = error if isinstance(error, RealtimeError) else StageError(*actor.at, error)
        added = actor if isinstance(actor, Exit) and actor.failed else None
        with self._lock:
            if added and self._exits != (added,):
                self._take_out(added)
            else:
                self._error = self._error or error
        if added and added.failed:
            added.failed(error)

    def _take_out(self, exit: Exit) -> None:
        """Let nothing more be put for a sink; with the lock."""
        for outlet in self._last.outlets:
            if outlet.slot is exit.slot:
                outlet.gone = True
        self._exits = tuple(other for other in self._exits if other is not exit)
        self._last.outlets = tuple(outlet for outlet in self._last.outlets if outlet.slot is not exit.slot)
        exit.slot.close()

    def _raise(self) -> None:
        if self._error:
            raise self._error


def attempt(work: Callable[[], object]) -> Exception | None:
    """Do something that others go on without; what it raised."""
    try:
        work()
    except Exception as error:
        return error
    return None


__all__ = ["Pipeline", "StageError", "attempt"]
