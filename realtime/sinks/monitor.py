"""Monitor: the newest finished frames for any number of watchers, with the untouched pictures beside them."""

from __future__ import annotations

import threading

from realtime.frame import Frame, Image, Stage
from realtime.slot import Closed, Slot


class View:
    """One finished frame as a watcher sees it.

    frame: finished, with its faces, nothing painted over it.  raw: the untouched picture, (h, w, 3) uint8 BGR.
    shown: the picture that leaves the machine, with label and overlays.
    """

    __slots__ = ("_lock", "_paint", "_shown", "frame", "raw")

    def __init__(self, frame: Frame, paint: Stage | None) -> None:
        self.frame, self.raw = frame, frame.image if frame.raw is None else frame.raw
        self._paint, self._shown = paint, None if paint else frame.image
        self._lock = threading.Lock()

    @property
    def shown(self) -> Image:
        """Painted when it is first asked for, in the thread that asks."""
        with self._lock:
            if self._shown is None:
                assert self._paint is not None
                self._shown = self._paint(self.frame).image
            return self._shown


class Watcher:
    """Gets the newest view of a Monitor; for one thread.  Ends with close(), or with the Monitor."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor, self._slot = monitor, Slot[View]()

    def take(self, timeout: float | None = None) -> View:
        """The newest view that this watcher has not had, waiting for one; raises Closed, or TimeoutError after `timeout` seconds."""
        return self._slot.take(timeout)

    def put(self, view: View) -> None:
        """Leave a view; one that nobody took gives way."""
        try:
            self._slot.put(view)
        except Closed:
            self._monitor.forget(self)

    def close(self) -> None:
        """Watch no longer; may be called again, from any thread."""
        self._slot.close()
        self._monitor.forget(self)


class Monitor:
    """A sink that remembers the newest finished frame.

    It outlives the loops it is put into, and so do its watchers.
    paint: what puts label and overlays on; set by the loop.  Safe from any thread; without a watcher it costs next to nothing.
    """

    def __init__(self) -> None:
        self.paint: Stage | None = None
        self._latest: View | None = None
        self._watchers: tuple[Watcher, ...] = ()
        self._lock = threading.Lock()
        self._closed = False

    @property
    def latest(self) -> View | None:
        """The newest view; None before the first frame of all, and after clear()."""
        return self._latest

    def send(self, frame: Frame) -> None:
        """Remember the frame and tell every watcher."""
        view = View(frame, self.paint)
        with self._lock:
            self._latest, watchers = view, self._watchers
        for watcher in watchers:
            watcher.put(view)

    def watch(self) -> Watcher:
        """A new watcher; the newest view there is comes first."""
        watcher = Watcher(self)
        # Together, or what is sent between would be missed: the last picture of a clip stays for long.
        with self._lock:
            if self._latest is not None:
                watcher.put(self._latest)
            self._watchers += (watcher,)
            closed = self._closed
        if closed:
            watcher.close()
        return watcher

    def forget(self, watcher: Watcher) -> None:
        """Leave a watcher out from now on."""
        with self._lock:
            self._watchers = tuple(other for other in self._watchers if other is not watcher)

    def clear(self) -> None:
        """Forget the picture; watchers stay."""
        self._latest = None

    def close(self) -> None:
        """End every watcher; may be called again."""
        with self._lock:
            self._closed = True
            watchers = self._watchers
        for watcher in watchers:
            watcher.close()


__all__ = ["Monitor", "View", "Watcher"]
