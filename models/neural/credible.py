"""Whether a network's mask can be one of a face: a mask that shows nothing would bare whoever is behind it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

# Of a face of which less than this share of a patch is free nothing is asked.
_FREE = 0.03
# A mask shows more than this share of what is free, and over more than this share of it is sure of what it sees.
_LEAST, _SURE = 0.2, 0.5
# Where it is not: between these values.
_FROM, _TO = 52, 204


def credible(mask: Bytes, free: Bytes, least: float = _LEAST) -> bool:
    """Whether a mask (h, w) uint8, 255 = face, can be believed on a face that nothing is known to lie before where `free` is 255.

    least: the share of that which it must show, 0..1.  No judgement where next to nothing of the face is free.
    """
    total = float(cv2.sumElems(free)[0])
    if total < _FREE * 255 * free.size:
        return True
    shown = float(cv2.sumElems(cv2.multiply(mask, free, scale=1 / 255))[0])
    undecided = float(cv2.sumElems(cv2.bitwise_and(free, cv2.inRange(mask, _FROM, _TO)))[0])
    return shown > least * total and undecided < _SURE * total


__all__ = ["credible"]
