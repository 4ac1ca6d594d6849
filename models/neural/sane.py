"""Whether a network's picture can be a face at all: nobody is to be seen with a black square, noise or stripes on their head."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh import relight

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

# Deviations in grey levels over the face: a crop with more than the first must come out with more than the second and the
# third's share of its own.  The faces of the shared clips have 4 to 60, other people's photos on them 0.7 to 3 times as much.
_SHAPED, _FLAT, _FLATTER = 6.0, 1.5, 0.12
_SEEN, _BLACK = 32.0, 8.0
# Mean steps between neighbouring pixels; real faces have up to 11, noise 85.
_ROUGH, _ROUGHER = 24.0, 4.0
# How much steps differ: mean of squares by square of the mean.  Faces have up to 6, cells and tiles of plain colour 8 to 30.
_EDGED, _EDGIER = 7.0, 2.0
_SIDE = 128
# Likeness (correlation) of picture and crop in the middle, at so many pixels, as they are or without what is wider than so many.
# Of other people's faces warped to the crops of the shared clips 99 in 100 have more, of their frontal photos as they are 95
# to 99; most of what is no face has less.  What has edges besides must have more.  Of crops with less deviation than the last
# nothing is asked.
_CELLS, _WIDE = 20, 3.0
_ALIKE, _ALIKER, _STRUCTURED = 0.08, 0.3, 2.0


def sane(made: Bytes, crop: Bytes, placed: Floats) -> bool:
    """Whether a picture made from a crop, (s, s, 3) uint8 both, has a face's structure where the crop has it.

    placed: (468, 2) px of the crop.  No judgement where the crop itself shows nothing.
    """
    ours, theirs = (relight.sample(image, placed, 0).mean(axis=1) for image in (made, crop))
    spread = float(theirs.std())
    if spread > _SHAPED and ours.std() < max(_FLAT, _FLATTER * spread):
        return False
    if theirs.mean() > _SEEN and ours.mean() < _BLACK:
        return False
    first, second = _middle(made), _middle(crop)
    (rough, edged), (rough_before, edged_before) = _steps(first), _steps(second)
    if rough > max(_ROUGH, _ROUGHER * rough_before):
        return False
    return _likeness(first, second) > (_ALIKER if edged > max(_EDGED, _EDGIER * edged_before) else _ALIKE)


def _middle(image: Bytes) -> Bytes:
    """The middle of a picture, grey, at most some 128 px."""
    quarter, step = len(image) // 4, max(1, len(image) // _SIDE // 2)
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image[quarter:-quarter:step, quarter:-quarter:step]), cv2.COLOR_BGR2GRAY), np.uint8)


def _steps(grey: Bytes) -> tuple[float, float]:
    """Mean step between neighbouring pixels in grey levels, across or down, whichever is more, and how much steps differ."""
    rough, edged = 0.0, 0.0
    for step in (cv2.absdiff(grey[:, 1:], grey[:, :-1]), cv2.absdiff(grey[1:], grey[:-1])):
        mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(step))
        rough, edged = max(rough, mean), max(edged, (mean**2 + deviation**2) / (mean + 0.5) ** 2)
    return rough, edged


def _likeness(first: Bytes, second: Bytes) -> float:
    """Correlation of two grey pictures, -1..1; 1 where the second shows nothing."""
    pair = cv2.resize(cv2.merge([first, second]), (_CELLS, _CELLS), interpolation=cv2.INTER_AREA).astype(np.float32)
    fine = pair - cv2.GaussianBlur(pair, (0, 0), _WIDE, borderType=cv2.BORDER_REFLECT)
    ours, theirs = (pair.reshape(-1, 2) - pair.mean(axis=(0, 1))).T
    if theirs.dot(theirs) < _STRUCTURED**2 * theirs.size:
        return 1.0
    return max(_correlation(ours, theirs), _correlation(*(fine.reshape(-1, 2) - fine.mean(axis=(0, 1))).T))


def _correlation(first: Floats, second: Floats) -> float:
    """Of values (n,) whose means are 0."""
    return float(first.dot(second) / np.sqrt(first.dot(first) * second.dot(second) + 1e-6))


__all__ = ["sane"]
