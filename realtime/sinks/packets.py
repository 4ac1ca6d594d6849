"""Pictures into packets of video for a browser, cheaply and without delay.

Measured on 1708x480, 4 Mbit/s, one thread, processor time a frame with 3.1 ms of conversion in it: H.264 ultrafast
5.8 ms, superfast 7.4, veryfast 11.8; VP8 at speed 16 6.4 ms, at speed 8 8.4; the encoders inside aiortc 41.5 (H.264) and
11.2 ms (VP8).  Chromium 156 takes 2.0 ms to decode a frame of H.264 and 8.8 ms of VP8, on a busy machine 3.9 and 21.
At 640x360 and 15 frames a second a face keeps an SSIM of 0.905 at 250 kbit/s with ultrafast, 0.937 with superfast; at 1 Mbit/s
0.943 and 0.950.
"""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any, Literal, cast

import av
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from realtime.frame import Image

Codec = Literal["h264", "vp8"]
CLOCK = Fraction(1, 90000)
_CEILING = 8_000_000
# Below so many bits a second they are worth the half millisecond by which superfast uses them better.
_FEW = 2_000_000
# Another rate than this part apart is taken over at once: libx264 takes less while it runs; for more, and for libvpx, another
# encoder has to begin, with a whole picture.
_LESS, _MORE, _OTHER = 0.08, 0.2, 0.3
# A whole picture is a burst, so a line has to bear more for so many seconds first.
_PATIENCE = 5.0
# Part of a second that may be spent in advance: a picture that takes longer to send is a delay.
_BUFFER = 0.25
_MATRIX = 1  # BT.709
_LIMITED = 1
_OPTIONS = {
    # Whole pictures come when they are asked for; what comes by itself is a burst on a narrow line.
    "h264": {
        "tune": "zerolatency",
        "forced-idr": "1",
        "x264-params": "keyint=infinite:scenecut=0:sliced-threads=0",
    },
    "vp8": {
        "deadline": "realtime",
        "cpu-used": "-16",
        "lag-in-frames": "0",
        "static-thresh": "1",
        "undershoot-pct": "100",
        "overshoot-pct": "15",
        "g": "100000",
    },
}
_NAMES = {"h264": "libx264", "vp8": "libvpx"}


class Encoder:
    """Encodes pictures of any size, one after another; for one thread at a time.

    bitrate: bits a second, the most that a second of it takes; may be changed at any time, and counts up to 8 million.
    fps: pictures a second among which the bits are shared out.
    """

    def __init__(self, codec: Codec, bitrate: int = _CEILING, fps: float = 30.0) -> None:
        if codec not in _NAMES:
            raise ValueError(f"got the codec {codec}, expected one of {', '.join(_NAMES)}")
        self.codec: Codec = codec
        self.bitrate = bitrate
        self._fps = fps
        self._context: VideoCodecContext | None = None
        self._rate = self._most = 0
        self._enough = 0.0
        self._begin, self._last, self._renew = time.perf_counter(), -1, False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the newest picture; (0, 0) before the first."""
        return (self._context.width, self._context.height) if self._context else (0, 0)

    def renew(self) -> None:
        """Make the next picture one that a decoder can begin with; from any thread."""
        self._renew = True

    def __call__(self, image: Image, ticks: int | None = None) -> Packet[Any]:
        """The packet of a picture, (h, w, 3) uint8 BGR with even sides.

        ticks: its time in 90 kHz, rising; None: now, as a browser takes pictures for jumping that come late by their stamp.
        """
        height, width = image.shape[:2]
        context = self._ready(width, height)
        picture = av.VideoFrame.from_ndarray(image, format="bgr24")
        frame = picture.reformat(format="yuv420p", dst_colorspace=_MATRIX, dst_color_range=_LIMITED)
        stamp = max(round((time.perf_counter() - self._begin) / CLOCK) if ticks is None else ticks, self._last + 1)
        frame.pts, frame.time_base = stamp, CLOCK
        if self._renew:
            self._renew, frame.pict_type = False, PictureType.I
        self._last = stamp
        packets = context.encode(frame)
        # Neither encoder looks ahead, so that every picture gives its packet at once.
        packet = packets[0]
        packet.pts, packet.time_base = stamp, CLOCK
        return packet

    def _ready(self, width: int, height: int) -> VideoCodecContext:
        """The encoder for pictures of this size at the bit rate of now."""
        wanted, context = max(1, min(int(self.bitrate), _CEILING)), self._context
        if context is None or self.size != (width, height):
            return self._opened(width, height, wanted)
        if self.codec == "vp8":
            return context if abs(wanted / self._rate - 1) <= _OTHER else self._opened(width, height, wanted)
        now = time.perf_counter()
        if wanted <= self._most * (1 + _MORE):
            self._enough = now
        elif now - self._enough > _PATIENCE:
            return self._opened(width, height, wanted)
        if abs(wanted / self._rate - 1) > _LESS:
            context.bit_rate = self._rate = min(wanted, self._most)
        return context

    def _opened(self, width: int, height: int, rate: int) -> VideoCodecContext:
        context = cast(VideoCodecContext, av.CodecContext.create(_NAMES[self.codec], "w"))
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.framerate, context.time_base = Fraction(self._fps).limit_denominator(1001), CLOCK
        # Browsers guess the matrix of untagged H.264, and guess another one than FFmpeg: skin would turn orange.
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = _LIMITED, _MATRIX, _MATRIX, _MATRIX
        context.bit_rate, context.thread_count = rate, 1
        context.options = {**_OPTIONS[self.codec], "maxrate": str(rate), "bufsize": str(round(rate * _BUFFER))}
        if self.codec == "h264":
            context.profile = "Baseline"
            context.options |= {"preset": "superfast" if rate < _FEW else "ultrafast"}
        self._context, self._rate, self._most, self._enough = context, rate, rate, time.perf_counter()
        return context


__all__ = ["CLOCK", "Codec", "Encoder"]
