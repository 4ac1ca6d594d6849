"""The target's light on what a network made, so that neither its colours nor their drift and flicker are seen.

The same harmonics are fitted to the skin of the crop that went in and of the picture that came out; their ratio, smooth over
the face, brings one to the other.
"""

from __future__ import annotations

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from models.mesh import relight
from models.mesh.rasterise import rasterise
from models.mesh.topology import PLAIN_SKIN, VERTICES, normals
from models.neural.cover import CLOSED

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

_SECONDS = 0.2
# After so many seconds unseen everything may be different.
_GAP = 1.0
# What is lit less than this share of the face's mean is too dark to be divided by.
_DARK = 0.2
_RANGE = (np.log(0.35), np.log(2.8))
# The logarithm of how much brighter than it mostly is skin can be.
_BRIGHTER = np.float32(0.15)
_CELLS, _AROUND, _FAR = 48, (5, 5), np.float32(0.02)
# Beside what lies before the face there is its shadow.
_BESIDE = 0.8
_WHITE = np.ones(3, np.float32)
# Less skin than so many vertices tells of no light.
_LEAST, _FULL = 10.0, 255.0


class Light:
    """Follows the light on one person's face.

    What changes in the crop alone is taken over slowly, as most of it is an error of the fit; what changes in the picture alone
    is the network's mood and undone at once; and what changes in both, a lamp or a turn of the head, is left as it is.
    """

    def __init__(self) -> None:
        self._wanted: Floats | None = None
        self._before: tuple[Floats, Floats] | None = None
        self._last: tuple[Floats, Floats] | None = None
        self._time = 0.0

    def __call__(self, crop: Bytes, made: Bytes, points: Floats, placed: Floats, clear: Floats, time: float) -> tuple[Floats, Floats]:
        """Factors (468, 3) for the colours of what was made, and how bright its skin can be (468, 3).

        crop, made: (s, s, 3) uint8 BGR.  points: (468, 3) px of the frame.  placed: (468, 2) px of the crop.
        clear: (468,) 0..1, what nothing lies before.  time: seconds.  While next to no skin is seen they stay as they were.
        """
        directions = normals(points)
        basis = relight.harmonics(directions)
        skin = placed[PLAIN_SKIN]
        within = ((skin >= 0) & (skin <= len(crop) - 1)).all(axis=1)
        bare = np.clip((clear[PLAIN_SKIN] - _BESIDE) / (1 - _BESIDE), 0.0, 1.0)
        say = relight.facing(directions)[PLAIN_SKIN] * within * bare
        if say.sum() < _LEAST:
            return self._last or (np.ones((VERTICES, 3), np.float32), np.full((VERTICES, 3), _FULL, np.float32))
        radius = max(1, round(float(np.ptp(placed[:, 0])) / 60))

        def shading(image: Bytes) -> Floats:
            light = relight.fit(relight.sample(image, skin, radius), _WHITE, basis[PLAIN_SKIN], say)
            colours = basis @ light
            # Nowhere too dark to be divided by.
            least = np.maximum(_DARK * colours[PLAIN_SKIN].mean(axis=0), 1.0)
            return np.asarray(np.log(np.maximum(colours, least)), np.float32)

        theirs, ours = shading(crop), shading(made)
        wanted = self._follow(theirs, ours, time)
        self._last = np.exp(np.clip(wanted - ours, *_RANGE)).astype(np.float32), np.exp(ours + _BRIGHTER)
        return self._last

    def _follow(self, theirs: Floats, ours: Floats, time: float) -> Floats:
        """Logarithms (468, 3) of the colours that the picture is to have."""
        passed, self._time = time - self._time, time
        if self._wanted is None or self._before is None or not 0 <= passed < _GAP:
            self._wanted = theirs
        else:
            first, second = theirs - self._before[0], ours - self._before[1]
            common = np.where(first * second > 0, np.sign(first) * np.minimum(np.abs(first), np.abs(second)), np.float32(0.0))
            held = self._wanted + common
            self._wanted = np.asarray(held + np.float32(1 - np.exp(-passed / _SECONDS)) * (theirs - held), np.float32)
        self._before = theirs, ours
        return self._wanted


def lit(made: Bytes, gains: Floats, levels: Floats, placed: Floats, depth: Floats) -> Bytes:
    """A picture (s, s, 3) uint8 in another light.

    gains, levels: (468, 3), by how much its skin is to change and how bright that can be; both are spread over it from its vertices
    at placed (468, 2), and on beyond the face.  What is brighter than skin (teeth, eyes, gloss) changes by the root of that only:
    it neither burns out nor turns brown.
    """
    side = len(made)
    small = np.ascontiguousarray((placed + 0.5) * np.float32(_CELLS / side) - 0.5, np.float32)
    values = np.concatenate([gains, levels, np.ones((VERTICES, 2), np.float32)], axis=1)
    planes, nearest = np.empty((8, _CELLS, _CELLS), np.float32), np.empty((_CELLS, _CELLS), np.float32)
    for k in (0, 2, 4, 6):
        rasterise(small, depth, CLOSED, np.ascontiguousarray(values[:, k : k + 2]), planes[k], planes[k + 1], nearest)
    np.maximum(planes, 0.0, out=planes)
    # What is far from the face takes its mean; it is not shown, but must not spoil what is.
    known = cv2.blur(cv2.blur(planes[6], _AROUND), _AROUND) + _FAR
    means = values[:, :6].mean(axis=0) * _FAR
    spread = [(cv2.blur(cv2.blur(plane, _AROUND), _AROUND) + mean) / known for plane, mean in zip(planes[:6], means, strict=True)]
    gain, level = (cv2.resize(cv2.merge(part), (side, side), interpolation=cv2.INTER_LINEAR) for part in (spread[:3], spread[3:]))
    out = np.empty_like(made)
    _apply(made.reshape(-1), gain.reshape(-1), level.reshape(-1), out.reshape(-1))
    return out


@numba.njit(cache=True, nogil=True, fastmath=True)
def _apply(made: Bytes, gain: Floats, level: Floats, out: Bytes) -> None:
    for i in range(made.size):
        value = np.float32(made[i])
        over = max(value - level[i], np.float32(0.0))
        lit = gain[i] * (value - over) + np.sqrt(gain[i]) * over + np.float32(0.5)
        out[i] = np.uint8(np.int32(min(max(lit, np.float32(0.0)), np.float32(255.0))))


__all__ = ["Light", "lit"]
