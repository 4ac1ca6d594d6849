"""Encoding for the way back: one key frame where it is asked for, size and bit rate changed without a new beginning where possible."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np

from realtime.frame import Image

CLOCK = 90_000
"""Ticks of a second, as RTP counts video."""
_H264 = {
    # Measured at 640 x 384 and 1 Mbit/s: superfast 1.3 ms and 35.2 dB, ultrafast 0.8 and 35.1, libvpx 1.7 and 35.8.
    "preset": "superfast",
    "tune": "zerolatency",
    "profile": "baseline",
    "forced-idr": "1",
    # Key frames come when they are asked for; what comes by itself is a burst on a narrow line.
    "x264-params": "keyint=infinite:scenecut=0:sliced-threads=0",
}
_VP8 = {
    "cpu-used": "-8",
    "deadline": "realtime",
    "lag-in-frames": "0",
    "static-thresh": "1",
    "undershoot-pct": "100",
    "overshoot-pct": "15",
    "error-resilient": "0",
}
# Part of a second that the encoder may spend in advance: more is smoother, and a longer queue on a narrow line.
_BUFFER = 0.25
_CHANGED = 0.08


class Encoder:
    """Pictures to packets of H264 or VP8, in whichever thread calls; `fps` is what the bit rate is shared out by."""

    def __init__(self, codec: str, fps: float) -> None:
        if codec not in ("H264", "VP8"):
            raise ValueError(f"got the codec {codec}, expected H264 or VP8")
        self._name, self._fps = codec, fps
        self._context: Any = None
        self._bitrate = 0.0

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of what was made last; (0, 0) before."""
        return (self._context.width, self._context.height) if self._context else (0, 0)

    def __call__(self, image: Image, ticks: int, bitrate: float, scale: float = 1.0, key: bool = False) -> Any:
        """One av.Packet, or None where the encoder gave nothing.

        image: (h, w, 3) uint8 BGR.  ticks: presentation time in 90 kHz.  bitrate: bits a second.  scale: of both sides.
        """
        height, width = (max(16, round(side * scale / 2) * 2) for side in image.shape[:2])
        if (height, width) != image.shape[:2]:
            image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        context = self._opened(width, height, bitrate)
        frame: Any = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuv420p")
        frame.pts, frame.time_base = ticks, Fraction(1, CLOCK)
        if key:
            frame.pict_type = av.video.frame.PictureType.I
        packets = context.encode(frame)
        return packets[0] if packets else None

    def _opened(self, width: int, height: int, bitrate: float) -> Any:
        size = self._context and (self._context.width, self._context.height)
        if size == (width, height) and abs(bitrate - self._bitrate) <= _CHANGED * self._bitrate:
            return self._context
        # libx264 takes a new bit rate while it runs; libvpx begins anew, which is a key frame, so it is asked less often.
        if size == (width, height) and self._name == "H264":
            self._context.bit_rate = int(bitrate)
            self._bitrate = bitrate
            return self._context
        if size == (width, height) and abs(bitrate - self._bitrate) <= 0.3 * self._bitrate:
            return self._context
        context: Any = av.CodecContext.create("libx264" if self._name == "H264" else "libvpx", "w")
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base, context.framerate = Fraction(1, CLOCK), Fraction(round(self._fps))
        context.bit_rate, context.thread_count = int(bitrate), 1
        buffer = {"maxrate": str(int(bitrate)), "bufsize": str(int(bitrate * _BUFFER))}
        context.options = {**(_H264 if self._name == "H264" else _VP8 | {"minrate": buffer["maxrate"]}), **buffer}
        self._context, self._bitrate = context, bitrate
        return context


__all__ = ["CLOCK", "Encoder"]
