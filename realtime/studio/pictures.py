"""What watchers get to see: a view of the Monitor as one picture, as JPEG or as a packet of video, made beside the server's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeVar

import cv2
import numpy as np
from av.packet import Packet
from fastapi import HTTPException

from realtime.config import BlendSettings
from realtime.fit import fit, scaled
from realtime.frame import Image
from realtime.sinks.monitor import Monitor, View, Watcher
from realtime.sinks.packets import Encoder
from realtime.slot import Closed
from realtime.stages.overlay import Overlay

R = TypeVar("R")
Side = Literal["both", "after", "before", "face"]
_AGAIN = 1.0
_QUALITY = 80


class Pictures:
    """Makes pictures for at most `limit` watchers, each in a thread of its own while it waits or works.

    blend: the settings that the newest frames were blended with.
    """

    def __init__(self, monitor: Monitor, blend: Callable[[], BlendSettings], limit: int = 24) -> None:
        self._monitor, self._blend, self._limit = monitor, blend, limit
        self._threads = ThreadPoolExecutor(limit, "studio picture")
        self._open: set[Viewing] = set()
        self._closed = False

    def open(self, side: Side, height: int = 0) -> Viewing:
        """Watch from now on; raises HTTPException 503 where too many do already.

        height: rows to scale down to, 0: as high as they come.
        """
        if len(self._open) >= self._limit:
            raise HTTPException(503, f"{self._limit} pages watch already; close one of them.", {"retry-after": "5"})
        viewing = Viewing(self, self._monitor.watch(), side, height)
        self._open.add(viewing)
        return viewing

    async def run(self, work: Callable[[], R | None]) -> R | None:
        """The result of something slow, from a thread; None after the end."""
        if self._closed:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def forget(self, viewing: Viewing) -> None:
        """One less."""
        self._open.discard(viewing)

    def picture(self, view: View, side: Side, height: int) -> Image:
        """One picture, (h, w, 3) uint8 BGR with even sides."""
        if side == "face":
            return self._face(view, height)
        rows = view.frame.image.shape[0]
        scale = min(1.0, height / rows) if height else 1.0
        if side == "after":
            return scaled(view.shown, scale)
        raw = view.raw if view.raw is not None else np.zeros_like(view.frame.image)
        if side == "before":
            return scaled(raw, scale)
        left, right = scaled(raw, scale), scaled(view.shown, scale)
        return np.ascontiguousarray(np.hstack([left, right if right.shape == left.shape else fit(right, (left.shape[1], left.shape[0]))]))

    def close(self) -> None:
        """End every watcher."""
        self._closed = True
        for viewing in list(self._open):
            viewing.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _face(self, view: View, height: int) -> Image:
        from realtime.stages.cutout import Cutout, packed

        paint = self._monitor.paint
        if not isinstance(paint, Overlay):
            return np.zeros((2 * (height or 360), 2 * (height or 360), 3), np.uint8)
        return packed(Cutout(self._blend, paint)(view.frame), height or None)


class Viewing:
    """One watcher's pictures; for one task at a time.  After a second without a new one the last comes again."""

    def __init__(self, pictures: Pictures, watcher: Watcher, side: Side, height: int) -> None:
        self._pictures, self._watcher, self.side, self.height = pictures, watcher, side, height
        self._last: View | None = None

    async def jpeg(self) -> bytes | None:
        """The next picture as JPEG; None at the end."""
        return await self._pictures.run(lambda: self._next(_jpeg))

    async def packet(self, encoder: Encoder) -> Packet[Any] | None:
        """The next picture as a packet of video with the time of now; None at the end."""
        return await self._pictures.run(lambda: self._next(encoder))

    def close(self) -> None:
        """Watch no longer; wakes who waits."""
        self._watcher.close()
        self._pictures.forget(self)
        self._last = None

    def _next(self, make: Callable[[Image], R]) -> R | None:
        while True:
            last = self._last
            try:
                last = self._last = self._watcher.take(_AGAIN)
            except TimeoutError:
                if last is None:
                    continue
            except Closed:
                return None
            return make(self._pictures.picture(last, self.side, self.height))


def _jpeg(image: Image) -> bytes:
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes())


__all__ = ["Pictures", "Side", "Viewing"]
