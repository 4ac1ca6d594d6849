"""What of the network's answer may be believed: it corrects a drawing, and neither replaces it nor takes it away."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.neural.sane import sane

Floats = NDArray[np.float32]

# Of what is drawn, alpha must leave so much.
_LEAST = 0.3
# Light is compared over so many cells across the crop, each with its neighbours: a mouth that opens is finer than that.
_CELLS = 16
# Brightness of a face by its guide's: hair taken for skin light, or a lamp in the hair, would ask for more.
_DARKEST, _BRIGHTEST = 0.62, 1.4
# Grey levels added before one is divided by the other.
_SOFT = 4.0


def fault(face: Floats, guide: Floats, alpha: Floats, mask: Floats, placed: Floats) -> str:
    """What a network gave that can be no face, for people; "" where it can be one.

    face, guide: (s, s, 3) float32 BGR grey levels.  alpha, mask: (s, s) float32 0..1.  placed: (468+, 2) px, landmarks in the crop.
    """
    if float((alpha * mask).sum()) < _LEAST * float((mask * mask).sum()):
        return "an alpha that shows no face"
    ours, theirs = (np.clip(picture, 0, 255).astype(np.uint8) for picture in (face, guide))
    return "" if sane(ours, theirs, placed[:468]) else "a picture that shows no face"


def bounded(face: Floats, guide: Floats) -> Floats:
    """A face (s, s, 3) that is nowhere much darker or brighter than its guide (s, s, 3), grey levels both; its detail stays."""
    ours, theirs = (cv2.blur(cv2.resize(picture, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA).mean(axis=2), (3, 3)) + _SOFT
                    for picture in (face, guide))  # fmt: skip
    allowed = np.clip(ours, _DARKEST * theirs, _BRIGHTEST * theirs)
    if np.array_equal(allowed, ours):
        return face
    factor = cv2.resize(np.asarray(allowed / ours, np.float32), face.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(face * factor[..., None], np.float32)


__all__ = ["bounded", "fault"]
