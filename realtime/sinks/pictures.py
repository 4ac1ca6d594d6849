"""Pictures on their way into a file or a stream: BGR to what an encoder takes, and its packets."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from realtime.fit import fit
from realtime.frame import Image

_LIMITED = 1
# Without exact rounding every value comes out half a step low, which tints grey.
_EXACT = 0x10 | 0x40000  # SWS_AREA, SWS_ACCURATE_RND; older PyAV has no name for the second


@dataclass(frozen=True, slots=True)
class Codec:
    """An encoder by FFmpeg's name, its options, and the layout of the pixels that it takes."""

    name: str
    options: dict[str, str] = field(default_factory=dict)
    pixels: str = "yuv420p"
    bitrate: int | None = None


class Pictures:
    """The video track of `output`, for pictures of `size` (width, height); others are fitted into it.

    base: seconds of one tick of the times.  An odd side gets one more line, a copy of the last.
    """

    def __init__(self, output: OutputContainer, codec: Codec, size: tuple[int, int], rate: float, base: Fraction) -> None:
        self.size, self.base = size, base
        width, height = (side + side % 2 for side in size)
        stream = output.add_stream(codec.name, rate=Fraction(rate).limit_denominator(1001), options=codec.options)
        if not isinstance(stream, VideoStream):
            raise ValueError(f"got the encoder {codec.name}, expected one of pictures")
        stream.width, stream.height, stream.pix_fmt = width, height, codec.pixels
        stream.time_base = stream.codec_context.time_base = base
        if codec.bitrate is not None:
            stream.codec_context.bit_rate = codec.bitrate
        # Players guess the matrix of untagged video by its size; tag it and use that same one.
        self._matrix = 1 if height >= 720 else 5
        context = stream.codec_context
        context.color_range, context.colorspace = _LIMITED, 1 if height >= 720 else 6
        context.color_primaries = context.color_trc = 1 if height >= 720 else 6
        self.stream, self._pixels, self._reformatter = stream, codec.pixels, VideoReformatter()

    def encode(self, image: Image, tick: int, key: bool = False) -> list[Packet[Any]]:
        """The packets that come out when one picture goes in, BGR or BGRA; key: viewers can begin with it.  Raises FFmpegError."""
        image = fit(image, self.size)
        height, width = image.shape[:2]
        if height % 2 or width % 2:
            image = np.asarray(cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE), np.uint8)
        source = VideoFrame.from_ndarray(np.ascontiguousarray(image), "bgra" if image.shape[2] == 4 else "bgr24")
        picture = self._reformatter.reformat(
            source, format=self._pixels, dst_colorspace=self._matrix, dst_color_range=_LIMITED, interpolation=_EXACT, threads=1
        )
        picture.pts, picture.time_base = tick, self.base
        if key:
            picture.pict_type = PictureType.I
        return list(self.stream.encode(picture))

    def flush(self) -> list[Packet[Any]]:
        """What the encoder still holds."""
        return list(self.stream.encode(None))


__all__ = ["Codec", "Pictures"]
