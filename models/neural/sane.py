"""Whether a network's picture can be a face at all: nobody is to be seen with a black square or noise on their head."""

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
# Mean steps between neighbouring pixels; real faces have up to 6, noise 85.
_ROUGH, _ROUGHER = 24.0, 4.0
_SIDE = 128


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
    rough = _roughness(made)
    return rough < _ROUGH or rough < _ROUGHER * _roughness(crop)


def _roughness(image: Bytes) -> float:
    """Mean step between neighbouring pixels of the middle of a picture, in grey levels."""
    quarter, step = len(image) // 4, max(1, len(image) // _SIDE // 2)
    middle = cv2.cvtColor(image[quarter:-quarter:step], cv2.COLOR_BGR2GRAY)
    return float(cv2.absdiff(middle[:, 1:], middle[:, :-1]).mean())


__all__ = ["sane"]
