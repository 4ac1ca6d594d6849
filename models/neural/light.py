"""The target's light on what a network made, so that neither its colours nor their drift and flicker are seen.

The same harmonics are fitted to the skin of the crop that went in and of the picture that came out; their ratio, smooth over
the face, brings one to the other.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh import relight
from models.mesh.rasterise import rasterise
from models.mesh.topology import PLAIN_SKIN, VERTICES, normals
from models.neural.cover import CLOSED

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

_SECONDS = 0.2
# A mean change by so much of the brightness is another light, twice as much leaves nothing of the old one.
_SUDDEN = 0.06
# What is lit less than this share of the face's mean is too dark to be divided by.
_DARK = 0.2
_LOW, _HIGH = 0.35, 2.8
_CELLS = 48
_WHITE = np.ones(3, np.float32)


class Light:
    """Follows the light on one person's face."""

    def __init__(self) -> None:
        self._theirs: Floats | None = None
        self._age = 0
        self._time = 0.0

    def forget(self) -> None:
        """Begin anew with the next frame."""
        self._theirs = None

    def __call__(self, crop: Bytes, made: Bytes, points: Floats, placed: Floats, clear: Floats, time: float, every: int) -> Floats:
        """Factors (468, 3) for the colours of what was made.

        crop, made: (s, s, 3) uint8 BGR.  points: (468, 3) px of the frame.  placed: (468, 2) px of the crop.
        clear: (468,) 0..1, what nothing lies before.  time: seconds.  every: the target's light is measured in every n-th call;
        that of the picture is in each, as networks change their mind from frame to frame.
        """
        directions = normals(points)
        basis = relight.harmonics(directions)
        skin = placed[PLAIN_SKIN]
        within = ((skin >= 0) & (skin <= len(crop) - 1)).all(axis=1)
        say = relight.facing(directions)[PLAIN_SKIN] * within * clear[PLAIN_SKIN]
        radius = max(1, round(float(np.ptp(placed[:, 0])) / 60))

        def light(image: Bytes) -> Floats:
            return relight.fit(relight.sample(image, skin, radius), _WHITE, basis[PLAIN_SKIN], say)

        self._age += 1
        if self._theirs is None or self._age >= every or not 0 <= time - self._time < 1:
            self._follow(light(crop), basis, time)
        assert self._theirs is not None
        wanted, found = (_shading(basis, each) for each in (self._theirs, light(made)))
        return np.clip(wanted / found, _LOW, _HIGH).astype(np.float32)

    def _follow(self, seen: Floats, basis: Floats, time: float) -> None:
        """Small changes slowly, as half of them are the fit's own; a lamp at once."""
        if self._theirs is None or not 0 <= time - self._time < 1:
            self._theirs = seen
        else:
            before, now = _shading(basis, self._theirs), _shading(basis, seen)
            sudden = float(np.abs(now - before).mean() / before.mean()) / _SUDDEN - 1
            rate = max(1 - np.exp(-(time - self._time) / _SECONDS), min(max(sudden, 0.0), 1.0))
            self._theirs = (self._theirs + rate * (seen - self._theirs)).astype(np.float32)
        self._age, self._time = 0, time


def _shading(basis: Floats, light: Floats) -> Floats:
    """Colours (468, 3) of skin in a light, nowhere too dark to be divided by."""
    colours = basis @ light
    return np.asarray(np.maximum(colours, np.maximum(_DARK * colours[PLAIN_SKIN].mean(axis=0), 1.0)), np.float32)


def lit(made: Bytes, gains: Floats, placed: Floats, depth: Floats) -> Bytes:
    """A picture (s, s, 3) uint8 with factors (468, 3) spread over it from its vertices at placed (468, 2), and on beyond the face."""
    side = len(made)
    small = np.ascontiguousarray((placed + 0.5) * np.float32(_CELLS / side) - 0.5, np.float32)
    planes = np.empty((4, _CELLS, _CELLS), np.float32)
    values = np.concatenate([gains, np.ones((VERTICES, 1), np.float32)], axis=1)
    nearest = np.empty((_CELLS, _CELLS), np.float32)
    for k in (0, 2):
        rasterise(small, depth, CLOSED, np.ascontiguousarray(values[:, k : k + 2]), planes[k], planes[k + 1], nearest)
    field = cv2.merge([*np.maximum(planes, 0.0)])
    total = cv2.blur(cv2.blur(field, (5, 5)), (5, 5))
    # What is far from the face takes its mean; it is not shown, but must not spoil what is.
    mean = gains.mean(axis=0)
    total[..., :3] += np.float32(0.02) * mean
    spread = total[..., :3] / (total[..., 3:] + np.float32(0.02))
    whole = cv2.resize(spread, (side, side), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.multiply(made, whole, dtype=cv2.CV_8U), np.uint8)


__all__ = ["Light", "lit"]
