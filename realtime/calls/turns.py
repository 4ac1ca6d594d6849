"""Turns: one thread that serves several guests, whoever waits longest first, each with the newest of what they brought."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from realtime.meter import Work
from realtime.slot import Closed

T = TypeVar("T")
R = TypeVar("R")


class Seat(Generic[T]):
    """One guest's place: a value at a time, the newest wins, and nobody is served twice while another waits.

    work: called in the thread of the turns.  failed: told what it raised; the seat is closed by then.
    """

    def __init__(self, thread: ThreadPoolExecutor, work: Callable[[T], None], failed: Callable[[BaseException], None]) -> None:
        self._thread, self._work_on, self._failed = thread, work, failed
        self._lock = threading.Lock()
        self._value: list[T] = []
        self._waiting = self._closed = False
        self._served, self._replaced, self._seconds = 0, 0, 0.0

    @property
    def work(self) -> Work:
        """What was done so far; any thread may read it."""
        return Work(self._served, self._seconds, self._replaced)

    def put(self, value: T) -> None:
        """Leave a value for the next turn; one that still waits gives way to it.  Raises Closed."""
        with self._lock:
            if self._closed:
                raise Closed
            self._replaced += len(self._value)
            self._value = [value]
            if self._waiting:
                return
            self._waiting = True
        self._queue()

    def close(self) -> None:
        """No more turns; what is being worked on is finished.  From any thread, any number of times."""
        with self._lock:
            self._closed, self._value = True, []

    def _queue(self) -> None:
        try:
            self._thread.submit(self._turn).add_done_callback(self._turned)
        except RuntimeError:  # the executor's word for one that was shut down
            self.close()

    def _turn(self) -> None:
        with self._lock:
            taken, self._value = self._value, []
        for value in taken:
            begin = time.perf_counter()
            self._work_on(value)
            self._served, self._seconds = self._served + 1, self._seconds + time.perf_counter() - begin

    def _turned(self, done: Future[None]) -> None:
        if done.cancelled():
            # The turns are being closed, by a thread that holds the executor's lock.
            self.close()
            return
        error = done.exception()
        if error is not None:
            self.close()
            self._failed(error)
        with self._lock:
            # Back to the end of the queue: who is fast gets no more turns than who is slow.
            self._waiting = bool(self._value) and not self._closed
            again = self._waiting
        if again:
            self._queue()


class Turns:
    """The thread and its queue; what stages and engines need to be called from one thread alone goes through it."""

    def __init__(self, name: str = "visitors") -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    def seat(self, work: Callable[[T], None], failed: Callable[[BaseException], None]) -> Seat[T]:
        """A place for one more guest."""
        return Seat(self._thread, work, failed)

    def call(self, work: Callable[[], R]) -> Future[R]:
        """Have something done between two turns."""
        return self._thread.submit(work)

    def close(self) -> None:
        """Finish what is being done and end the thread; may be called again."""
        self._thread.shutdown(wait=True, cancel_futures=True)


__all__ = ["Seat", "Turns"]
