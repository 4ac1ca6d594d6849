"""The face that comes back from under something that was learned as part of it: a cup held up from the first, a hand that rested."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh.looks import BURNT, SIZE
from models.mesh.skin import plain_zone

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

# How far faces' skin spreads about its own tone: brightness (logarithm) and two hues.
_SKIN = np.array([0.09, 0.03, 0.03], np.float32)
# A model this many spreads from the rest of the face is of no face; what is nearer than half of that is.
_FOREIGN, _NEARER = 2.0, 0.5
_LEAST_TONE, _LEAST_PIECE = 100, 20


def unmasked(veil: Bytes, mean: Floats, even: Floats, known: Mask) -> Mask:
    """Where pieces of the veil show the face itself and the model does not, (SIZE, SIZE) bool.

    veil: (SIZE, SIZE) uint8.  mean, even: (SIZE, SIZE, 3) features of the model and of the look, without light.
    known: (SIZE, SIZE) bool, seen now and in the model.
    """
    found = np.zeros(veil.shape, bool)
    sure = _plain() & known
    free = sure & (veil == 0)
    if not veil.any() or free.sum() < _LEAST_TONE:
        return found
    tone = np.median(mean[free], axis=0)
    count, pieces = cv2.connectedComponents((veil > 0).astype(np.uint8))
    for number in range(1, count):
        piece = (pieces == number) & sure & (even[..., 1] < BURNT)
        if piece.sum() < _LEAST_PIECE:
            continue
        was, now = (float(np.linalg.norm((np.median(each[piece], axis=0) - tone) / _SKIN)) for each in (mean, even))
        if was > _FOREIGN and now < _NEARER * was:
            found |= pieces == number
    return found


@functools.cache
def _plain() -> Mask:
    """(SIZE, SIZE), where a face shows nothing but skin."""
    return np.asarray(cv2.resize(plain_zone().astype(np.uint8), (SIZE, SIZE), interpolation=cv2.INTER_NEAREST) > 0)
