"""Covering a face that should be swapped and cannot be, so that the real one is not seen."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from realtime.frame import Image, Points

# A detection box ends at brows and chin; hair, ears and neck recognise a person too.
_MARGIN = 0.35
_CELLS = 5


def cover(image: Image, box: Points, how: Literal["blur", "blank"], strength: float = 1.0) -> None:
    """Make the face in `box` (left, top, right, bottom) unrecognisable, in place.

    blur: five by five cells of mean colour, smoothly joined: nothing finer than a fifth of a head survives.
    blank: one colour.  The cover is an ellipse about the box with a soft rim outside it.
    strength: 0..1, how opaque it is.
    """
    height, width = image.shape[:2]
    if not np.isfinite(box).all():
        box = np.array([0, 0, width, height], np.float32)
    margin = _MARGIN * max(float(box[2] - box[0]), float(box[3] - box[1]), 1.0)
    left, top = (int(np.floor(max(0.0, float(v) - margin))) for v in box[:2])
    right, bottom = int(np.ceil(min(width, float(box[2]) + margin))), int(np.ceil(min(height, float(box[3]) + margin)))
    if right - left < 1 or bottom - top < 1:
        return
    area = image[top:bottom, left:right]
    cells = 1 if how == "blank" else _CELLS
    coarse = cv2.resize(area, (min(cells, right - left), min(cells, bottom - top)), interpolation=cv2.INTER_AREA)
    covered = cv2.resize(coarse, (right - left, bottom - top), interpolation=cv2.INTER_CUBIC)
    centre = ((float(box[0] + box[2])) / 2 - left, (float(box[1] + box[3])) / 2 - top)
    y, x = np.ogrid[0 : bottom - top, 0 : right - left]
    half = (float(box[2] - box[0]) / 2 + margin, float(box[3] - box[1]) / 2 + margin)
    away = ((x - centre[0]) / half[0]) ** 2 + ((y - centre[1]) / half[1]) ** 2
    alpha = (strength * np.clip((1.0 - away) / 0.15, 0.0, 1.0))[..., None].astype(np.float32)
    area[:] = np.rint(area + alpha * (covered.astype(np.float32) - area)).astype(np.uint8)
