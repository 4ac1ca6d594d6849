"""Previews by WebRTC: each page gets one video track, encoded for it alone."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import Any

from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av.packet import Packet
from fastapi import HTTPException

from realtime.calls.offers import UNFIT, UNREADABLE, crowded, media, prefer
from realtime.sinks.packets import Codec, Encoder
from realtime.studio.pacing import Pacing
from realtime.studio.pictures import Pictures, Side, Viewing

logger = logging.getLogger(__name__)

_PEERS = 12
_PATIENCE = 20.0
_LOOK = 1.0


class Track(MediaStreamTrack):
    """The pictures of a Viewing as packets of video."""

    kind = "video"

    def __init__(self, viewing: Viewing, encoder: Encoder) -> None:
        super().__init__()
        self._viewing = viewing
        self._encoder: Encoder | None = encoder

    async def recv(self) -> Packet[Any]:
        """The next packet; raises MediaStreamError at the end."""
        packet = await self._viewing.packet(self._encoder) if self._encoder is not None else None
        if packet is None:
            self.stop()
            raise MediaStreamError
        return packet

    def stop(self) -> None:
        """End, and let go of everything large: a closed connection is a knot of objects, which lies about until a full collection."""
        self._viewing.close()
        self._encoder = None
        super().stop()

    def renew(self) -> None:
        """Make the next packet one that a decoder can begin with."""
        if self._encoder is not None:
            self._encoder.renew()


class Peers:
    """The pages that watch; at most `limit` at once.  All of it belongs to the server's loop."""

    def __init__(self, pictures: Pictures, limit: int = _PEERS) -> None:
        self._pictures, self._limit = pictures, limit
        self._peers: dict[str, RTCPeerConnection] = {}
        self._paces: dict[str, Pacing] = {}
        self._looking: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._peers)

    async def answer(self, sdp: str, side: Side, height: int, near: bool = True) -> dict[str, str]:
        """The answer to a browser's offer to receive video: sdp, type and the id to close it with.

        near: the browser is on this machine, where no line has to be spared.
        Raises HTTPException: 422 for an offer that cannot be read or takes no video that we can send, 503 at the limit.
        """
        if len(self._peers) >= self._limit:
            raise HTTPException(503, f"{self._limit} pages watch already; close one of them.", {"retry-after": "5"})
        if crowded(sdp):
            raise HTTPException(422, "The offer names more ways to be reached than a browser has.")
        if media(sdp) not in ([], ["video"]):
            raise HTTPException(422, "The offer does not go with what is sent here: one video track to receive.")
        peer, name = RTCPeerConnection(RTCConfiguration(iceServers=[])), secrets.token_urlsafe(12)
        self._peers[name] = peer
        peer.on("connectionstatechange", lambda: asyncio.ensure_future(self._changed(name)))
        try:
            video, viewing, encoder = await self._accept(peer, sdp, side, height)
        except HTTPException:
            await self.close(name)
            raise
        except (*UNREADABLE, OSError) as error:
            await self.close(name)
            logger.debug("An offer was refused: %s", error)
            raise HTTPException(422, "The offer cannot be read; it should be what createOffer() gives.") from None
        except UNFIT:
            await self.close(name)
            raise HTTPException(422, "The offer does not go with what is sent here: one video track to receive.") from None
        if not near:
            self._paces[name] = Pacing(video, viewing, encoder)
            self._looking = self._looking or asyncio.ensure_future(self._look())
        asyncio.get_running_loop().call_later(_PATIENCE, lambda: asyncio.ensure_future(self._late(name)))
        local = peer.localDescription
        return {"sdp": local.sdp, "type": local.type, "id": name}

    async def close(self, name: str) -> bool:
        """End one; False where there is none of that name."""
        peer, _ = self._peers.pop(name, None), self._paces.pop(name, None)
        if peer is None:
            return False
        for sender in peer.getSenders():
            if sender.track:
                sender.track.stop()
        await peer.close()
        return True

    async def close_all(self) -> None:
        """End all."""
        if self._looking is not None:
            self._looking.cancel()
        await asyncio.gather(*(self.close(name) for name in list(self._peers)))

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            for pacing in list(self._paces.values()):
                await pacing.look(time.monotonic())

    async def _accept(self, peer: RTCPeerConnection, sdp: str, side: Side, height: int) -> tuple[RTCRtpSender, Viewing, Encoder]:
        codec = _codec(sdp)
        encoder, viewing = Encoder(codec), self._pictures.open(side, height)
        track = Track(viewing, encoder)
        video = peer.addTransceiver(track, "sendonly")
        prefer(video, codec)
        _on_keyframe(video.sender, track)
        await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        return video.sender, viewing, encoder

    async def _changed(self, name: str) -> None:
        peer = self._peers.get(name)
        if peer is not None and peer.connectionState in ("failed", "closed"):
            await self.close(name)

    async def _late(self, name: str) -> None:
        peer = self._peers.get(name)
        if peer is not None and peer.connectionState != "connected":
            await self.close(name)


def _codec(sdp: str) -> Codec:
    """H.264 costs less than VP8 to make; some browsers cannot show it."""
    offered = sdp.lower()
    if " h264/90000" in offered:
        return "h264"
    if " vp8/90000" in offered:
        return "vp8"
    raise HTTPException(422, "The browser shows neither H.264 nor VP8.")


def _on_keyframe(sender: Any, track: Track) -> None:
    # aiortc keeps a lost picture's request for encoders of its own; packets made elsewhere know of it only so.
    sender._send_keyframe = track.renew


__all__ = ["Peers", "Track"]
