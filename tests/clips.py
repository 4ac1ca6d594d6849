"""Tiny clips made on the fly, with pictures, times and sound that are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

BASE = Fraction(1, 90000)
EXACT = 0x10 | 0x40000
Picture = NDArray[np.uint8]


def flat(width: int, height: int, colour: tuple[int, int, int]) -> Picture:
    """One BGR colour."""
    return np.full((height, width, 3), colour, np.uint8)


def corners(width: int, height: int) -> Picture:
    """Four BGR colours: red top left, green top right, blue bottom left, white bottom right."""
    image = flat(width, height, (255, 255, 255))
    image[: height // 2, : width // 2] = 0, 0, 255
    image[: height // 2, width // 2 :] = 0, 255, 0
    image[height // 2 :, : width // 2] = 255, 0, 0
    return image


def numbered(index: int, width: int = 64, height: int = 48) -> Picture:
    """A grey picture whose level tells its number: 40 + 4 * index."""
    return flat(width, height, (40 + 4 * index,) * 3)


def number(image: Picture) -> int:
    """The number of a numbered() picture, after any compression."""
    return round((float(image.mean()) - 40) / 4)


def beep(seconds: float, at: float, rate: int = 48000) -> NDArray[np.float32]:
    """Silence with a tenth of a second of 1 kHz at `at`, (1, n) float32."""
    moments = np.arange(round(seconds * rate)) / rate
    return (0.6 * np.sin(2 * np.pi * 1000 * moments) * ((moments >= at) & (moments < at + 0.1))).astype(np.float32)[None]


def make(
    path: Path,
    pictures: Sequence[Picture],
    times: Sequence[float] | None = None,
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: int = 10,
    sound: NDArray[np.float32] | None = None,
    sound_codec: str = "aac",
    sound_at: float = 0.0,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    prepare: Callable[[av.VideoStream], None] | None = None,
    dress: Callable[[av.VideoFrame], None] | None = None,
) -> Path:
    """Write a clip; the last frame lasts 1 / rate, sound starts at `sound_at` seconds."""
    times = [index / rate for index in range(len(pictures))] if times is None else times
    with av.open(str(path), "w", options=container or {}) as output:
        # B-frames with uneven times make FFmpeg write a wrong track length.
        stream = output.add_stream(codec, rate=rate, options=options or ({"bf": "0"} if codec == "libx264" else {}))
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixels
        if codec not in ("gif", "mpeg4"):
            stream.time_base = stream.codec_context.time_base = BASE
        base = stream.codec_context.time_base or Fraction(1, rate)
        if prepare:
            prepare(stream)
        audio = None
        if sound is not None:
            audio = output.add_stream(sound_codec, rate=48000)
            audio.layout = "mono"
        packets = []
        for picture, moment in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, "bgr24").reformat(
                format=pixels, dst_colorspace=5, dst_color_range=1, interpolation=EXACT
            )
            frame.pts, frame.time_base = round(moment / base), base
            if dress:
                dress(frame)
            packets += stream.encode(frame)
        last = stream.encode(None)
        if last and codec != "gif":
            last[-1].duration = round(1 / rate / base)
        packets += last
        if audio is not None and sound is not None:
            packets += _speak(audio, sound, sound_at)
        for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
            output.mux(packet)
    return path


def _speak(stream: av.AudioStream, sound: NDArray[np.float32], at: float) -> list[av.Packet]:
    resampler = av.AudioResampler(stream.codec_context.format, "mono", 48000, frame_size=1024)
    whole = av.AudioFrame.from_ndarray(sound, "fltp", "mono")
    whole.rate, whole.pts, whole.time_base = 48000, round(at * 48000), Fraction(1, 48000)
    packets = []
    for part in [*resampler.resample(whole), *resampler.resample(None)]:
        packets += stream.encode(part)
    return packets + stream.encode(None)


def times_of(path: Path) -> list[float]:
    """Presentation times of the pictures of a file in seconds, as the file has them."""
    with av.open(str(path)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


def length_of(path: Path, kind: str = "video") -> float:
    """Seconds that the first track of a kind lasts, start not included; from its packets."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        spans = [(packet.pts, packet.pts + (packet.duration or 0)) for packet in container.demux(stream) if packet.pts is not None]
        return float((max(end for _, end in spans) - min(start for start, _ in spans)) * stream.time_base)


def onset(path: Path) -> float:
    """When the beep of a file begins, in seconds of its own clock."""
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            wave = np.abs(frame.to_ndarray().astype(np.float64))[0]
            wave = wave / (32768 if wave.max() > 2 else 1)
            loud = np.flatnonzero(wave.reshape(-1) > 0.2)
            if loud.size:
                return float(frame.pts * frame.time_base) + float(loud[0]) / frame.rate
    raise AssertionError("there is no beep")
