"""One opened clip or stream: packets in, BGR pictures out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from realtime.frame import Image, RealtimeError
from realtime.machine.home import expanded

TIMEOUT = 5.0
"""Seconds that a network address may stay silent, while opening and later."""

_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_LIMITED, _FULL = 1, 2
_COVER = 0x400
_STRETCH = np.clip(np.round((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)
_TRIES = 100


def is_network(place: str) -> bool:
    """Whether this is an address (rtsp://, http://, udp://, ...) and not a file."""
    return re.match(r"(rtsps?|https?|udp|rtp|rtmps?|srt|tcp)://", place, re.IGNORECASE) is not None


class Decoder:
    """The pictures of one clip in order, upright, with square pixels, BGR uint8.

    place: a file, or an address where is_network() says so.  size: (width, height) of the pictures.  rate: average frames
    per second.  total: how many frames the clip says it has, None where unknown.  length: seconds, None where unknown.
    begin: time of the first picture on the clip's own clock, in seconds.  damaged: packets that could not be decoded so far.
    Raises RealtimeError where there is no video to be had.
    """

    def __init__(self, place: str) -> None:
        self.name = place if is_network(place) else Path(place).name
        self._container = opened(place)
        self.damaged = 0
        self._reformatter = VideoReformatter()
        self._last, self._lasts = -1.0, 0.0
        self._shift = 0.0
        try:
            self._stream = _video(self._container, self.name)
            # Frame threads hold pictures back, which a network camera must not; a file only gains by them.
            self._stream.thread_type = "SLICE" if is_network(place) else "AUTO"
            self._frames = self._decode()
            self._first: VideoFrame | None = next(self._frames, None)
            if self._first is None:
                raise RealtimeError(f"No picture of {self.name} can be decoded; the file is damaged or of an unknown kind.")
            self._describe(self._first)
        except BaseException:
            self._container.close()
            raise

    def _describe(self, first: VideoFrame) -> None:
        stream = self._stream
        base = stream.time_base or Fraction(1, 90000)
        rate = stream.average_rate or stream.guessed_rate or Fraction(0)
        self.rate = float(rate) if 0 < rate <= 1000 else 30.0
        starts = [start for start in (stream.start_time, first.pts) if start is not None]
        self.begin = float(min(starts) * base) if starts else 0.0
        whole = self._container.duration
        self.length = float(stream.duration * base) if stream.duration else whole / av.time_base if whole else None
        self.total = stream.frames or (max(1, round(self.length * self.rate)) if self.length else None)
        height, width = self.picture(first).shape[:2]
        self.size = width, height

    def read(self) -> tuple[VideoFrame, float, float] | None:
        """The next frame, its time and its duration in seconds from the start of the clip; None at the end.

        Times strictly increase whatever the file says: frames without a time follow at the nominal rate, and a clock
        that jumps backwards (joined broadcasts) is carried on from where it was.
        """
        frame, self._first = self._first or next(self._frames, None), None
        if frame is None:
            return None
        period = 1 / self.rate
        base = frame.time_base or self._stream.time_base
        time = self._last + period if frame.pts is None or base is None else float(frame.pts * base) - self.begin + self._shift
        if self._last < 0:
            time = max(time, 0.0)
        elif time <= self._last:
            self._shift += self._last + period - time
            time = self._last + period
        self._last = time
        duration = float((getattr(frame, "duration", 0) or 0) * (base or 0))
        self._lasts = duration if 0 < duration < 3600 else period
        return frame, time, self._lasts

    @property
    def end(self) -> float:
        """When the last frame that was read gives way, in seconds from the start.

        Packets of MP4 tell how long they last in the order of decoding, so the track's own length is better where it fits.
        """
        shown = self._last + self._lasts
        fits = self._stream.duration and self.length and self._last < self.length < self._last + 3 * max(self._lasts, 1 / self.rate)
        return self.length if fits and self.length else shown

    def _decode(self) -> Iterator[VideoFrame]:
        """Every frame that can be decoded; what cannot is counted, and the frames still inside the decoder come at the end."""
        for _ in range(_TRIES):  # a demuxer that stumbled over damage can go on behind it
            try:
                for packet in self._container.demux(self._stream):
                    try:
                        yield from packet.decode()
                    except av.error.EOFError:
                        return
                    except av.error.FFmpegError:
                        self.damaged += 1
                return
            except (av.error.ExitError, av.error.TimeoutError):
                break  # the network is silent
            except av.error.FFmpegError:
                self.damaged += 1
        try:
            yield from self._stream.decode(None)
        except av.error.FFmpegError:
            return

    def picture(self, frame: VideoFrame) -> Image:
        """The frame as BGR uint8: its own colour matrix and range, turned upright, pixels made square.

        Transparent parts become white.  Pixels that are not square are stretched along their long side, so that
        nothing is lost.  High dynamic range is cut to 8 bits without tone mapping.
        """
        clear = frame.format.name in ("pal8", "ya8", "ya16le", "ya16be") or any(part.is_alpha for part in frame.format.components)
        width, height = _square(frame.width, frame.height, self._stream.sample_aspect_ratio)
        same = (width, height) == (frame.width, frame.height)
        matrix, levels = _colours(frame)
        image = self._reformatter.reformat(
            frame,
            width,
            height,
            "bgra" if clear else "bgr24",
            src_colorspace=matrix,
            src_color_range=levels,
            dst_color_range=_FULL,
            interpolation=Interpolation.BILINEAR if same else Interpolation.BICUBIC,
            threads=1,
        ).to_ndarray()
        pixels = np.asarray(image, np.uint8)
        if frame.format.name.startswith("gray") and int(frame.color_range) == _LIMITED:
            pixels = np.asarray(cv2.LUT(pixels, _STRETCH), np.uint8)  # FFmpeg takes any grey for full range
        return _upright(on_white(pixels) if clear else pixels, frame)

    def close(self) -> None:
        """Let the file or connection go; not while another thread is inside read()."""
        self._first = None
        self._container.close()


def opened(place: str) -> av.container.InputContainer:
    """The container of a file or address; raises RealtimeError, which says what is wrong and what to do."""
    if is_network(place):
        options = {"rtsp_flags": "prefer_tcp", "flags": "low_delay"}
        try:
            return av.open(place, "r", options=options, timeout=(TIMEOUT, TIMEOUT))
        except (av.error.ExitError, av.error.TimeoutError) as error:
            raise RealtimeError(f"{place} did not answer within {TIMEOUT:g} s; check the address and that the camera is on.") from error
        except (av.error.FFmpegError, OSError) as error:
            raise RealtimeError(f"{place} cannot be opened ({error.strerror}); check the address and that the camera is on.") from error
    path = expanded(place)
    if path.is_dir():
        raise RealtimeError(f"{place} is a folder; give one video file in it.")
    if not path.exists():
        raise RealtimeError(f"There is no file {place}; check the name.")
    if path.stat().st_size == 0:
        raise RealtimeError(f"{place} is empty (0 bytes); copy it again from where it came.")
    try:
        container = av.open(f"file:{path}", "r")
    except (av.error.FFmpegError, OSError) as error:
        if isinstance(error, PermissionError):
            raise RealtimeError(f"{place} may not be read; change its permissions.") from error
        raise RealtimeError(f"{place} is not a video, or it was cut off while it was copied; check that a player shows it.") from error
    if container.format.name == "tty":  # FFmpeg draws any text file as a picture
        container.close()
        raise RealtimeError(f"{place} is a text file, not a video.")
    return container


def _video(container: av.container.InputContainer, name: str) -> VideoStream:
    """The first stream that is really video: a song's cover picture is not."""
    for stream in container.streams.video:
        cover = int(stream.disposition.value) & _COVER
        if not cover and stream.codec_context is not None and stream.codec_context.pix_fmt is not None:
            return stream
    has = ", only sound" if container.streams.audio else ""
    raise RealtimeError(f"{name} has no video that can be decoded{has}; give a clip with a picture.")


def _square(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """Size with square pixels, never smaller than (width, height); aspect ratios nobody makes are ignored."""
    if not aspect or not Fraction(1, 8) <= aspect <= 8:
        return width, height
    return (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))


def _colours(frame: VideoFrame) -> tuple[int | None, int]:
    """Matrix and range of the samples as FFmpeg numbers; untagged video is taken as players do, BT.709 from HD upwards."""
    levels = int(frame.color_range)
    full = frame.format.name.startswith("yuvj") or levels == _FULL
    matrix = _MATRICES.get(int(frame.colorspace))
    if int(frame.colorspace) == 2:
        matrix = 1 if not full and (frame.width >= 1280 or frame.height > 576) else 5
    return (None if frame.format.is_rgb else matrix), _FULL if full or frame.format.is_rgb else _LIMITED


def _upright(image: Image, frame: VideoFrame) -> Image:
    """The picture turned and mirrored as the frame's display matrix asks, in steps of 90 degrees."""
    stored: Any = frame.side_data.get("DISPLAYMATRIX")
    if stored is None:
        return np.ascontiguousarray(image)
    a, b, _, c, d = (int(number) for number in np.frombuffer(bytes(stored), np.int32)[:5])
    if abs(b) + abs(c) > abs(a) + abs(d):
        image, left, up = np.asarray(cv2.transpose(image), np.uint8), c < 0, b < 0
    else:
        left, up = a < 0, d < 0
    if left or up:
        image = np.asarray(cv2.flip(image, -1 if left and up else 1 if left else 0), np.uint8)
    return np.ascontiguousarray(image)


def on_white(image: Image) -> Image:
    """A (h, w, 4) BGRA uint8 picture laid on white, (h, w, 3); transparent parts become white."""
    alpha = image[..., 3:].astype(np.uint16)
    if alpha.min() == 255:
        return np.ascontiguousarray(image[..., :3])
    return ((image[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
