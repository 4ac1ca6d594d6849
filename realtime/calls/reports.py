"""What the receiver of a video reports of the line that it came by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiortc.rtcrtpsender import RTT_ALPHA
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpSrPacket,
    unpack_remb_fci,
)


@dataclass(frozen=True, slots=True)
class Line:
    """What is known of a line now.

    loss: 0..1, the worst since it was looked at.  estimate: bits a second that the receiver believes in, or None.
    trip: seconds there and back, or None.  sent: bytes so far.
    """

    loss: float
    estimate: float | None
    trip: float | None
    sent: int


class Reports:
    """Hears what comes back to one sender of aiortc's, before aiortc does with it what it does.

    key: the receiver needs a whole picture; for whoever makes them to take back, in any thread.
    """

    def __init__(self, sender: Any) -> None:
        self.key = False
        self._sender, self._handle = sender, sender._handle_rtcp_packet
        self._loss = 0.0
        self._estimate: float | None = None
        self._trip: float | None = None
        self._mean: float | None = None
        sender._handle_rtcp_packet = self._hear

    async def look(self) -> Line:
        """The line now; the worst loss counts anew from here."""
        outbound = await self._report("outbound-rtp")
        seen = Line(self._loss, self._estimate, self._trip, outbound.bytesSent if outbound else 0)
        self._loss = 0.0
        return seen

    async def _hear(self, packet: Any) -> None:
        if isinstance(packet, (RtcpRrPacket, RtcpSrPacket)):
            # RTCP counts losses in 256ths.
            ours = [report.fraction_lost / 256 for report in packet.reports if report.ssrc == self._sender._ssrc]
            self._loss = max([self._loss, *ours])
        elif isinstance(packet, RtcpPsfbPacket) and packet.fmt in (RTCP_PSFB_FIR, RTCP_PSFB_PLI):
            self.key = True
        elif isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP and packet.fci[:4] == b"REMB" and len(packet.fci) >= 8:
            self._estimate = float(unpack_remb_fci(packet.fci)[0])
        await self._handle(packet)
        if isinstance(packet, RtcpRrPacket):
            await self._time()

    async def _time(self) -> None:
        """The way there and back of this moment: aiortc keeps a mean that follows in seconds."""
        report = await self._report("remote-inbound-rtp")
        if report is not None and report.roundTripTime is not None and report.roundTripTime != self._mean:
            before, self._mean = self._mean, report.roundTripTime
            self._trip = self._mean if before is None else max(0.0, (self._mean - RTT_ALPHA * before) / (1 - RTT_ALPHA))

    async def _report(self, kind: str) -> Any:
        reports = (await self._sender.getStats()).values()
        return next((report for report in reports if report.type == kind), None)


__all__ = ["Line", "Reports"]
