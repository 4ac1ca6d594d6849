"""A network's square picture brought to where it is shown: a patch along the frame's own pixels, or another network's crop."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh.patch import Area, placing

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]
Bytes = NDArray[np.uint8]

# A patch that has so many pixels for each of the picture's shows all there is; the blend stage enlarges it further.
_FINEST = 2.0
_ENLARGED = 1.25
# The rim of a picture on another, as a share of its side; and how fine that is.
_RIM, _CELLS = 0.08, 64


def chained(first: Reals, second: Reals) -> Reals:
    """The matrix (2, 3) that does first the one, then the other."""
    return np.asarray(second @ np.vstack([first, (0, 0, 1)]), np.float64)


def scale_of(matrix: Reals) -> float:
    """How much larger a matrix (2, 3) makes things."""
    return float(np.hypot(matrix[0, 0], matrix[1, 0]))


def patch_of(picture: Bytes, matrix: Reals, area: Area, most: int, least: int = 0) -> tuple[Bytes, Reals]:
    """The part of a picture (s, s, 3) that lies on an area of the frame, along its pixels, and the matrix (2, 3) patch -> frame.

    matrix: (2, 3), frame -> picture.  most: px along the longer side.  least: px along it that something else has detail for.
    """
    side = max(area[2] - area[0], area[3] - area[1])
    size, to_frame = placing(area, min(1.0, most / side, max(_FINEST * scale_of(matrix), least / side)))
    way = chained(to_frame, matrix)
    return warped(picture, way, size), to_frame


def warped(picture: Bytes, way: Reals, size: tuple[int, int]) -> Bytes:
    """A picture seen through a matrix (2, 3) from the result's pixels to its own; size: width and height.

    What gets smaller is averaged, what gets larger is made smooth first.
    """
    step = scale_of(way)
    while step > 2:
        # Pixels count from their centres.
        picture = np.asarray(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        way, step = chained(way, np.array([[0.5, 0, -0.25], [0, 0.5, -0.25]])), step / 2
    if step < 1 / _ENLARGED:
        picture = np.asarray(cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)
        way = chained(way, np.array([[2.0, 0, 0.5], [0, 2.0, 0.5]]))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, way, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def onto(below: Bytes, picture: Bytes, way: Reals) -> Bytes:
    """A crop (s, s, 3) with a picture on it, whose rim fades; way: (2, 3), crop -> picture."""
    size, side = (below.shape[1], below.shape[0]), len(picture)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    above = cv2.warpAffine(picture, way, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    line = np.minimum(np.arange(_CELLS), np.arange(_CELLS)[::-1]) / (_RIM * _CELLS)
    ramp = np.minimum(np.minimum(line, line[:, None]), 1.0).astype(np.float32)
    step = np.array([[side / _CELLS, 0, side / _CELLS / 2 - 0.5], [0, side / _CELLS, side / _CELLS / 2 - 0.5]])
    there = np.array([[size[0] / _CELLS, 0, size[0] / _CELLS / 2 - 0.5], [0, size[1] / _CELLS, size[1] / _CELLS / 2 - 0.5]])
    small = chained(chained(there, way), cv2.invertAffineTransform(step))
    alpha = cv2.resize(cv2.warpAffine(ramp, small, (_CELLS, _CELLS), flags=flags), size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.blendLinear(above, below, alpha, 1 - alpha), np.uint8)


__all__ = ["chained", "onto", "patch_of", "warped"]
