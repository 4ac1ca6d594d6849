"""Previews by WebRTC: each page gets one video track, encoded for it alone."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Any

from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError
from aiortc.mediastreams import MediaStreamError
from av.packet import Packet
from fastapi import HTTPException

from realtime.studio.coding import Codec, Encoder
from realtime.studio.pictures import Pictures, Side, Viewing

logger = logging.getLogger(__name__)

BITRATE = 8_000_000
_PEERS = 12
_PATIENCE = 20.0
_CANDIDATES = 60


class Track(MediaStreamTrack):
    """The pictures of a Viewing as packets of video."""

    kind = "video"

    def __init__(self, viewing: Viewing, encoder: Encoder) -> None:
        super().__init__()
        self._viewing, self._encoder = viewing, encoder

    async def recv(self) -> Packet[Any]:
        """The next packet; raises MediaStreamError at the end."""
        packet = await self._viewing.packet(self._encoder) if self.readyState == "live" else None
        if packet is None:
            self.stop()
            raise MediaStreamError
        return packet

    def stop(self) -> None:
        """End."""
        self._viewing.close()
        super().stop()


class Peers:
    """The pages that watch; at most `limit` at once.  All of it belongs to the server's loop."""

    def __init__(self, pictures: Pictures, limit: int = _PEERS) -> None:
        self._pictures, self._limit = pictures, limit
        self._peers: dict[str, RTCPeerConnection] = {}

    def __len__(self) -> int:
        return len(self._peers)

    async def answer(self, sdp: str, side: Side, height: int) -> dict[str, str]:
        """The answer to a browser's offer to receive video: sdp, type and the id to close it with.

        Raises HTTPException: 422 for an offer that cannot be read or takes no video that we can send, 503 at the limit.
        """
        if len(self._peers) >= self._limit:
            raise HTTPException(503, f"{self._limit} pages watch already; close one of them.", {"retry-after": "5"})
        if sdp.count("a=candidate") > _CANDIDATES or sdp.count("m=") > 3:
            raise HTTPException(422, "The offer names more ways to be reached than a browser has.")
        peer, name = RTCPeerConnection(RTCConfiguration(iceServers=[])), secrets.token_urlsafe(12)
        self._peers[name] = peer
        peer.on("connectionstatechange", lambda: asyncio.ensure_future(self._changed(name)))
        try:
            await self._accept(peer, sdp, side, height)
        except HTTPException:
            await self.close(name)
            raise
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError, OSError) as error:
            await self.close(name)
            logger.debug("An offer was refused: %s", error)
            raise HTTPException(422, "The offer cannot be read; it should be what createOffer() gives.") from None
        except (InvalidStateError, InvalidAccessError, OperationError):
            await self.close(name)
            raise HTTPException(422, "The offer does not go with what is sent here: one video track to receive.") from None
        asyncio.get_running_loop().call_later(_PATIENCE, lambda: asyncio.ensure_future(self._late(name)))
        local = peer.localDescription
        return {"sdp": local.sdp, "type": local.type, "id": name}

    async def close(self, name: str) -> bool:
        """End one; False where there is none of that name."""
        peer = self._peers.pop(name, None)
        if peer is None:
            return False
        for sender in peer.getSenders():
            if sender.track:
                sender.track.stop()
        await peer.close()
        return True

    async def close_all(self) -> None:
        """End all."""
        await asyncio.gather(*(self.close(name) for name in list(self._peers)))

    async def _accept(self, peer: RTCPeerConnection, sdp: str, side: Side, height: int) -> None:
        codec = _codec(sdp)
        encoder = Encoder(codec, BITRATE)
        # Before the offer is looked at: aiortc chooses the codecs while it does that.
        video = peer.addTransceiver(Track(self._pictures.open(side, height), encoder), "sendonly")
        video.setCodecPreferences([one for one in RTCRtpSender.getCapabilities("video").codecs if one.name.lower() in (codec, "rtx")])
        _on_keyframe(video.sender, encoder)
        await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await peer.setLocalDescription(await peer.createAnswer())

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


def _on_keyframe(sender: Any, encoder: Encoder) -> None:
    # aiortc keeps a lost picture's request for encoders of its own; packets made elsewhere know of it only so.
    sender._send_keyframe = encoder.renew


__all__ = ["BITRATE", "Peers", "Track"]
