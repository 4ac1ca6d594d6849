"""What travels through the loop, and the three protocols that everything in it speaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Points = NDArray[np.float32]
Matrix = NDArray[np.float64]


class RealtimeError(Exception):
    """Something that the user can put right; printed as one plain sentence, exit status 2."""


@dataclass(frozen=True, slots=True)
class Patch:
    """A generated face crop.

    image: (h, w, 3) uint8 BGR.  mask: (h, w) uint8, 255 where the patch replaces the frame.
    matrix: (2, 3) float64 affine from crop pixels to frame pixels.
    fade: 0..1, how far the face is turned out of what can be drawn; the `on_lost` policy comes up under the patch, then
        the patch goes.
    """

    image: Image
    mask: Image
    matrix: Matrix
    fade: float = 0.0


@dataclass(frozen=True, slots=True)
class Face:
    """One person's face in one frame.

    box: (4,) float32 left, top, right, bottom in frame pixels.
    landmarks: (478, 3) float32, MediaPipe face mesh order; x, y in frame pixels, z in the same unit
        (smaller is nearer the camera), or None where only the box is known.
    score: 0..1.  track: number of the person, stable over time, None before tracking.
    lost: the person is expected here, but was not measured in this frame (box and landmarks are predictions).
    points: (6, 2) float32 px, what the detector gives with a box (eyes, nose, mouth, ears), or None.
    """

    box: Points
    landmarks: Points | None = None
    score: float = 1.0
    track: int | None = None
    lost: bool = False
    patch: Patch | None = None
    points: Points | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of the stream; its arrays are never written in place.

    image: (h, w, 3) uint8 BGR.  index: counts the source's frames from 0, dropped ones included.
    time: capture time in seconds on the source's clock: time.perf_counter() for a live source,
        presentation time from the start for a file.
    card: the source itself has drawn this picture (no camera); nobody is in it.
    raw: the picture before faces were set into it, as image; None where none were.
    """

    image: Image
    index: int
    time: float
    faces: tuple[Face, ...] = ()
    card: bool = False
    raw: Image | None = None


class Source(Protocol):
    """Where frames come from; iterating ends when the stream does, or after close()."""

    live: bool
    """True: frames come at their own pace and may be dropped.  False: a file, every frame counts."""
    rate: float
    """Nominal frames per second."""

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...


class Stage(Protocol):
    """One step of the loop; knows nothing of threads."""

    def __call__(self, frame: Frame) -> Frame: ...


class Sink(Protocol):
    """Where finished frames go."""

    def send(self, frame: Frame) -> None: ...

    def close(self) -> None: ...


@runtime_checkable
class Repeating(Protocol):
    """A sink that wants its last frame again when nothing new has come for `repeat` seconds."""

    repeat: float


__all__ = ["Face", "Frame", "Image", "Matrix", "Patch", "Points", "RealtimeError", "Repeating", "Sink", "Source", "Stage"]
