"""An enhancer's detail in texture space: measured now and then, carried by the track onto every frame, those it was measured in too.

Nothing so tells a frame that was enhanced from one that was not, and the enhancer's own mood swings are averaged.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh.rasterise import rasterise
from models.mesh.topology import EYES, IRISES, UV, VERTICES
from models.mesh.unwrap import weights
from models.neural.cover import CLOSED

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

SIZE = 384
_CELLS, _UNIT = 32, 16
# What is wider than this share of the crop is no detail, but another light or another face.
_WIDEST, _COARSE = 0.06, 64
# The part of a new measurement in the mean.
_NEW = 0.5
# In eye distances: skin, or an iris, that moved so far since makes its detail a third; that is remembered for so many seconds,
# or a mouth that speaks would be sharp in one frame and soft in the next.
_STRETCH, _GAZE = 0.045, 0.05
_MEMORY_SECONDS = 0.5
# Detail of what was seen askew is left out.
_ASKEW, _SQUARE = 0.15, 0.45


class Detail:
    """Follows the detail on one person's face."""

    def __init__(self) -> None:
        # In grey levels times _UNIT.
        self._texture = np.zeros((SIZE, SIZE, 3), np.int16)
        self._known = np.zeros(VERTICES, np.float32)
        self._shape: Floats | None = None
        self._gaze: Floats | None = None
        self._moved = np.zeros(VERTICES, np.float32)
        self._calls = 0
        self._time = 0.0

    def due(self, every: int) -> bool:
        """Whether this call is the one of `every` in which to measure."""
        self._calls += 1
        return (self._calls - 1) % every == 0

    def learn(self, before: Bytes, after: Bytes, placed: Floats, shape: Floats, facing: Floats, clear: Floats) -> None:
        """Take in what an enhancer made of a crop, (s, s, 3) uint8 BGR both.

        placed: (468, 2) px of the crop.  shape: (468 or 478, 3) the face free of its pose, in eye distances.
        facing: (468,) 0..1, how squarely each vertex is seen.  clear: (468,) 0..1, what nothing lies before.
        """
        difference = cv2.subtract(after, before, dtype=cv2.CV_16S)
        coarse = cv2.GaussianBlur(cv2.resize(difference, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA), (0, 0), _COARSE * _WIDEST)
        difference = cv2.subtract(difference, cv2.resize(coarse, difference.shape[1::-1], interpolation=cv2.INTER_LINEAR))
        across, down, nearest = np.empty((3, SIZE, SIZE), np.float32)
        rasterise(_texels(), np.zeros(VERTICES, np.float32), CLOSED, np.ascontiguousarray(placed), across, down, nearest)
        found = cv2.remap(difference, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        seen = clear * np.clip((facing - _ASKEW) / (_SQUARE - _ASKEW), 0.0, 1.0)
        rate = _spread(seen * np.maximum(1 - self._known, _NEW))
        step = cv2.subtract(found * np.int16(_UNIT), self._texture)
        self._texture = cv2.add(self._texture, cv2.multiply(step, cv2.merge([rate, rate, rate]), dtype=cv2.CV_16S))
        self._known = np.maximum(self._known, seen)
        self._shape, self._gaze = shape[:VERTICES].copy(), _gaze(shape)

    def draw(self, picture: Bytes, placed: Floats, depth: Floats, shape: Floats, time: float, strength: float) -> Bytes:
        """The patch (h, w, 3) uint8 BGR with the detail on it.

        placed: (468, 2) px of the patch.  depth: (468,).  shape: as in `learn`, now.  time: seconds.  strength: 0..1.
        """
        if self._shape is None:
            return picture
        passed, self._time = time - self._time, time
        moved = np.hypot(*(shape[:VERTICES, :2] - self._shape[:, :2]).T) / _STRETCH
        gaze = _gaze(shape)
        if gaze is not None and self._gaze is not None:
            for ring, way in zip(EYES, np.hypot(*(gaze - self._gaze).T), strict=True):
                moved[ring] = np.maximum(moved[ring], way / _GAZE)
        fade = np.exp(-passed / _MEMORY_SECONDS) if 0 <= passed < 1 else 0.0
        # A texel is as old as the oldest of what surrounds it.
        self._moved = np.maximum(moved[_neighbours()].max(axis=1), self._moved * fade).astype(np.float32)
        say = _spread(np.exp(-self._moved**2) * (strength / _UNIT))
        texture = cv2.multiply(self._texture, cv2.merge([say, say, say]), dtype=cv2.CV_16S)
        across, down, nearest = np.empty((3, *picture.shape[:2]), np.float32)
        rasterise(placed, depth, CLOSED, _texels(), across, down, nearest)
        shown = cv2.remap(texture, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return np.asarray(cv2.add(picture, shown, dtype=cv2.CV_8U), np.uint8)


@functools.cache
def _texels() -> Floats:
    return np.ascontiguousarray(UV * np.float32(SIZE - 1))


@functools.cache
def _neighbours() -> NDArray[np.intp]:
    """Of each vertex itself and those it shares a triangle with, (468, n), the first as often as there is room."""
    near = [sorted({vertex, *CLOSED[np.isin(CLOSED, vertex).any(axis=1)].ravel()}) for vertex in range(VERTICES)]
    most = max(len(found) for found in near)
    return np.array([found + found[:1] * (most - len(found)) for found in near], np.intp)


def _spread(values: Floats) -> Floats:
    """Values of vertices (468,) over the texture, smoothly."""
    cells = (weights(_CELLS) @ np.asarray(values, np.float32)).reshape(_CELLS, _CELLS)
    return np.asarray(cv2.resize(cells, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR), np.float32)


def _gaze(shape: Floats) -> Floats | None:
    """Where the irises are between the corners of their eyes, (2, 2) in eye distances; None for a face without irises."""
    if len(shape) <= VERTICES:
        return None
    eyes = zip(IRISES, EYES, strict=True)
    return np.asarray([shape[iris[0], :2] - shape[ring[[0, 8]], :2].mean(axis=0) for iris, ring in eyes], np.float32)


__all__ = ["Detail", "SIZE"]
