"""The target's own glasses: found in their face in texture space, and kept on top of the new face while rims are seen."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh.glasses import SIZE, outline, signs
from models.mesh.rasterise import rasterise
from models.mesh.rims import Rims, likeness, rims
from models.mesh.topology import TRIANGLES, UV, VERTICES, normals
from models.mesh.unwrap import spread

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

# The face is looked at often in the beginning and while glasses are kept, else seldom; glasses are sought often in the
# beginning and where there may be some, else now and then: every other time in the slow picture, and else in the last look.
_LOOK_SECONDS, _KEEP_SECONDS, _LATER_SECONDS = 0.15, 0.4, 0.6
_EARLY_LOOKS = 8
_FIRST_LOOKS, _TURNS = 3, 2
_EARLY_SECONDS, _SEEK_SECONDS, _AGAIN_SECONDS = 0.3, 0.8, 1.6
_MEMORY_SECONDS = 4.0
# The mask has this many pixels along its longer side: a rim is then two or three wide.
_DRAWN = 320
# Landmarks about the eyes shake a little against rims.
_SPREAD = 3
# More squarely than this, 0..1, a texel has to be seen.
_SQUARE = 0.3
# How sure a find in one look has to be, and how sure where wrinkles may have made it, unless the slow picture nearly agrees.
_SURE, _PLAIN, _NEARLY = 0.5, 3.5, -1.5
# Shares of how much rims usually look like themselves (0.7 to 0.95; somebody else's face without glasses up to 0.5, one's own
# up to 0.7 where the rims are faint): less than this and they are gone, less than that and they have to be found again, more
# than that and they are back.  What the newest look decides of how they look now and usually.
_GONE, _UNSURE, _BACK = 0.65, 0.85, 0.85
_NOW, _USUALLY = 0.5, 0.1
# So many looks in turn without rims take glasses off; what so many searches in turn have not found has been a mistake.
_MISSES, _DOUBTED = 3, 8
# Thinner than this share of the face's width is a rim; so many grey levels from its surroundings it begins to be seen, and
# so many more it is clear.
_THIN = 0.02
_FAINT, _CLEAR = 5.0, 12.0
# A band of which less than this is thin and which is as dark as this against its surroundings holds a thick frame.
_LEAST_THIN, _DARK = 0.03, 0.75


class Worn:
    """Follows one person's glasses; called for every frame in turn.

    They are found in a slow picture of the face or in a single look; then they stay until several looks in turn are no
    longer like the rims that were found.
    """

    def __init__(self) -> None:
        self._sum = np.zeros((SIZE, SIZE, 3), np.float32)
        self._weight = np.zeros((SIZE, SIZE), np.float32)
        self._looks = 0
        self._looked: float | None = None
        self._sought: float | None = None
        self._picture = np.zeros((SIZE, SIZE, 3), np.uint8)
        self._seen = np.zeros((SIZE, SIZE), np.bool_)
        self._slow, self._turn = -np.inf, 0
        self._mask = np.zeros((SIZE, SIZE), np.float32)
        self._rims: Rims | None = None
        self._on, self._unsure, self._misses, self._doubts = False, False, 0, 0
        self._alike, self._usual = 0.0, 0.0

    def __call__(self, image: Bytes, points: Floats, area: tuple[int, int, int, int], time: float) -> Bytes | None:
        """Where glasses are: a picture of the area, uint8, at most 320 px, 255 on them; None where nobody wears any.

        image: (h, w, 3) uint8 BGR.  points: (468, 3) float32 px.  area: left, top, right, bottom px.  time: seconds.
        """
        wait = _LOOK_SECONDS if self._looks < _EARLY_LOOKS else _KEEP_SECONDS if self._rims else _LATER_SECONDS
        nearly = self._looks < _EARLY_LOOKS or self._slow > _NEARLY
        again = _AGAIN_SECONDS if self._on else _EARLY_SECONDS if nearly else _SEEK_SECONDS
        if self._looked is None or not 0 <= time - self._looked < wait:
            self._look(image, points, time)
        elif self._unsure or self._sought is None or not 0 <= time - self._sought < again:
            self._seek(time)
        return self._drawn(image, points, area) if self._on else None

    def _look(self, image: Bytes, points: Floats, time: float) -> None:
        """Unwrap the face as it is now, only what is seen squarely, so that nothing smears; are known rims still there?"""
        passed = _LOOK_SECONDS if self._looked is None else max(0.0, time - self._looked)
        self._looked = time
        across, down = spread(points[:VERTICES, :2], SIZE)
        facing = np.clip((-normals(points)[:, 2] - 0.25) / 0.5, 0.0, 1.0)
        say = spread(np.stack([facing, facing], axis=1), SIZE)[0]
        height, width = image.shape[:2]
        say *= (across >= 0) & (across <= width - 1) & (down >= 0) & (down <= height - 1)
        self._picture = np.asarray(cv2.remap(image, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)
        self._seen = say > _SQUARE
        self._compare()
        fade = np.float32(np.exp(-min(passed, 1.0) / _MEMORY_SECONDS))
        self._sum = self._sum * fade + self._picture * say[..., None]
        self._weight = self._weight * fade + say
        self._looks += 1

    def _compare(self) -> None:
        """Glasses go when what is known of their rims is no longer seen, and come back with it."""
        alike = None if self._rims is None else likeness(self._rims, self._picture, self._seen)
        if alike is None:
            return
        if not self._usual:
            self._alike = self._usual = alike
        self._alike += _NOW * (alike - self._alike)
        if not self._on:
            self._on = self._alike > _BACK * self._usual
            return
        self._usual += _USUALLY * (alike - self._usual)
        self._unsure = self._alike < _UNSURE * self._usual
        if self._alike < _GONE * self._usual:
            self._miss()
        elif not self._unsure:
            self._misses = 0

    def _miss(self) -> None:
        """One more look without rims."""
        self._unsure = False
        self._misses += 1
        if self._misses >= _MISSES:
            self._on, self._misses = False, 0
            # They are still in the slow picture, in which they must not be found again.
            self._sum[:], self._weight[:], self._looks, self._slow = 0, 0, 0, -np.inf

    def _seek(self, time: float) -> None:
        """Look for glasses in the slow picture or in the last look; where rims move across the face, only that has them."""
        self._sought = time
        self._turn += 1
        slow = self._turn % _TURNS == 0 and self._looks >= _FIRST_LOOKS and not self._unsure
        picture, seen = self._picture, self._seen
        if slow:
            mean = self._sum / np.maximum(self._weight, 1e-3)[..., None]
            picture, seen = np.asarray(np.rint(mean), np.uint8), self._weight > _SQUARE
        found = signs(picture, seen)
        if slow:
            self._slow = max(found.plain, found.faint)
        lasting = self._looks > _EARLY_LOOKS and self._slow > _NEARLY
        sure = self._slow > 0 if slow else found.faint > _SURE or found.plain > (_SURE if lasting else _PLAIN)
        self._doubts = 0 if sure else self._doubts + 1
        if sure and self._unsure:
            self._misses = 0
        elif sure:
            self._keep(picture, cv2.dilate(outline(found), np.ones((_SPREAD, _SPREAD), np.uint8)))
        elif self._unsure:
            self._miss()
        elif self._doubts >= _DOUBTED:
            self._on, self._rims = False, None
        self._unsure = False

    def _keep(self, picture: Bytes, mask: Floats) -> None:
        """Keep the glasses of this picture on; the mask follows over two or three finds, so that nothing flickers."""
        self._mask = np.asarray(0.5 * (self._mask + mask), np.float32) if self._on else mask
        self._usual *= self._on
        self._rims, self._on, self._misses = rims(picture, self._mask), True, 0

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
