"""Whether a network's picture can be a face at all: nobody is to be seen with a black square or noise on their head."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh import relight

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

# Grey levels: what has less structure than the first and less than the second's share of the crop's has none.
_FLAT, _FLATTER = 3.0, 0.12
_BLACK, _SEEN = 8.0, 32.0
# Mean steps between neighbouring pixels of the worst real picture are half of this.
_ROUGH, _ROUGHER = 40.0, 4.0
_SIDE = 128


def sane(made: Bytes, crop: Bytes, placed: Floats) -> bool:
    """Whether a picture made from a crop, (s, s, 3) uint8 both, has a face's structure where the crop has it.

    placed: (468, 2) px of the crop.  No judgement where the crop itself shows nothing.
    """
    ours, theirs = (relight.sample(image, placed, 0).mean(axis=1) for image in (made, crop))
    spread = float(theirs.std())
    if spread > 2 * _FLAT and ours.std() < max(_FLAT, _FLATTER * spread):
        return False
    if theirs.mean() > _SEEN and ours.mean() < _BLACK:
        return False
    rough = [_roughness(image) for image in (made, crop)]
    return rough[0] < max(_ROUGH, _ROUGHER * rough[1])


def _roughness(image: Bytes) -> float:
    """Mean step between neighbouring pixels of the middle of a picture, in grey levels."""
    quarter, step = len(image) // 4, max(1, len(image) // _SIDE // 2)
    middle = cv2.cvtColor(image[quarter:-quarter:step], cv2.COLOR_BGR2GRAY)
    return float(cv2.absdiff(middle[:, 1:], middle[:, :-1]).mean())


__all__ = ["sane"]
