"""Slot: the whole vocabulary of concurrency in the loop."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):  # noqa: N818 (an end, not an error)
    """The slot was closed; there is nothing more to take, or nobody left to put for."""


class Slot(Generic[T]):
    """Holds one value between two threads.

    With keep=False the newest value wins: `put` never waits and replaces a value that nobody took.
    With keep=True `put` waits until the last value was taken, so that nothing is lost (files).
    Closing wakes everybody; a value already there can still be taken after `close`.
    """

    def __init__(self, keep: bool = False) -> None:
        self._keep = keep
        self._condition = threading.Condition()
        self._value: T | None = None
        self._full = False
        self._closed = False
        self.replaced = 0
        """How many values were replaced before anybody took them."""

    def put(self, value: T) -> None:
        """Leave a value; raises Closed."""
        with self._condition:
            while self._keep and self._full and not self._closed:
                self._condition.wait()
            if self._closed:
                raise Closed
            if self._full:
                self.replaced += 1
            self._value, self._full = value, True
            self._condition.notify_all()

    def take(self, timeout: float | None = None) -> T:
        """The value, waiting for one; raises Closed, or TimeoutError after `timeout` seconds."""
        with self._condition:
            if not self._condition.wait_for(lambda: self._full or self._closed, timeout):
                raise TimeoutError
            if not self._full:
                raise Closed
            value = self._value
            self._value, self._full = None, False
            self._condition.notify_all()
            return value  # type: ignore[return-value]

    def close(self) -> None:
        """End the traffic; may be called from any thread, any number of times."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
