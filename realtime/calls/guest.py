"""Guest: a visitor with the line to them: turns at a bench, packets back, and the size that the line can bear."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from realtime.calls.bench import Bench, worn
from realtime.calls.congestion import Congestion, Seen
from realtime.calls.link import Link
from realtime.calls.visitor import Visitor
from realtime.config import Settings
from realtime.fit import scaled
from realtime.frame import Image
from realtime.sinks.packets import Encoder
from realtime.slot import Closed

logger = logging.getLogger(__name__)

_IDLE_SECONDS = 20.0
_NEW = 0.1
_FINEST = 12.0


@dataclass(frozen=True, slots=True)
class State:
    """What is known of one visitor now.

    fps: pictures a second that went back.  age: seconds from a picture's arrival to its packet.  size: (width, height) that
    goes back, strip included.  bitrate: bits a second that may be used.  dropped: pictures that gave way to newer ones.
    """

    source: str | None
    fps: float
    age: float
    size: tuple[int, int]
    bitrate: float
    dropped: int


class Guest:
    """One visitor; made and looked after in the event loop, served in the bench's thread.

    gone: told once, in any thread, when this visitor is to be let go, with the reason.
    """

    def __init__(self, visitor: Visitor, bench: Bench, settings: Settings, gone: Callable[[str], None]) -> None:
        self.visitor, self.bench, self._gone = visitor, bench, gone
        self.link = Link(self._arrived, gone)
        self._settings = settings
        self._seat = bench.seat(self._serve, self._failed)
        self._congestion, self._encoder = Congestion(), Encoder("h264", fps=settings.call.fps)
        self._came = time.perf_counter()
        self._last = self._interval = self._age = 0.0
        self._size, self._sent = (0, 0), (self._came, 0)

    async def answer(self, sdp: str, kind: str) -> tuple[str, str]:
        """The answer to the browser's offer; raises RealtimeError."""
        answer = await self.link.answer(sdp, kind)
        self._encoder = Encoder(self.link.codec, fps=self._settings.call.fps)
        return answer

    def change(self, settings: Settings) -> None:
        """Take new settings; the face is changed by the visitor alone."""
        self._settings = settings
        self.visitor.change(worn(settings, self.visitor.wish.source))

    @property
    def state(self) -> State:
        """What is known now."""
        fps = 1 / self._interval if self._interval and time.perf_counter() - self._last < 1 else 0.0
        dropped = self._seat.work.dropped
        return State(self.visitor.wish.source, fps, self._age, self._size, self._congestion.bitrate, dropped)

    async def look(self) -> None:
        """Once a second: what the line bears, how many pictures to send, and whether anything comes at all."""
        now = time.perf_counter()
        if now - self._came > _IDLE_SECONDS:
            self._gone(f"no picture came for {_IDLE_SECONDS:.0f} s")
            return
        line = await self.link.reports.look()
        before, bytes_before = self._sent
        self._sent = now, line.sent
        bits = 8 * (line.sent - bytes_before) / max(now - before, 0.1)
        # Few pictures a second may be the finer.
        fps = min(max(1 / self._interval, _FINEST), 60.0) if self._interval else 30.0
        pixels = self._size[0] * self._size[1] / self._congestion.scale**2 * fps
        if pixels and self._congestion.see(Seen(now, line.loss, line.estimate, line.trip, bits, pixels)):
            logger.debug("A visitor's picture is now %.0f %% of its size", 100 * self._congestion.scale)
        self.link.tell(fps=round(self.bench.rate(self._settings.call.fps), 2), scale=self._congestion.scale, codec=self.link.codec)

    async def close(self) -> None:
        """Let the visitor go."""
        self.bench.leave(self._seat)
        await self.link.close()

    def _arrived(self, frame: Any, when: float) -> None:
        self._came = when
        try:
            self._seat.put((frame, when))
        except Closed:
            self._gone("the visitor's stages have ended")

    def _failed(self, error: BaseException) -> None:
        logger.error("A visitor's picture could not be worked on: %s: %s", type(error).__name__, error)
        self._gone("a picture could not be worked on")

    def _serve(self, picture: tuple[Any, float]) -> None:
        """One turn: decoded picture to packet."""
        if self.link.full:
            return
        frame, born = picture
        out = self.visitor(_image(frame, self._settings.call.height, self.visitor.wish.strip), born, self._seat.work, len(self.bench))
        now = time.perf_counter()
        if self._last:
            self._interval += _NEW * (now - self._last - self._interval) if self._interval else now - self._last
        self._last = now
        # Fewer pictures than the encoder counts on may each have more.
        self._encoder.bitrate = round(self._congestion.bitrate * min(max(self._interval * self._settings.call.fps, 1.0), 6.0))
        if self.link.reports.key:
            self.link.reports.key = False
            self._encoder.renew()
        self.link.push(self._encoder(scaled(out, self._congestion.scale)))
        self._size = self._encoder.size
        self._age += _NEW * (time.perf_counter() - born - self._age)


def _image(frame: Any, height: int, strip: float) -> Image:
    """A decoded picture as BGR, no higher than allowed, the strip not counted."""
    most = height / (1 - strip)
    scale = min(1.0, most / frame.height)
    size = (frame.width, frame.height) if scale == 1 else (2 * round(frame.width * scale / 2), 2 * round(frame.height * scale / 2))
    return np.asarray(frame.reformat(*size, format="bgr24").to_ndarray(), np.uint8)


__all__ = ["Guest", "State"]
