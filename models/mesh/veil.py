"""What lies before a face: hands, cups, microphones, hair; found as what the face itself never looks like.

The target's own face is learned in texture space, free of light (`surface.Surface`).  Texels that do not fit it, hang
together and reach in from the rim are not face: an occluder comes from outside, blinks, words and wrinkles do not.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.hands import Hands
from models.mesh import surface, touch
from models.mesh.looks import SIZE, features
from models.mesh.rasterise import rasterise
from models.mesh.topology import TRIANGLES, UV, VERTICES, normals
from models.mesh.unwrap import spread

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

# The face is looked at with this many pixels along its longer side.
_LOOKED = 160
_LEARN_SECONDS = 0.5
# So many seconds after a look the next one is due, however few frames came.
_LATEST = 0.075
# More change than this share of the texture and something moves: the next frame is looked at too.
_MOVING = 0.01
# A texel this far off (logarithm of squared spreads) is strong; `_GUIDE` and `_AROUND` are radii in texels.
_STRONG, _GUIDE, _AROUND, _LOCAL = 2.0, 4, 16, 12
# Logistic regression over composed clips: how far off a texel is, how much around it is, and the rest.
_OWN, _NEIGHBOURS, _REST = 0.68, 7.66, 5.6
_SURELY, _SURE_TEXELS, _LEAST_TEXELS = 2.5, 80, 60
# What is veiled must be this far off; beside what is far more so (shadows, a mesh pulled askew), much more.
_OFF, _LEVEL, _STEEP = 1.5, 3.0, 0.9
# What was veiled a moment ago needs less to remain so.
_KEEP_SCORE, _KEEP_OFF = 0.6, 0.2
# Holes smaller than this belong to what surrounds them.
_HOLE_TEXELS = 120
# More than this share of what is seen of a face is never given up: then the model is wrong, or the track.
_MOST = 0.6
_WRONG_SECONDS = 1.0
# So much more from one look to the next comes from no hand, but from a cut or from somebody else: the face is learned anew.
_SUDDEN = 0.4
# So it is when nothing was seen of it for so many seconds.
_ABSENT = 0.5
# How fast what fits less well, and small pieces of the veil, are learned all the same.
_FITS, _FITS_WIDTH, _FITS_LEAST = 1.8, 0.8, 0.4
_SMALL, _SMALL_PACE = 0.1, 0.3


class Veil:
    """Follows what lies before one person's face; called for every frame in turn.

    looks: how often it was looked for so far.  touch: the hands near the face.
    """

    def __init__(self) -> None:
        self._face = surface.Surface()
        self._veil = np.zeros((SIZE, SIZE), np.uint8)
        self._hand = np.zeros((SIZE, SIZE), np.uint8)
        self.touch = touch.Touch()
        self.looks = 0
        self._calls = 0
        self._time: float | None = None
        self._moving = False
        self._wrong = 0.0
        # Nobody knows yet what this face looks like: a hand may lie on it from the first.
        self._odd = 1.0

    def __call__(
        self, image: Bytes, points: Floats, area: tuple[int, int, int, int], time: float, every: int = 1, hands: Hands | None = None
    ) -> Bytes:
        """How far something lies before the face: a picture of the area, uint8, at most 160 px; 255 where it hides the face.

        image: (h, w, 3) uint8 BGR.  points: (468, 3) float32 px.  area: left, top, right, bottom px, inside the frame.
        time: seconds.  every: it is looked for in every n-th call, oftener while something moves, and carried with the
        face in between.  hands: finds them, whatever their colour; None: hands are found only by what they look like.
        Nothing but a hand is veiled before the face is known, half a second.
        """
        left, top, right, bottom = area
        height, width = bottom - top, right - left
        scale = min(1.0, _LOOKED / max(height, width))
        size = (max(8, round(width * scale)), max(8, round(height * scale)))
        self._calls += 1
        due = self._time is None or self._calls % every == 0 or self._moving or not 0 <= time - self._time <= _LATEST
        if not due and not self._veil.any():
            return np.zeros(size[::-1], np.uint8)
        small = np.asarray(cv2.resize(image[top:bottom, left:right], size, interpolation=cv2.INTER_AREA), np.uint8)
        factor = np.array([size[0] / width, size[1] / height], np.float32)
        placed = np.ascontiguousarray((points[:VERTICES, :2] - (left, top)) * factor, np.float32)
        depth = np.ascontiguousarray(points[:VERTICES, 2] * factor[0], np.float32)
        planes = np.empty((3, size[1], size[0]), np.float32)
        rasterise(placed, depth, TRIANGLES, UV * np.float32(SIZE - 1), planes[0], planes[1], planes[2])
        if due:
            self.looks += 1
            found = self.touch(hands, image, area, time, self._odd) if hands else []
            away = touch.distance([(hand[:, :2] - (left, top)) * factor for hand in found], small) if found else None
            self._look(small, placed, depth, planes[2], time, away)
        if not self._veil.any():
            return np.zeros(size[::-1], np.uint8)
        carried = cv2.remap(self._veil, planes[0], planes[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return _refined(_over_holes(np.asarray(carried, np.uint8), planes[0] >= 0), small)

    def _look(self, small: Bytes, placed: Floats, depth: Floats, nearest: Floats, time: float, away: Floats | None) -> None:
        """One look at the face; updates veil and model.  away: picture of the distance from hands, None without them."""
        passed = 0.0 if self._time is None else time - self._time
        step = passed if 0 <= passed <= _ABSENT else 0.0
        if step != passed:
            self._forget()
        self._time = time
        across, down = spread(placed, SIZE)
        directions = normals(np.column_stack([placed, depth]))
        facing, deep = spread(np.stack([np.clip(-directions[:, 2], 0.0, 1.0), depth], axis=1), SIZE)
        colours = cv2.remap(small, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        front = cv2.remap(nearest, across, down, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
        seen = (across >= 0) & (across <= small.shape[1] - 1) & (down >= 0) & (down <= small.shape[0] - 1)
        seen &= deep < front + 0.06 * max(small.shape[:2])
        squarely = np.where(seen, np.clip((facing - 0.15) / 0.35, 0.0, 1.0), 0.0).astype(np.float32)
        odd = self._face.compare(features(np.asarray(colours, np.uint8)), squarely, self._veil, _state(placed, directions))
        away = None if away is None else cv2.remap(away, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        say = (squarely > 0.1).astype(np.float32)
        if self._face.age < _LEARN_SECONDS:
            self._hand = np.zeros_like(self._veil) if away is None else touch.texels(away, odd, np.zeros_like(say, np.bool_))
            self._veil, self._odd = self._hand, 0.0
            self._face.learn(np.where(self._hand > 0, np.float32(0.0), squarely), step)
            return
        off = _guided(odd, self._face.even[..., 0], say)
        self._odd = float(np.count_nonzero((off > _STRONG) & (say > 0))) / max(float(say.sum()), 1.0)
        veil, hand = _segment(off, say, self._veil), np.zeros_like(self._veil)
        veil = self._face.unmask(veil, say)
        told = (say > 0) & self._face.known
        if away is not None and touch.doubtful(away, off, told):
            self.touch.hands = []
        elif away is not None:
            hand = touch.texels(away, off, told)
            veil = touch.others(veil, hand, away, off)
        self._follow(veil, hand, say, step)
        if self._face.age:
            rest = np.where(self._hand > 0, np.uint8(0), self._veil)
            self._face.learn(np.where(self._hand > 0, np.float32(0.0), squarely * _pace(off, rest, say)), step)
            self._face.release(rest, step)

    def _follow(self, veil: Bytes, hand: Bytes, say: Floats, step: float) -> None:
        """Take the veil over, and the hand, unless it would bare most of the face; after a second of that the face is learned anew."""
        # Hands may come as fast and cover as much as they like.
        judged = (say > 0) & (hand == 0) & (self._hand == 0)
        seen = max(1, int(np.count_nonzero(say)))
        share, before = (np.count_nonzero(judged & (each > 0)) / seen for each in (veil, self._veil))
        self._wrong = self._wrong + step if share > _MOST else 0.0
        if share - before > _SUDDEN or self._wrong > _WRONG_SECONDS:
            self._forget()
        elif share <= _MOST:
            veil = np.maximum(veil, hand)
            self._moving = float((veil != self._veil).mean()) > _MOVING
            self._veil, self._hand = veil, hand

    def _forget(self) -> None:
        self._face, self._wrong, self._moving, self._odd = surface.Surface(), 0.0, False, 1.0
        self._veil, self._hand = np.zeros((SIZE, SIZE), np.uint8), np.zeros((SIZE, SIZE), np.uint8)


def _state(points: Floats, directions: Floats) -> Floats:
    """What a face's looks depend on: where it points (two numbers), and how far the mouth is open."""
    height = float(np.hypot(*(points[10] - points[152])))
    return np.array([*directions[:, :2].mean(axis=0), np.hypot(*(points[13] - points[14])) / max(height, 1.0)], np.float32)


def _mean(values: Floats, say: Floats, radius: int) -> Floats:
    """Means over squares, of what is seen."""
    size = (2 * radius + 1, 2 * radius + 1)
    return np.asarray(cv2.blur(values * say, size) / np.maximum(cv2.blur(say, size), 0.02), np.float32)


def _guided(values: Floats, guide: Floats, say: Floats) -> Floats:
    """Values smoothed within the guide's edges (He et al. 2010, "Guided image filtering")."""
    mean, mean_values = _mean(guide, say, _GUIDE), _mean(values, say, _GUIDE)
    slope = (_mean(guide * values, say, _GUIDE) - mean * mean_values) / (_mean(guide * guide, say, _GUIDE) - mean * mean + 0.003)
    return _mean(slope, say, _GUIDE) * guide + _mean(mean_values - slope * mean, say, _GUIDE)


def _segment(off: Floats, say: Floats, before: Bytes) -> Bytes:
    """From deviations to pieces: sure ones and what hangs on them, that reach in from the rim, without small holes."""
    strong = np.where(off > _STRONG, say, 0.0).astype(np.float32)
    held = (before > 0).astype(np.float32)
    score = _OWN * off + _NEIGHBOURS * _mean(strong, say, _AROUND) - _REST + _KEEP_SCORE * held
    needed = _OFF + np.maximum(0.0, _STEEP * (_mean(np.minimum(off, 9.0), strong, _LOCAL) - _LEVEL)) - _KEEP_OFF * held
    maybe = (score > 0) & (say > 0) & (off > needed)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(maybe.astype(np.uint8), connectivity=8)
    surely = np.bincount(labels[maybe & (score > _SURELY)], minlength=count)
    at_rim = np.bincount(labels[maybe & surface.rim()], minlength=count)
    good = (surely >= _SURE_TEXELS) & (at_rim > 0) & (stats[:, cv2.CC_STAT_AREA] >= _LEAST_TEXELS)
    good[0] = False
    if not good.any():
        return np.zeros_like(before)
    veil = cv2.morphologyEx(np.asarray(good[labels], np.uint8) * 255, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    # What is not seen squarely enough to be judged goes with its neighbours.
    veil = np.where(say > 0, veil, cv2.dilate(veil, np.ones((9, 9), np.uint8)))
    bare = ((veil == 0) & surface.outline()).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(bare, connectivity=4)
    hole = stats[:, cv2.CC_STAT_AREA] < _HOLE_TEXELS
    hole[0] = False
    return np.where(hole[labels], 255, veil).astype(np.uint8)


def _pace(off: Floats, veil: Bytes, say: Floats) -> Floats:
    """How fast each texel is learned, 0..1: what fits at once, what is veiled not at all, or slowly where it is a small piece."""
    fits = np.clip((_FITS - off) / _FITS_WIDTH, _FITS_LEAST, 1.0)
    if not veil.any():
        return fits
    _, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(veil, np.ones((7, 7), np.uint8)), connectivity=8)
    pace = np.where(stats[:, cv2.CC_STAT_AREA] < _SMALL * say.sum(), _SMALL_PACE, 0.0)
    pace[0] = 1.0
    return np.asarray(fits * pace[labels], np.float32)


def _over_holes(veil: Bytes, covered: NDArray[np.bool_]) -> Bytes:
    """The veil (h, w) with eyes and mouth, which the mesh leaves open, as their surroundings are."""
    mesh = covered.astype(np.float32)
    width = 2 * (max(veil.shape) // 12) + 1
    around = cv2.blur(veil * mesh, (width, width)) / np.maximum(cv2.blur(mesh, (width, width)), 0.02)
    return np.where(covered, veil, np.clip(around, 0, 255)).astype(np.uint8)


def _refined(veil: Bytes, guide: Bytes) -> Bytes:
    """The veil's edge laid onto the picture's own edges."""
    grey = cv2.cvtColor(guide, cv2.COLOR_BGR2GRAY).astype(np.float32) / 255.0
    soft = veil.astype(np.float32) / 255.0
    box = (9, 9)
    mean, mean_soft = cv2.blur(grey, box), cv2.blur(soft, box)
    slope = (cv2.blur(grey * soft, box) - mean * mean_soft) / (cv2.blur(grey * grey, box) - mean * mean + 0.001)
    fine = cv2.blur(slope, box) * grey + cv2.blur(mean_soft - slope * mean, box)
    return np.asarray(np.clip((fine - 0.3) * (255 / 0.4), 0, 255), np.uint8)
