"""The target's own glasses: found in a slow picture of their face in texture space, and kept on top of the new face."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh.glasses import SIZE, glasses
from models.mesh.rasterise import rasterise
from models.mesh.topology import TRIANGLES, UV, VERTICES, normals
from models.mesh.unwrap import spread

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

# The face is looked at often in the beginning and seldom later; glasses are sought after a few looks, then now and then.
_LOOK_SECONDS, _LATER_SECONDS = 0.15, 0.6
_EARLY_LOOKS = 8
_FIRST_LOOKS = 3
_SEEK_SECONDS = 1.0
_MEMORY_SECONDS = 4.0
# The mask has this many pixels along its longer side: a rim is then two or three wide.
_DRAWN = 320
# Landmarks about the eyes shake a little against rims.
_SPREAD = 3
_KEPT = 0.25
# A find keeps the glasses on for so many more searches, several for at most so many; once they are off, nothing there is thin.
_FIND, _SUREST = 6, 10
# Thinner than this share of the face's width is a rim; so many grey levels from its surroundings it begins to be seen, and
# so many more it is clear.
_THIN = 0.02
_FAINT, _CLEAR = 5.0, 12.0
# A band of which less than this is thin and which is as dark as this against its surroundings holds a thick frame.
_LEAST_THIN, _DARK = 0.03, 0.75


class Worn:
    """Follows one person's glasses; called for every frame in turn."""

    def __init__(self) -> None:
        self._sum = np.zeros((SIZE, SIZE, 3), np.float32)
        self._weight = np.zeros((SIZE, SIZE), np.float32)
        self._looks = 0
        self._looked: float | None = None
        self._sought: float | None = None
        self._mask = np.zeros((SIZE, SIZE), np.float32)
        self._sure = 0

    def __call__(self, image: Bytes, points: Floats, area: tuple[int, int, int, int], time: float) -> Bytes | None:
        """Where glasses are: a picture of the area, uint8, at most 320 px, 255 on them; None where nobody wears any.

        image: (h, w, 3) uint8 BGR.  points: (468, 3) float32 px.  area: left, top, right, bottom px.  time: seconds.
        """
        wait = _LOOK_SECONDS if self._looks < _EARLY_LOOKS else _LATER_SECONDS
        if self._looked is None or not 0 <= time - self._looked < wait:
            self._look(image, points, time)
        elif self._looks >= _FIRST_LOOKS and (self._sought is None or not 0 <= time - self._sought < _SEEK_SECONDS):
            self._seek(time)
        return self._drawn(image, points, area) if self._mask.any() else None

    def _look(self, image: Bytes, points: Floats, time: float) -> None:
        """Take the face as it is now into the slow picture; only what is seen squarely, so that nothing smears."""
        passed = _LOOK_SECONDS if self._looked is None else max(0.0, time - self._looked)
        self._looked = time
        across, down = spread(points[:VERTICES, :2], SIZE)
        facing = np.clip((-normals(points)[:, 2] - 0.25) / 0.5, 0.0, 1.0)
        say = spread(np.stack([facing, facing], axis=1), SIZE)[0]
        height, width = image.shape[:2]
        say *= (across >= 0) & (across <= width - 1) & (down >= 0) & (down <= height - 1)
        colours = cv2.remap(image, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        fade = np.float32(np.exp(-min(passed, 1.0) / _MEMORY_SECONDS))
        self._sum = self._sum * fade + colours * say[..., None]
        self._weight = self._weight * fade + say
        self._looks += 1

    def _seek(self, time: float) -> None:
        """Look for glasses in the slow picture; the mask follows over two or three searches, so that nothing flickers."""
        self._sought = time
        picture = self._sum / np.maximum(self._weight, 1e-3)[..., None]
        found = glasses(np.asarray(np.rint(picture), np.uint8), self._weight > 0.3)
        found = cv2.dilate(found, np.ones((_SPREAD, _SPREAD), np.uint8))
        seen = bool(found.max() > _KEPT)
        # Rims that are hard to see are found now and then; what comes and goes would look worse than either.
        self._sure = min(self._sure + _FIND, _SUREST) if seen else max(self._sure - 1, 0)
        if seen:
            self._mask = found if not self._mask.any() else np.asarray(0.5 * (self._mask + found), np.float32)
        elif not self._sure:
            self._mask[:] = 0

    def _drawn(self, image: Bytes, points: Floats, area: tuple[int, int, int, int]) -> Bytes:
        """The mask as the camera sees it."""
        left, top, right, bottom = area
        scale = min(1.0, _DRAWN / max(right - left, bottom - top))
        width, height = max(8, round((right - left) * scale)), max(8, round((bottom - top) * scale))
        factor = np.array([width / (right - left), height / (bottom - top)], np.float32)
        placed = np.ascontiguousarray((points[:VERTICES, :2] - (left, top)) * factor, np.float32)
        across, down, nearest = np.empty((3, height, width), np.float32)
        depth = np.ascontiguousarray(points[:VERTICES, 2])
        rasterise(placed, depth, TRIANGLES, UV * np.float32(SIZE - 1), across, down, nearest)
        drawn = cv2.remap(self._mask, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        found = np.asarray(cv2.convertScaleAbs(drawn, alpha=255.0), np.uint8)
        return _thin(found, cv2.resize(image[top:bottom, left:right], (width, height), interpolation=cv2.INTER_AREA))


def _thin(found: Bytes, picture: Bytes) -> Bytes:
    """Of the band in which rims were found, what is thin or glares in this frame: brows and skin beside a rim are neither.

    found: (h, w) uint8.  picture: (h, w, 3) uint8 BGR of the same place.  A band that is rim all through (thick frames)
    stays whole.
    """
    rows = np.flatnonzero(found.any(axis=1))
    if not len(rows):
        return found
    inside = slice(int(rows[0]), int(rows[-1]) + 1)
    band, grey = found[inside], cv2.cvtColor(picture[inside], cv2.COLOR_BGR2GRAY)
    across = max(3, round(found.shape[1] * _THIN)) | 1
    kernel = np.ones((across, across), np.uint8)
    sharp = cv2.max(cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, kernel), cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, kernel))
    clear = cv2.convertScaleAbs(cv2.subtract(sharp, _FAINT), alpha=255.0 / _CLEAR)
    chosen = band > 127
    if not chosen.any():
        return found
    thick = float(np.median(grey[chosen])) < _DARK * float(np.median(grey[~chosen])) if not chosen.all() else False
    if thick and float(clear[chosen].mean()) < 255 * _LEAST_THIN:
        return found
    result = np.zeros_like(found)
    result[inside] = cv2.min(band, cv2.blur(cv2.dilate(clear, np.ones((3, 3), np.uint8)), (3, 3)))
    return result
