"""Video in video: what a call's encoder leaves of a result, and what a result costs it.

H.264 as calls send it: constrained baseline, no B-frames, zero latency, a tight rate control with a buffer of half a second.
Both the target and the result go through, each in a stream of its own, so that every other measure compares like with like.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.quality import zone
from benchmarks.quality.shot import Shot
from realtime.frame import Image, Points

_LIMITED, _MATRIX = 1, 5
_EXACT = 0x10 | 0x40000  # SWS_AREA, SWS_ACCURATE_RND


@dataclass(frozen=True, slots=True)
class Call:
    """What a call allows: pictures of at most `height` lines, at `bits` a second for a picture of 16:9 and that height.

    Smaller pictures get the same bits a pixel, so that clips of any size are treated alike.
    """

    name: str
    height: int
    bits: int


HD = Call("720p", 720, 1_500_000)
SMALL = Call("360p", 360, 400_000)
CALLS = (HD, SMALL)


class Link:
    """One direction of a call: pictures go in, come out as the other side sees them, at their own size, one for one.

    size: (width, height).  rate: frames per second.  spent: bytes so far.  Belongs to one stream of pictures in order.
    Raises RuntimeError where PyAV was built without libx264.
    """

    def __init__(self, call: Call, size: tuple[int, int], rate: float) -> None:
        import av

        if "libx264" not in av.codecs_available:
            raise RuntimeError("got a PyAV without libx264, expected one with it to measure calls")
        self._size, self.spent, self._count = size, 0, 0
        factor = min(1.0, call.height / size[1])
        self._inner = (_even(size[0] * factor), _even(size[1] * factor))
        bits = round(call.bits * self._inner[0] * self._inner[1] / (call.height * call.height * 16 / 9))
        self._encoder: Any = av.CodecContext.create("libx264", "w")
        self._encoder.width, self._encoder.height = self._inner
        self._encoder.pix_fmt = "yuv420p"
        self._encoder.framerate = Fraction(rate).limit_denominator(1001)
        self._encoder.time_base = 1 / self._encoder.framerate
        self._encoder.bit_rate = bits
        kilobits = max(1, bits // 1000)
        limits = f"vbv-maxrate={kilobits}:vbv-bufsize={max(1, kilobits // 2)}:keyint=infinite:scenecut=0:threads=1"
        self._encoder.options = {"preset": "veryfast", "tune": "zerolatency", "profile": "baseline", "x264-params": limits}
        self._decoder: Any = av.CodecContext.create("h264", "r")
        # Frame threads would hold pictures back.
        self._decoder.thread_type, self._decoder.thread_count = "SLICE", 1

    def __call__(self, image: Image) -> Image:
        """The picture (h, w, 3) uint8 BGR as it arrives; raises ValueError for another size than the link's."""
        from av.video.frame import VideoFrame

        if image.shape[1::-1] != self._size:
            raise ValueError(f"got a picture of {image.shape[1::-1]}, expected {self._size}")
        small = image if self._inner == self._size else cv2.resize(image, self._inner, interpolation=cv2.INTER_AREA)
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(small), "bgr24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=_MATRIX, dst_color_range=_LIMITED, interpolation=_EXACT)
        frame.pts, frame.time_base = self._count, self._encoder.time_base
        self._count += 1
        arrived = []
        for packet in self._encoder.encode(frame):
            self.spent += packet.size
            arrived += self._decoder.decode(packet)
        if len(arrived) != 1:
            raise RuntimeError(f"got {len(arrived)} pictures back for one, expected one")
        back = arrived[0].reformat(format="bgr24", src_colorspace=_MATRIX, src_color_range=_LIMITED, interpolation=_EXACT).to_ndarray()
        whole = back if self._inner == self._size else cv2.resize(back, self._size, interpolation=cv2.INTER_CUBIC)
        return np.ascontiguousarray(whole, np.uint8)


@dataclass(frozen=True, slots=True)
class Line:
    """The two links of one clip; hand the same one to `coded` for window after window, or each would begin with a key frame."""

    image: Link
    result: Link


def line(call: Call, shots: Sequence[Shot]) -> Line:
    """New links for shots of this size and pace; raises ValueError without any."""
    if not shots:
        raise ValueError("got no shots, expected at least one")
    size = (shots[0].image.shape[1], shots[0].image.shape[0])
    steps = np.diff(sorted({shot.time for shot in shots}))
    rate = float(np.clip(1 / np.median(steps), 1.0, 120.0)) if len(steps) else 30.0
    return Line(Link(call, size, rate), Link(call, size, rate))


def coded(
    shots: Sequence[Shot], call: Call, through: Line | None = None, look: Callable[[Image, Points], Points | None] | None = None
) -> list[Shot]:
    """The shots as the other side of a call sees them: image and result coded, everything else kept.

    look: measures landmarks in a picture where the engine's given ones say the face is, to renew `before` and `after`;
    without it they stay as they were before coding.  `attributes.background` says nothing about coded shots.
    """
    if not shots:
        return []
    both = through if through is not None else line(call, shots)
    out = []
    for shot in shots:
        image, result = both.image(shot.image), both.result(shot.result)
        if look is None:
            out.append(replace(shot, image=image, result=result))
        else:
            before, after = look(image, shot.landmarks), look(result, shot.landmarks)
            out.append(replace(shot, image=image, result=result, before=before, after=after))
    return out


def measure(shots: Sequence[Shot]) -> dict[str, float]:
    """Fidelity of the coded face for each of `CALLS`, named `codec_720p_...`; the shots go through new links."""
    figures: dict[str, float] = {}
    for call in CALLS if shots else ():
        figures |= fidelity(shots, coded(shots, call), call.name)
    return figures


def fidelity(before: Sequence[Shot], after: Sequence[Shot], name: str) -> dict[str, float]:
    """How well the face came through, in dB of PSNR under the patch, and how much worse than the target's own.

    A positive loss: the result is harder to code than a real face, by flicker, noise or texture that does not move with it.
    """
    ours, theirs = [], []
    for shot, seen in zip(before, after, strict=True):
        area = zone.box(shot.landmarks, shot.image.shape)
        if area is None or not (shown := zone.cut(shot.mask, area) > 127).any():
            continue
        ours.append(_square_error(zone.cut(shot.result, area), zone.cut(seen.result, area), shown))
        theirs.append(_square_error(zone.cut(shot.image, area), zone.cut(seen.image, area), shown))
    if not ours:
        return {}
    result, target = (10 * np.log10(255**2 / max(float(np.mean(errors)), 1e-3)) for errors in (ours, theirs))
    return {f"codec_{name}_face_db": float(result), f"codec_{name}_loss_db": float(target - result)}


def _square_error(first: Image, second: Image, shown: NDArray[np.bool_]) -> float:
    difference = first.astype(np.float32) - second.astype(np.float32)
    return float((difference[shown] ** 2).mean())


def _even(value: float) -> int:
    return max(16, round(value / 2) * 2)


__all__ = ["CALLS", "HD", "SMALL", "Call", "Line", "Link", "coded", "fidelity", "line", "measure"]
