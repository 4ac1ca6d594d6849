"""How much of a preview is sent to another machine, by what its line bears; on this machine there is no line."""

from __future__ import annotations

from typing import Any

from realtime.calls.congestion import Congestion, Seen
from realtime.sinks.packets import Encoder
from realtime.studio.pictures import Viewing


class Pacing:
    """Looks at one peer's line about once a second, and makes its pictures smaller and coarser, never later."""

    def __init__(self, sender: Any, viewing: Viewing, encoder: Encoder) -> None:
        self._sender, self._viewing, self._encoder = sender, viewing, encoder
        self._whole = viewing.height
        self._congestion = Congestion()
        self._before: tuple[float, int] | None = None
        encoder.bitrate = round(self._congestion.bitrate)

    async def look(self, now: float) -> None:
        """Read what the receiver reported.  now: seconds."""
        loss, trip, sent = 0.0, None, 0
        for report in (await self._sender.getStats()).values():
            if report.type == "remote-inbound-rtp":
                # RTCP counts losses in 256ths.
                loss, trip = report.fractionLost / 256, report.roundTripTime
            elif report.type == "outbound-rtp":
                sent = report.bytesSent
        if self._before is not None and now > self._before[0]:
            bits = 8 * (sent - self._before[1]) / (now - self._before[0])
            width, height = self._encoder.size
            pixels = 30.0 * width * height / self._congestion.scale**2
            self._congestion.see(Seen(now, loss, None, trip, bits, pixels or 640 * 360 * 30.0))
            self._encoder.bitrate = round(self._congestion.bitrate)
            self._viewing.height = max(90, round(self._whole * self._congestion.scale))
        self._before = now, sent


__all__ = ["Pacing"]
