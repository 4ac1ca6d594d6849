"""One photo of a face made ready to train on: the aligned crop, its landmarks and what each pixel of it shows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.align import crop
from models.finding import height
from models.generator.view import SIDE, placing, zones
from models.landmarks import Landmarker, Landmarks, Region, region_from_landmarks
from models.mesh.pose import fit

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

# An aligned photo fills its picture, so the first look may take nearly all of it.
_WHOLE = 1.15
_LOW, _ASIDE = 48.0, 45.0
_SHARP = 1.2
DRAWN = 2
"""Guides are drawn in a crop so many times as large, and made smaller: a live guide is smaller than its face, too."""


@dataclass(frozen=True, slots=True)
class Photo:
    """crop: (256, 256, 3) uint8 BGR.  landmarks: (478, 3) float32 px in it."""

    crop: Bytes
    landmarks: Floats

    def small(self) -> tuple[Bytes, Floats, Bytes]:
        """Crop (128, 128, 3), landmarks (478, 3) px in it, and its zones."""
        image = np.asarray(cv2.resize(self.crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
        placed = self.landmarks / np.float32(DRAWN)
        placed[:, :2] -= np.float32((DRAWN - 1) / (2 * DRAWN))
        return image, placed, zones(placed)


def prepare(image: Bytes, landmarker: Landmarker, found: Landmarks | None = None) -> Photo | str:
    """The face of a photo (h, w, 3) uint8 BGR, or why it is of no use.

    found: its landmarks where they are known already; otherwise the face has to fill most of the picture.
    """
    first = found if found is not None else _look(image, landmarker)
    second = landmarker(image, [region_from_landmarks(first)])[0] if first is not None else None
    if second is None:
        return "no face"
    if height(second) < _LOW:
        return "too small"
    if fit(second).aside > _ASIDE:
        return "seen from the side"
    matrix = placing(second, DRAWN * SIDE)
    placed = second.copy()
    placed[:, :2] = placed[:, :2] @ matrix[:, :2].T.astype(np.float32) + matrix[:, 2].astype(np.float32)
    placed[:, 2] *= np.float32(np.hypot(*matrix[0, :2]))
    cut = crop(image, matrix, DRAWN * SIDE, cv2.BORDER_REPLICATE)
    if _detail(cut) < _SHARP:
        return "blurred"
    return Photo(cut, placed)


def _look(image: Bytes, landmarker: Landmarker) -> Landmarks | None:
    rows, columns = image.shape[:2]
    return landmarker(image, [Region(columns / 2, rows / 2, _WHOLE * max(rows, columns), 0.0)])[0]


def _detail(image: Bytes) -> float:
    """Mean size of detail of about two pixels in the middle of the crop made as small as it is trained on, grey levels."""
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)[SIDE // 4 : -SIDE // 8, SIDE // 4 : -SIDE // 4]
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return float(np.abs(cv2.GaussianBlur(grey, (0, 0), 0.8) - cv2.GaussianBlur(grey, (0, 0), 1.6)).mean())


__all__ = ["DRAWN", "Photo", "prepare"]
