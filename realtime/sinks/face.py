"""Sinks that keep only the face with its alpha: numbered PNG files, or a WebM file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import cv2
import numpy as np
from av.container import OutputContainer
from av.packet import Packet

from realtime.config import FaceOutput
from realtime.frame import Frame, Image, RealtimeError
from realtime.machine.home import expanded
from realtime.sinks.part import PartFile, conclude
from realtime.sinks.pictures import Codec, Pictures

Cut = Callable[[Frame], Image]

_LIST = "face.ffconcat"
_OURS = re.compile(r"face-\d{6,}\.png|face\.ffconcat")
_BASE = Fraction(1, 1000)
# How far colour reaches out into what cannot be seen: two pixels share one colour there, and codecs blur further.
_REACH = 4


class FacePictures:
    """A folder of face-000000.png and so on, RGBA, and face.ffconcat, which tells how long each is shown.

    cut: gives a frame's picture with alpha, BGRA (h, w, 4) uint8.  rate: nominal frames per second.
    A clip's pictures have the numbers of its frames; live ones are numbered as they come.  send() raises RealtimeError
    once when the disk is full, and keeps what is there; frames after that are ignored.  Raises RealtimeError at
    construction for a folder that cannot be used; one with pictures of before only where they may be overwritten.
    """

    def __init__(self, settings: FaceOutput, cut: Cut, rate: float) -> None:
        self._folder = expanded(settings.path)
        check(self._folder, settings.overwrite)
        self._cut, self._rate = cut, rate if 0 < rate <= 1000 else 30.0
        self._count, self._shown, self._over = 0, 0.0, False
        try:
            self._folder.mkdir(exist_ok=True)
            for path in _kept(self._folder):
                path.unlink()
            self._list = (self._folder / _LIST).open("w", encoding="utf-8", newline="\n")
        except OSError as error:
            raise RealtimeError(f"{self._folder} cannot be written ({error.strerror}); choose another folder.") from error

    def send(self, frame: Frame) -> None:
        """Write one picture; raises RealtimeError when the disk is full."""
        if self._over:
            return
        path = self._folder / f"face-{self._count:06d}.png"
        # Much of it is empty: packing harder makes it little smaller and much slower.
        done, data = cv2.imencode(".png", self._cut(frame), [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not done:
            raise ValueError(f"got a picture of {frame.image.shape}, expected one that PNG can hold")
        try:
            path.write_bytes(data.tobytes())
            before = f"duration {max(frame.time - self._shown, 1e-3):.6f}\n" if self._count else "ffconcat version 1.0\n"
            self._list.write(f"{before}file {path.name}\n")
            self._list.flush()
        except OSError as error:
            self._over = True
            path.unlink(missing_ok=True)
            raise self._full(error) from error
        self._count, self._shown = self._count + 1, frame.time

    def close(self) -> None:
        """Finish the list, or leave nothing where no picture came; any number of times; raises RealtimeError when the disk is full."""
        if self._list.closed:
            return
        told, self._over = self._over, True
        try:
            # Closing writes what did not fit before, and fails once more.
            with self._list as file:
                if self._count and not told:
                    file.write(f"duration {1 / self._rate:.6f}\n")
        except OSError as error:
            if not told:
                raise self._full(error) from error
        if not self._count:
            (self._folder / _LIST).unlink(missing_ok=True)
            if not any(self._folder.iterdir()):
                self._folder.rmdir()

    def _full(self, error: OSError) -> RealtimeError:
        return RealtimeError(f"{self._folder}: {error.strerror}; {self._count} pictures of the face are there.")


class FaceVideo:
    """VP9 with alpha in WebM, every frame at its own time; what browsers, OBS and ffmpeg (-c:v libvpx-vp9) show transparent.

    cut, rate: as for FacePictures.  say: takes a sentence.  The file grows as NAME.part.webm and takes its name at
    close().  An odd side gets one more line, a copy of the last.  send() raises RealtimeError once when the disk is full, and what was
    recorded is kept.  Raises RealtimeError at construction for a place that cannot be written.
    """

    def __init__(self, settings: FaceOutput, cut: Cut, rate: float, say: Callable[[str], None]) -> None:
        self._settings, self._cut, self._rate, self._say = settings, cut, rate if 0 < rate <= 1000 else 30.0, say
        self._final = expanded(settings.path)
        check(self._final, settings.overwrite)
        self._part: PartFile | None = PartFile(self._final)
        self._output: OutputContainer | None = None
        self._origin, self._last = 0.0, -1

    def send(self, frame: Frame) -> None:
        """Record one frame; raises RealtimeError when the disk is full."""
        if self._part is None:
            return
        image = self._cut(frame)
        if self._output is None:
            self._start(frame.time, image)
        self._last = max(self._last + 1, round((frame.time - self._origin) / _BASE))
        self._write(self._pictures.encode(_bled(image), self._last))
        if self._part.error is not None:
            self._end()

    def close(self) -> None:
        """Finish the file under its name; any number of times; raises RealtimeError when its end did not fit on the disk."""
        if self._part is None:
            return
        try:
            if self._output is not None and self._pictures.stream.codec_context.is_open:
                self._write(self._pictures.flush())
        finally:
            self._end()

    def _start(self, time: float, image: Image) -> None:
        height, width = image.shape[:2]
        if not width or not height:
            raise ValueError(f"got a frame of {width} x {height}, expected at least one pixel")
        self._origin = time
        # Short clusters: what is in an open one is lost when the program dies or the disk is full.
        self._output = av.open(self._part, "w", format="webm", options={"cluster_time_limit": "500"})
        threads = str(max(1, min(4, (os.cpu_count() or 1) // 4)))
        options = {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "lag-in-frames": "0", "crf": "20", "b": "0"}
        # Alternate reference frames and alpha do not go together.
        options |= {"auto-alt-ref": "0", "g": str(max(1, round(2 * self._rate))), "threads": threads}
        self._pictures = Pictures(self._output, Codec("libvpx-vp9", options, "yuva420p"), (width, height), self._rate, _BASE)

    def _write(self, packets: list[Packet[Any]]) -> None:
        if self._output is not None and packets:
            self._output.mux(packets)

    def _end(self) -> None:
        """Close everything and name the file, or remove one without pictures; raises RealtimeError if the disk was full."""
        part, output, self._part, self._output = self._part, self._output, None, None
        if part is None:
            return
        try:
            if output is not None:
                output.close()
        finally:
            conclude(part, self._last >= 0, self._settings.overwrite, self._say, "the face is in")


def check(path: Path, overwrite: bool) -> None:
    """RealtimeError for a place where no face can be kept."""
    if path.suffix.lower() not in ("", ".webm"):
        raise RealtimeError(f"{path}: a face with its alpha goes into a folder or a file that ends in .webm; got {path.suffix}.")
    if not path.parent.is_dir():
        raise RealtimeError(f"The folder {path.parent} does not exist; make it first.")
    if path.suffix and "libvpx-vp9" not in av.codecs_available:
        raise RealtimeError(f"{path}: this build of PyAV cannot write VP9; give the name of a folder instead, for PNG files.")
    if path.suffix and path.is_dir():
        raise RealtimeError(f"{path} is a folder; give the name of a file in it, or of a folder without an ending.")
    if not path.suffix and path.exists() and not path.is_dir():
        raise RealtimeError(f"{path} is a file; the face's PNG files need a folder.")
    if not overwrite and (path.is_file() or (path.is_dir() and _kept(path))):
        what = f"{path} exists already" if path.suffix else f"{path} has pictures of a face in it already"
        raise RealtimeError(f"{what}; choose another name or allow it with --overwrite.")


def _kept(folder: Path) -> list[Path]:
    """What FacePictures has left in a folder before."""
    return [path for path in folder.iterdir() if _OURS.fullmatch(path.name)]


def _bled(image: Image) -> Image:
    """The picture with colour also where it cannot be seen, beside what can: else codecs would bring black in at the rim."""
    left, top, width, height = cv2.boundingRect(np.ascontiguousarray(image[..., 3]))
    if not width:
        return image
    image = image.copy()
    area = image[max(0, top - _REACH) : top + height + _REACH, max(0, left - _REACH) : left + width + _REACH]
    alpha = area[..., 3:].astype(np.float32)
    spread = cv2.blur(np.concatenate((area[..., :3] * alpha, alpha), axis=2), (2 * _REACH + 1, 2 * _REACH + 1))
    colour = spread[..., :3] / np.maximum(spread[..., 3:], 1e-3)
    np.copyto(area[..., :3], np.rint(np.minimum(colour, 255)).astype(np.uint8), where=alpha == 0)
    return image


__all__ = ["FacePictures", "FaceVideo", "check"]
