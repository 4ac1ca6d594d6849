"""How much of a preview is sent to another machine, by what its line bears; on this machine there is no line."""

from __future__ import annotations

from typing import Any

from realtime.calls.congestion import Congestion, Seen
from realtime.calls.reports import Reports
from realtime.sinks.packets import Encoder
from realtime.studio.pictures import Viewing


class Pacing:
    """Looks at one peer's line about once a second, and makes its pictures smaller and coarser, never later."""

    def __init__(self, sender: Any, viewing: Viewing, encoder: Encoder) -> None:
        self._reports, self._viewing, self._encoder = Reports(sender), viewing, encoder
        self._whole = viewing.height
        self._congestion = Congestion()
        self._before: tuple[float, int] | None = None
        encoder.bitrate = round(self._congestion.bitrate)

    async def look(self, now: float) -> None:
        """Read what the receiver reported.  now: seconds."""
        line = await self._reports.look()
        if self._before is not None and now > self._before[0]:
            bits = 8 * (line.sent - self._before[1]) / (now - self._before[0])
            width, height = self._encoder.size
            pixels = 30.0 * width * height / self._congestion.scale**2
            self._congestion.see(Seen(now, line.loss, None, line.trip, bits, pixels or 640 * 360 * 30.0))
            self._encoder.bitrate = round(self._congestion.bitrate)
            self._viewing.height = max(90, round(self._whole * self._congestion.scale))
        self._before = now, line.sent


__all__ = ["Pacing"]
