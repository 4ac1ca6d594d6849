"""One photo made ready to train on: the aligned crop of each face in it, its landmarks and what each pixel of it shows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.align import crop
from models.detector import Detector
from models.finding import faces, height
from models.generator.view import SIDE, placing, zones
from models.landmarks import Landmarker, Landmarks, Region, region_from_landmarks
from models.mesh.pose import fit
from models.mesh.topology import OVAL

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

# An aligned photo fills its picture, so the first look may take nearly all of it.
_WHOLE = 1.15
# A face of this part of its picture's shorter side fills it: LFW's do with 0.42, CelebA's with 0.55.
_FILLS = 0.35
_LOW, _ASIDE = 48.0, 45.0
_SHARP = 1.2
# Levels between the colours of a pixel, on average over the face; skin has 20 and more, black and white photos under 1.
_COLOURED = 3.0
# Part of the face's outline that may lie outside the picture by more than this part of the face's height.
_CUT, _BEYOND = 0.25, 0.02
# Of a photo of one known person with several faces, one must be larger than the others by this factor to be that person's.
_CLEARLY = 1.5
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
        placed[:, :2] -= _HALF
        return image, placed, zones(placed)


# The centre of the first pixel of the small crop, in the small crop's pixels from the centre of the large one's.
_HALF = np.float32((DRAWN - 1) / (2 * DRAWN))


def enlarged(landmarks: Floats) -> Floats:
    """Landmarks (478, 3) px of a small crop in the large one."""
    placed = landmarks.copy()
    placed[:, :2] += _HALF
    return np.asarray(placed * DRAWN, np.float32)


class Finder:
    """Finds the faces of photos; keeps its models open until close()."""

    def __init__(self) -> None:
        self._landmarker = Landmarker()
        self._detector: Detector | None = None

    def __call__(self, image: Bytes, named: bool) -> list[Photo | str]:
        """Each face of a photo (h, w, 3) uint8 BGR, or why it is of no use.

        named: the photo is of one known person, whose face is the one that fills it or is by far the largest.
        """
        first = _look(image, self._landmarker)
        if first is not None and height(first) >= _FILLS * min(image.shape[:2]):
            return [prepare(image, self._landmarker, first)]
        # Only whole photos need the detector.
        self._detector = self._detector or Detector()
        found = sorted(faces(image, self._detector, self._landmarker), key=height, reverse=True)
        if not found:
            return ["no face"]
        if named and len(found) > 1 and height(found[0]) < _CLEARLY * height(found[1]):
            return ["several faces, one name"]
        return [prepare(image, self._landmarker, face) for face in (found[:1] if named else found)]

    def close(self) -> None:
        """Free the models."""
        self._landmarker.close()
        if self._detector:
            self._detector.close()


def prepare(image: Bytes, landmarker: Landmarker, found: Landmarks | None = None) -> Photo | str:
    """A face of a photo (h, w, 3) uint8 BGR, or why it is of no use.

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
    if _outside(image, second) > _CUT:
        return "cut off"
    matrix = placing(second, DRAWN * SIDE)
    placed = second.copy()
    placed[:, :2] = placed[:, :2] @ matrix[:, :2].T.astype(np.float32) + matrix[:, 2].astype(np.float32)
    placed[:, 2] *= np.float32(np.hypot(*matrix[0, :2]))
    cut = crop(image, matrix, DRAWN * SIDE, cv2.BORDER_REPLICATE)
    middle = cv2.resize(cut, (SIDE, SIDE), interpolation=cv2.INTER_AREA)[SIDE // 4 : -SIDE // 8, SIDE // 4 : -SIDE // 4]
    if _detail(middle) < _SHARP:
        return "blurred"
    # Nobody is black and white before a camera; skin without colour would be learned as one that people have.
    if float(np.mean(middle.max(axis=2) - middle.min(axis=2))) < _COLOURED:
        return "black and white"
    return Photo(cut, placed)


def _look(image: Bytes, landmarker: Landmarker) -> Landmarks | None:
    rows, columns = image.shape[:2]
    return landmarker(image, [Region(columns / 2, rows / 2, _WHOLE * max(rows, columns), 0.0)])[0]


def _outside(image: Bytes, landmarks: Landmarks) -> float:
    """Part of the face's outline that lies outside the picture."""
    outline = landmarks[OVAL, :2]
    beyond = np.maximum(-outline, outline - np.array(image.shape[1::-1], np.float32)).max(axis=1)
    return float((beyond > _BEYOND * height(landmarks)).mean())


def _detail(middle: NDArray[np.uint8]) -> float:
    """Mean size of detail of about two pixels, in grey levels."""
    grey = cv2.cvtColor(middle, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return float(np.abs(cv2.GaussianBlur(grey, (0, 0), 0.8) - cv2.GaussianBlur(grey, (0, 0), 1.6)).mean())


__all__ = ["DRAWN", "Finder", "Photo", "enlarged", "prepare"]
