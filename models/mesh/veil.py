"""What lies before a face: hands, cups, microphones, hair; found as what the face itself never looks like.

The target's own face is learned in texture space, free of light: a slow model that remembers and a fast one that follows
the last moments, both only where the face is seen.  Texels that fit neither, hang together and reach in from the rim
are not face.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh import surface
from models.mesh.rasterise import rasterise
from models.mesh.surface import SIZE
from models.mesh.topology import TRIANGLES, UV, VERTICES, normals
from models.mesh.unwrap import spread

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

# The face is looked at with this many pixels along its longer side.
_LOOKED = 160
_SLOW_SECONDS, _FAST_SECONDS = 8.0, 0.25
_LEARN_SECONDS = 0.5
# Mean squared deviation, in spreads, above which something begins to be foreign, and above which it surely is.
_MAYBE, _SURELY = 4.0, 12.0
_LEAST_TEXELS = 60
# More than this share of what is seen of a face is never given up: then the model is wrong, not the face hidden.
_MOST = 0.75


class Veil:
    """Follows what lies before one person's face; called for every frame in turn."""

    def __init__(self) -> None:
        self._face = surface.Surface()
        self._veil = np.zeros((SIZE, SIZE), np.uint8)
        self._calls = 0
        self._time: float | None = None

    def __call__(self, image: Bytes, points: Floats, area: tuple[int, int, int, int], time: float, every: int = 1) -> Bytes:
        """How far something lies before the face: a picture of the area, uint8, at most 160 px; 255 where it hides the face.

        image: (h, w, 3) uint8 BGR.  points: (468, 3) float32 px.  area: left, top, right, bottom px, inside the frame.
        time: seconds.  every: it is looked for in every n-th call and carried with the face in between; 0 never.
        """
        left, top, right, bottom = area
        height, width = bottom - top, right - left
        self._calls += 1
        due = every > 0 and (self._time is None or self._calls % every == 0)
        scale = min(1.0, _LOOKED / max(height, width))
        size = (max(8, round(width * scale)), max(8, round(height * scale)))
        if not due and not self._veil.any():
            return np.zeros(size[::-1], np.uint8)
        small = np.asarray(cv2.resize(image[top:bottom, left:right], size, interpolation=cv2.INTER_AREA), np.uint8)
        factor = np.array([size[0] / width, size[1] / height], np.float32)
        placed = np.ascontiguousarray((points[:VERTICES, :2] - (left, top)) * factor, np.float32)
        depth = np.ascontiguousarray(points[:VERTICES, 2] * factor[0], np.float32)
        planes = np.empty((3, size[1], size[0]), np.float32)
        rasterise(placed, depth, TRIANGLES, UV * np.float32(SIZE - 1), planes[0], planes[1], planes[2])
        if due:
            self._look(small, placed, depth, planes[2], time)
        if not self._veil.any():
            return np.zeros(size[::-1], np.uint8)
        carried = cv2.remap(self._veil, planes[0], planes[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return _refined(np.asarray(carried, np.uint8), small)

    def _look(self, small: Bytes, placed: Floats, depth: Floats, nearest: Floats, time: float) -> None:
        """One look at the face; updates veil and model."""
        step = 0.0 if self._time is None else min(0.5, max(0.0, time - self._time))
        self._time = time
        across, down = spread(placed, SIZE)
        facing, deep = spread(np.stack([_facing(placed, depth), depth], axis=1), SIZE)
        colours = cv2.remap(small, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        front = cv2.remap(nearest, across, down, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
        inside = (across >= 0) & (across <= small.shape[1] - 1) & (down >= 0) & (down <= small.shape[0] - 1)
        seen = np.where(inside & (deep < front + 0.06 * max(small.shape[:2])), np.clip((facing - 0.15) / 0.35, 0.0, 1.0), 0.0)
        seen = seen.astype(np.float32)
        look = surface.features(np.asarray(colours, np.uint8))
        odd = self._face.compare(look, seen, self._veil)
        if self._face.age >= _LEARN_SECONDS:
            self._veil = _segment(odd, seen, self._veil)
        self._face.learn(seen * (cv2.dilate(self._veil, np.ones((7, 7), np.uint8)) == 0), step, _SLOW_SECONDS, _FAST_SECONDS)


def _facing(points: Floats, depth: Floats) -> Floats:
    return np.clip(-normals(np.column_stack([points, depth]))[:, 2], 0.0, 1.0).astype(np.float32)


def _segment(odd: Floats, seen: Floats, before: Bytes) -> Bytes:
    """From deviations to pieces: sure ones and what hangs on them, that reach in from the rim, without holes."""
    say = (seen > 0.05).astype(np.float32)
    total, weight = cv2.blur(np.minimum(odd, 40.0) * say, (5, 5)), cv2.blur(say, (5, 5))
    mean = total / np.maximum(weight, 0.05)
    # What was veiled a moment ago needs less to remain so.
    mean *= np.where(before > 0, 1.5, 1.0)
    known = weight > 0.05
    maybe = (mean > _MAYBE) & known
    count, labels, stats, _ = cv2.connectedComponentsWithStats(maybe.astype(np.uint8), connectivity=8)
    if count < 2:
        return np.zeros_like(before)
    surely = np.bincount(labels[(mean > _SURELY) & maybe], minlength=count)
    rim = np.bincount(labels[surface.rim() & maybe], minlength=count)
    good = (surely >= _LEAST_TEXELS // 2) & (rim > 0) & (stats[:, cv2.CC_STAT_AREA] >= _LEAST_TEXELS)
    good[0] = False
    veil = np.asarray(good[labels], np.uint8) * 255
    veil = cv2.morphologyEx(veil, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    veil = np.asarray(_filled(veil), np.uint8)
    share = float((veil > 0)[say > 0].mean()) if say.any() else 0.0
    return before if share > _MOST else veil


def _filled(veil: Bytes) -> Bytes:
    """The veil without holes: what cannot be reached from the bare face's largest part."""
    bare = ((veil == 0) & surface.outline()).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bare, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < 120
    small[0] = False
    return np.asarray(np.where(small[labels], 255, veil), np.uint8)


def _refined(veil: Bytes, guide: Bytes) -> Bytes:
    """The veil's edge laid onto the picture's own edges (He et al. 2010, "Guided image filtering")."""
    grey = cv2.cvtColor(guide, cv2.COLOR_BGR2GRAY).astype(np.float32) / 255.0
    soft = veil.astype(np.float32) / 255.0
    box = (9, 9)
    mean, mean_soft = cv2.blur(grey, box), cv2.blur(soft, box)
    slope = (cv2.blur(grey * soft, box) - mean * mean_soft) / (cv2.blur(grey * grey, box) - mean * mean + 0.001)
    offset = mean_soft - slope * mean
    fine = cv2.blur(slope, box) * grey + cv2.blur(offset, box)
    return np.asarray(np.clip((fine - 0.3) * (255 / 0.4), 0, 255), np.uint8)
