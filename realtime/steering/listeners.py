"""Listeners: functions that are told by a word what has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Listeners:
    """Tells any number of functions; they come and go from any thread, and are called in that of whoever tells."""

    def __init__(self) -> None:
        self._all: tuple[Callable[[str], None], ...] = ()
        self._lock = threading.Lock()

    def add(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Tell a function too, until the one that this gives is called."""
        with self._lock:
            self._all += (listener,)

        def remove() -> None:
            with self._lock:
                self._all = tuple(other for other in self._all if other is not listener)

        return remove

    def tell(self, event: str) -> None:
        """Tell everybody."""
        for listener in self._all:
            listener(event)


__all__ = ["Listeners"]
