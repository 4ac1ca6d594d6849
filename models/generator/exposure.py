"""The view of a face in dim light brought to the brightness that the generator has learned from, and its face back again."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.generator.view import OUTSIDE

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

# Mean of the hidden face, 0..1: below the first the network guesses colours, and below the second there is none to be told.
_LEAST, _NONE = 0.4, 0.02


def exposed(seen: Floats, zone: Bytes) -> tuple[Floats, np.float32]:
    """A view (1, 7, s, s) float32 as it would be with more light, and the factor >= 1 that the light was raised by.

    zone: (s, s) uint8 of models.generator.view.  What is learned from the view is divided by the factor again, so that nothing
    swells or fades as the factor follows the light; only what gets brighter than white is not the same, and a network that
    leaves its guide as it is must be compared with this view's guide, not with the one before.
    """
    inside = np.asarray(zone != OUTSIDE, np.uint8)
    mean = sum(cv2.mean(plane, inside)[0] for plane in seen[0, :3]) / 3
    gain = np.float32(max(1.0, _LEAST / max(mean, _NONE)))
    if gain == 1 or not inside.any():
        return seen, np.float32(1)
    bright = seen.copy()
    np.minimum(seen[:, :6] * gain, np.float32(1), out=bright[:, :6])
    return bright, gain


__all__ = ["exposed"]
