"""Link: one visitor's WebRTC connection; pictures come in, packets of finished ones go out, and what the line says of itself."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from realtime.calls.assembly import Assembly
from realtime.calls.offers import UNFIT, UNREADABLE, crowded, media, prefer
from realtime.calls.reports import Reports
from realtime.frame import RealtimeError
from realtime.sinks.packets import Codec

logger = logging.getLogger(__name__)

# So many encoded pictures may wait to be sent; a later one is not even made.
_WAITING = 2
# More pictures than these in front of the decoder would only grow old there, without end.
_DECODING = 15


class Outgoing(MediaStreamTrack):
    """The track of encoded pictures that go back; each is sent as soon as it is there."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._packets: asyncio.Queue[Any] = asyncio.Queue()

    @property
    def full(self) -> bool:
        """Whether what was made is still not sent; safe from any thread."""
        return self._packets.qsize() >= _WAITING

    def push(self, packet: Any) -> None:
        """Send a packet; in the event loop."""
        self._packets.put_nowait(packet)

    async def recv(self) -> Any:
        """The next packet; raises MediaStreamError when the track has ended."""
        if self.readyState != "live":
            raise MediaStreamError
        return await self._packets.get()


class Link:
    """The connection to one browser; everything but `push` and `reports.key` belongs to its event loop.

    arrived: told each decoded picture (av.VideoFrame) and when it came.  gone: told once, with the reason.
    reports: what the browser says of the way back.
    """

    def __init__(self, arrived: Callable[[Any, float], None], gone: Callable[[str], None]) -> None:
        self._arrived, self._gone = arrived, gone
        self._loop = asyncio.get_running_loop()
        # Without servers: nobody outside is asked for addresses.
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._track = Outgoing()
        self._video = self._peer.addTransceiver(self._track, "sendrecv")
        self.reports = Reports(self._video.sender)
        self._channel: Any = None
        self._reading: asyncio.Task[None] | None = None
        self.codec: Codec = "h264"

    @property
    def full(self) -> bool:
        """Whether the line is behind, so that a picture made now would only wait."""
        return self._track.full

    async def answer(self, sdp: str, kind: str) -> tuple[str, str]:
        """Take the browser's offer; the answer's (sdp, type).  Raises RealtimeError for an offer that is none."""
        if kind != "offer" or media(sdp) not in (["video"], ["application", "video"]) or crowded(sdp):
            raise RealtimeError("The browser's offer has to have one video and no sound; reload the page.")
        prefer(self._video, "h264", "vp8")
        self._prompt(self._video.receiver)
        self._peer.on("connectionstatechange", self._changed)
        self._peer.on("datachannel", self._opened)
        self._peer.on("track", self._began)
        try:
            await self._peer.setRemoteDescription(RTCSessionDescription(sdp, kind))
            await self._peer.setLocalDescription(await self._peer.createAnswer())
        except (*UNREADABLE, *UNFIT) as error:
            raise RealtimeError("The browser's offer cannot be read, or it has no video in H.264 or VP8; reload the page.") from error
        local = self._peer.localDescription
        self.codec = "h264" if _first(local.sdp) == "H264" else "vp8"
        return local.sdp, local.type

    def push(self, packet: Any) -> None:
        """Send an encoded picture; from any thread."""
        self._loop.call_soon_threadsafe(self._track.push, packet)

    def tell(self, **facts: Any) -> None:
        """Send facts to the page, where it has opened a data channel."""
        if self._channel is not None and self._channel.readyState == "open":
            self._channel.send(json.dumps(facts))

    async def close(self) -> None:
        """End the connection; may be called again."""
        if self._reading is not None:
            self._reading.cancel()
        self._track.stop()
        await self._peer.close()

    async def _read(self, track: Any) -> None:
        try:
            while True:
                frame = await track.recv()
                self._arrived(frame, time.perf_counter())
        except MediaStreamError:
            self._gone("the browser ended its video")

    def _changed(self) -> None:
        if self._peer.connectionState in ("failed", "closed"):
            self._gone("the connection broke off" if self._peer.connectionState == "failed" else "the connection was closed")

    def _began(self, track: Any) -> None:
        if track.kind == "video" and self._reading is None:
            self._reading = asyncio.ensure_future(self._read(track))

    def _opened(self, channel: Any) -> None:
        self._channel = channel

    @staticmethod
    def _prompt(receiver: Any) -> None:
        """Pictures are passed on when they are whole; where a later aiortc has no such place, it goes on as it does."""
        if hasattr(receiver, "_RTCRtpReceiver__jitter_buffer"):
            waiting = receiver._RTCRtpReceiver__decoder_queue
            receiver._RTCRtpReceiver__jitter_buffer = Assembly(behind=lambda: waiting.qsize() > _DECODING)


def _first(sdp: str) -> str:
    """The name of the codec that an answer prefers."""
    video = sdp.partition("m=video ")[2]
    payload = video.split()[2]
    return next((line.partition(" ")[2].partition("/")[0] for line in video.splitlines() if line.startswith(f"a=rtpmap:{payload} ")), "")


__all__ = ["Link", "Outgoing"]
