"""Covering a face that should be swapped and cannot be, so that the real one is not seen."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.config import BlendSettings
from realtime.frame import Face, Image, Points

# A detection box ends at brows and chin; hair, ears and neck recognise a person too.
_MARGIN = 0.35
_CELLS = 5


def covered(face: Face, settings: BlendSettings) -> bool:
    """Whether nothing of a face is to be seen: it should have a patch and has none, and may not pass bare."""
    return face.patch is None and face.lost and settings.on_lost != "pass"


def cover(image: Image, box: Points, how: Literal["blur", "blank"], strength: float = 1.0) -> None:
    """Make the face in `box` (left, top, right, bottom) unrecognisable, in place.

    blur: five by five cells of mean colour, smoothly joined: nothing finer than a fifth of a head survives.
    blank: one colour.  The cover is an ellipse about the box with a soft rim outside it.
    strength: 0..1, how opaque it is.
    """
    where, share = ellipse(box, *image.shape[:2])
    area = image[where]
    if not area.size:
        return
    rows, columns = area.shape[:2]
    cells = 1 if how == "blank" else _CELLS
    coarse = cv2.resize(area, (min(cells, columns), min(cells, rows)), interpolation=cv2.INTER_AREA)
    covered = cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC)
    alpha = share[..., None] * np.float32(strength)
    area[:] = np.rint(area + alpha * (covered.astype(np.float32) - area)).astype(np.uint8)


def ellipse(box: Points, height: int, width: int) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
    """Where in a frame of that size the cover of a face lies, rows and columns, and how opaque it is there, 0..1."""
    if not np.isfinite(box).all():
        box = np.array([0, 0, width, height], np.float32)
    margin = _MARGIN * max(float(box[2] - box[0]), float(box[3] - box[1]), 1.0)
    left, top = (int(np.floor(max(0.0, float(v) - margin))) for v in box[:2])
    right, bottom = int(np.ceil(min(width, float(box[2]) + margin))), int(np.ceil(min(height, float(box[3]) + margin)))
    right, bottom = max(left, right), max(top, bottom)
    centre = ((float(box[0] + box[2])) / 2 - left, (float(box[1] + box[3])) / 2 - top)
    y, x = np.ogrid[0 : bottom - top, 0 : right - left]
    half = (float(box[2] - box[0]) / 2 + margin, float(box[3] - box[1]) / 2 + margin)
    away = ((x - centre[0]) / half[0]) ** 2 + ((y - centre[1]) / half[1]) ** 2
    return (slice(top, bottom), slice(left, right)), np.clip((1.0 - away) / 0.15, 0.0, 1.0).astype(np.float32)


__all__ = ["cover", "covered", "ellipse"]
