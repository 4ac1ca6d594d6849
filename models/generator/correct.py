"""A correction made in the generator's crop brought to the mesh engine's patch, whose finer detail stays."""

from __future__ import annotations

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]
Bytes = NDArray[np.uint8]

# So much is added to alpha and mask before one is divided by the other: where next to nothing is drawn alpha says little.
_SOFT = 0.1
# A share of the mask below the first shows nothing, above the second all: what the network is nearly sure of is no veil.
_NONE, _ALL = 0.1, 0.9
# A mask is sure from the first on; where that lasts for so many pixels of the crop around, alpha says nothing any more.
_SURE = 0.98
_RIM, _DEEP = 2.0, 6.0


def kept(alpha: Floats, mask: Floats) -> Floats:
    """How much of what was drawn stays (s, s) float32 0..1, by the generator's alpha (s, s) and the mask of its view (s, s), 0..1.

    1 where alpha is no lower than the mask: there it shows as it was drawn.  Alpha has a say at the mask's rim and where the mask is
    in doubt; deep inside a mask that is sure everything stays, as the face behind it would be bared.
    """
    share = (alpha + np.float32(_SOFT)) / (mask + np.float32(_SOFT))
    away = cv2.distanceTransform(np.asarray(mask > _SURE, np.uint8), cv2.DIST_L2, 3)
    return np.asarray(np.clip(np.maximum((share - _NONE) / (_ALL - _NONE), (away - _RIM) / (_DEEP - _RIM)), 0.0, 1.0), np.float32)


def correct(picture: Bytes, mask: Bytes, correction: Floats, way: Reals, strength: float) -> None:
    """Add a correction to a patch and lower its mask, in place.

    picture: (h, w, 3) uint8 BGR; what is black where the mask is 0 was never drawn, and stays black.  mask: (h, w) uint8.
    correction: (s, s, 4) float32, grey levels of blue, green and red, and the factor 0..1 of the mask; it goes on beyond its rim.
    way: (2, 3), patch -> crop of the correction.  strength: 0..1.
    """
    if strength != 1:
        correction = correction * np.float32(strength)
        correction[..., 3] += np.float32(1 - strength)
    # What gets smaller is averaged.  Pixels count from their centres.
    while max(np.hypot(*way[:, 0]), np.hypot(*way[:, 1])) > 2:
        correction = np.asarray(cv2.resize(correction, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32)
        way = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25]]) @ np.vstack([way, (0, 0, 1)])
    _correct(picture, mask, np.ascontiguousarray(correction).reshape(-1), len(correction), way.astype(np.float32))


@numba.njit(cache=True, nogil=True, fastmath=True)
def _correct(picture: Bytes, mask: Bytes, correction: Floats, side: int, way: Floats) -> None:
    height, width = mask.shape
    zero, one, half, white = np.float32(0.0), np.float32(1.0), np.float32(0.5), np.float32(255.0)
    # A hair before the last pixel, so that there is always a next one.
    end = np.float32(side) - np.float32(1.0001)
    for y in range(height):
        u0, v0 = way[0, 1] * np.float32(y) + way[0, 2], way[1, 1] * np.float32(y) + way[1, 2]
        for x in range(width):
            if mask[y, x] == 0 and picture[y, x, 1] == 0:
                continue
            u = min(max(u0 + way[0, 0] * np.float32(x), zero), end)
            v = min(max(v0 + way[1, 0] * np.float32(x), zero), end)
            i, j = np.int32(u), np.int32(v)
            a, b = u - np.float32(i), v - np.float32(j)
            q, r, s = a * (one - b), (one - a) * b, a * b
            p = one - q - r - s
            # Indices that cannot be negative need no test.
            up, down = np.uint32((j * side + i) * 4), np.uint32(((j + 1) * side + i) * 4)
            for k in range(3):
                more = p * correction[up + k] + q * correction[up + 4 + k] + r * correction[down + k] + s * correction[down + 4 + k]
                value = np.float32(picture[y, x, k]) + more + half
                picture[y, x, k] = np.uint8(np.int32(min(max(value, zero), white)))
            stays = p * correction[up + 3] + q * correction[up + 7] + r * correction[down + 3] + s * correction[down + 7]
            mask[y, x] = np.uint8(np.int32(np.float32(mask[y, x]) * min(stays, one) + half))


__all__ = ["correct", "kept"]
