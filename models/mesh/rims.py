"""How the rims of somebody's glasses look in texture space, and how much a later picture of the face looks like it.

Looking for rims in one picture is hard, as brows, wrinkles and bags under the eyes are thin and dark, too; whether rims
that are known are still there is easy: the correlation of fine detail below and between the eyes, over small shifts,
because rims stand off the face and move across it when the head turns.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh.topology import LEFT_EYE, RIGHT_EYE, UV

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

# Shares of the texture: rows above and below the eyes' level where rims lie that no brow follows, and half the bridge.
_ABOVE, _BELOW, _BRIDGE = 0.08, 0.23, 0.08
# Texels of 192: how far rims move, what is finer or coarser than detail, and how much around a rim belongs to how it looks.
_REACH = 4
_FINE, _COARSE = 1.0, 8
_AROUND = 5
# What is less sure than this is no rim; less than this share of where rims may be is too little to go by, as is less than
# that share of the rims in view.
_RIM, _ENOUGH, _LEAST = 0.25, 0.05, 0.4
# Correlations beyond this are divisions by nothing.
_EXACT = 1.01


class Rims(NamedTuple):
    """Fine detail (h, w, 3) float32 of a face that wears glasses, and how much of it is the glasses (h, w) 0..1."""

    detail: Floats
    weight: Floats


def rims(picture: Bytes, mask: Floats) -> Rims | None:
    """How the glasses look that `mask` says are in `picture`; None where nearly all of them lie along the brows.

    picture: (s, s, 3) uint8 BGR, an unwrapped face.  mask: (s, s) float32 0..1.
    """
    rows, columns, zone = _zone(len(picture))
    weight = (cv2.dilate(mask, np.ones((_AROUND, _AROUND), np.uint8))[rows, columns] > _RIM) & zone
    if weight.sum() < _ENOUGH * zone.sum():
        return None
    return Rims(_detail(picture)[_REACH:-_REACH, _REACH:-_REACH].copy(), weight.astype(np.float32))


def likeness(known: Rims, picture: Bytes, seen: Mask) -> float | None:
    """How much the picture's detail is that of the rims, -1..1; None where too little of them is in view.

    picture: as for `rims`.  seen: (s, s) bool, where the face is seen squarely.
    """
    rows, columns, _ = _zone(len(picture))
    weight = known.weight * seen[rows, columns]
    if weight.sum() < _LEAST * known.weight.sum():
        return None
    found = cv2.matchTemplate(_detail(picture), known.detail, cv2.TM_CCOEFF_NORMED, mask=np.dstack([weight] * 3))
    # Of a plain surface nothing can be said; it looks like no rims.
    return min(1.0, float(np.where(np.abs(found) < _EXACT, found, 0.0).max()))


def _detail(picture: Bytes) -> Floats:
    """What is neither noise nor light about the eyes, and as far beyond as rims move."""
    rows, columns, _ = _zone(len(picture))
    wide = rows.start - _REACH - _COARSE
    colours = picture[wide : rows.stop + _REACH + _COARSE].astype(np.float32)
    detail = cv2.GaussianBlur(colours, (0, 0), _FINE) - cv2.blur(colours, (2 * _COARSE + 1, 2 * _COARSE + 1))
    return np.asarray(detail[_COARSE:-_COARSE, columns.start - _REACH : columns.stop + _REACH], np.float32)


@functools.cache
def _zone(size: int) -> tuple[slice, slice, Mask]:
    """Rows and columns of a texture about the lower halves of rims and the bridge, and which texels of them are no eyes."""
    level = float(UV[[*RIGHT_EYE, *LEFT_EYE], 1].mean())
    whole = np.zeros((size, size), np.uint8)
    whole[round(level * size) : round((level + _BELOW) * size)] = 1
    whole[round((level - _ABOVE) * size) : round(level * size), round((0.5 - _BRIDGE) * size) : round((0.5 + _BRIDGE) * size)] = 1
    eyes = np.zeros((size, size), np.uint8)
    for eye in (RIGHT_EYE, LEFT_EYE):
        cv2.fillConvexPoly(eyes, cv2.convexHull(np.rint(UV[eye] * (size - 1)).astype(np.int32)), 1)
    whole[cv2.dilate(eyes, np.ones((7, 7), np.uint8)) > 0] = 0
    rows = slice(round((level - _ABOVE) * size), round((level + _BELOW) * size))
    columns = slice(round(0.1 * size), round(0.9 * size))
    return rows, columns, whole[rows, columns] > 0
