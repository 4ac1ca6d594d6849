"""Being asked to stop, and stopping at a moment of one's own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM came meanwhile, instead of what they do; a second one does it.  Deaf outside the main thread."""
    came = threading.Event()
    before: dict[int, Any] = {}

    def hear(number: int, frame: object) -> None:
        came.set()
        signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread():
        before.update({number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)})
    try:
        yield came.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


__all__ = ["stopping"]
