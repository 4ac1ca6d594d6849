"""Hands that touch one face: when to look for them, how they are followed, and what they cover."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models.hands import Hands, Points, region_from_hand

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Area = tuple[int, int, int, int]

_WRIST, _MIDDLE, _ROOTS = 0, 9, (5, 9, 17)
_FINGERS = ((1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (17, 18, 19, 20))
_PALM = (0, 1, 2, 5, 9, 13, 17)
_RING = (0, 1, 5, 9, 13, 17, 0)
# Radii in palm lengths (wrist to the middle finger's root), the length of a forearm's stump, and how broad a palm is.
_FINGER, _FAT, _HEEL, _ARM, _STUMP, _BROAD = 0.12, 1.15, 0.14, 0.30, 1.5, 0.8
# Surely a hand, and possibly one, is what lies within so much of these radii.
_SURELY, _POSSIBLY = 0.65, 1.45
_SHIFT = 4
# A palm's length in sizes of the face's box; nearer to the camera than the face, hands look larger than they are.
_SMALLEST, _LARGEST = 0.12, 1.2
# Hands are looked for this far around the face, and followed this far, in sizes of its box.
_AROUND, _NEAR = 0.6, 0.3
# Something is suspected when so much of the face looks unlike itself; so much more, and it is looked at soon.
_SUSPECT, _MORE = 0.03, 0.06
_SOON, _LATE, _FORGOTTEN = 0.1, 3.0, 20.0
_MOST, _SAME = 2, 0.5
# The presence that a new hand needs: faces reach 0.85.
_NEW = 0.86
# What is taken for a hand must be so far off the face on the average, counting no texel as more than this.
_OFF, _OFF_MOST, _TELLING, _TELLING_SHARE = 1.2, 4.0, 60, 0.25
# A texel belongs to a hand when it lies this deep (palm lengths) inside its outline, or less deep, the further it is off the face.
_DEEP, _SHALLOWER = 0.074, 0.024
# What else differs this near a hand is its shadow or a mesh pulled askew by it, unless it is this far off: something it holds.
_BESIDE, _HELD, _LEAST_TEXELS = 0.15, 3.7, 40


class Touch:
    """Follows up to two hands near one person's face.

    hands: landmarks (21, 3) px of each, as of the last call.  searches: how often palms were looked for so far.
    """

    def __init__(self) -> None:
        self.hands: list[Points] = []
        self.searches = 0
        self._last: float | None = None
        self._wait = _SOON
        self._level = 0.0

    def __call__(self, model: Hands, image: Bytes, area: Area, time: float, suspicion: float) -> list[Points]:
        """The hands that are near the face in this frame.

        image: (h, w, 3) uint8 BGR.  area: the face's left, top, right, bottom px.  time: seconds.
        suspicion: 0..1, how much of the face last looked unlike itself.
        """
        found = model(image, [region_from_hand(hand) for hand in self.hands]) if self.hands else []
        self.hands = [hand for hand in found if hand is not None and _sane(hand, area)]
        lost = len(self.hands) < len(found)
        if len(self.hands) < _MOST and suspicion >= _SUSPECT and (lost or self._due(time, suspicion)):
            self.searches += 1
            margin = round(_AROUND * max(area[2] - area[0], area[3] - area[1]))
            around = (area[0] - margin, area[1] - margin, area[2] + margin, area[3] + margin)
            for hand in model(image, model.palms(image, around), _NEW):
                if hand is not None and _sane(hand, area) and not any(_same(hand, other) for other in self.hands):
                    self.hands = [*self.hands, hand][:_MOST]
            self._wait = _SOON if self.hands and not found else min(2 * self._wait, _LATE)
            self._last, self._level = time, suspicion
        return self.hands

    def _due(self, time: float, suspicion: float) -> bool:
        """Whether palms are to be looked for: soon when there is more to suspect than last time, else ever more rarely."""
        passed = _LATE if self._last is None else time - self._last
        more = not self.hands and suspicion > self._level * np.exp(-passed / _FORGOTTEN) + _MORE
        return not 0 <= passed < (_SOON if more else self._wait)


def _size(hand: Points) -> float:
    """A palm's length in pixels, however the hand is turned."""
    long = max(float(np.hypot(*(hand[root, :2] - hand[_WRIST, :2]))) for root in _ROOTS)
    return max(long, float(np.hypot(*(hand[5, :2] - hand[17, :2]))) / _BROAD)


def _sane(hand: Points, area: Area) -> bool:
    """Whether a hand has a size that goes with the face and lies near it."""
    side = max(area[2] - area[0], area[3] - area[1])
    (left, top), (right, bottom) = hand[:, :2].min(axis=0), hand[:, :2].max(axis=0)
    reach = _NEAR * side
    near = left < area[2] + reach and right > area[0] - reach and top < area[3] + reach and bottom > area[1] - reach
    return bool(near and _SMALLEST * side < _size(hand) < _LARGEST * side)


def _same(hand: Points, other: Points) -> bool:
    """Whether two sets of landmarks belong to one hand."""
    apart = hand[:, :2].mean(axis=0) - other[:, :2].mean(axis=0)
    return float(np.hypot(*apart)) < _SAME * max(_size(hand), _size(other))


def cover(hand: Points, picture: Bytes) -> Bytes:
    """What a hand covers of a picture (h, w, 3) uint8 BGR: (h, w) uint8, 0 or 255, up to the picture's own edges near its outline.

    hand: (21, 2 or 3) px of this picture.
    Beucher and Meyer, "The morphological approach to segmentation: the watershed transformation", 1993.
    """
    inside, around = _shape(hand, picture, _SURELY), _shape(hand, picture, _POSSIBLY)
    if not around.any():
        return around
    basins = np.where(around > 127, 0, 1).astype(np.int32)
    basins[inside > 127] = 2
    cv2.watershed(cv2.GaussianBlur(picture, (0, 0), 1.0), basins)
    # The lines between the basins, one pixel wide, are left over.
    return np.asarray(cv2.dilate((basins == 2).astype(np.uint8) * np.uint8(255), np.ones((2, 2), np.uint8)), np.uint8)


def _shape(hand: Points, picture: Bytes, factor: float) -> Bytes:
    """Fingers, palm and the stump of an arm with `factor` times their usual breadth: (h, w) uint8."""
    drawn = np.zeros(picture.shape[:2], np.uint8)
    size, joints = _size(hand), hand[:, :2]
    fixed = np.rint(joints * (1 << _SHIFT)).astype(np.int32)
    elbow = np.rint((joints[_WRIST] + _STUMP * (joints[_WRIST] - joints[_MIDDLE])) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(drawn, [fixed[list(_PALM)]], 255, cv2.LINE_AA, _SHIFT)
    lines = [(fixed[list(_RING)], _HEEL), (np.stack([fixed[_WRIST], elbow]), _ARM)]
    lines += [(fixed[list(finger)], _FINGER * (_FAT if finger is _FINGERS[0] else 1.0)) for finger in _FINGERS]
    for line, radius in lines:
        cv2.polylines(drawn, [line], False, 255, max(1, round(2 * factor * radius * size)), cv2.LINE_AA, _SHIFT)
    return drawn


def distance(hands: Sequence[Points], picture: Bytes) -> Floats:
    """How far each pixel of a picture (h, w, 3) uint8 BGR lies from the outline of the nearest hand, in palm lengths, negative inside.

    hands: (21, 2 or 3) px of this picture each.
    """
    nearest = np.full(picture.shape[:2], 99.0, np.float32)
    for hand in hands:
        inside = cover(hand, picture)
        if inside.any():
            away = cv2.distanceTransform(255 - inside, cv2.DIST_L2, 3) - cv2.distanceTransform(inside, cv2.DIST_L2, 3)
            nearest = np.minimum(nearest, away / np.float32(_size(hand)))
    return nearest


def texels(away: Floats, off: Floats, told: NDArray[np.bool_]) -> Bytes:
    """What of a face's texture hands cover: (s, s) uint8, 0 or 255.

    away: (s, s) from `distance`.  off: (s, s), how far each texel is off the face.  told: (s, s), where that is known.
    """
    return np.where(away < np.where(told, _SHALLOWER * off - _DEEP, 0.0), np.uint8(255), np.uint8(0))


def doubtful(away: Floats, off: Floats, told: NDArray[np.bool_]) -> bool:
    """Whether what was taken for a hand looks like the face itself: as `texels`; a small part of it says nothing."""
    under = (away < 0) & told
    enough = max(_TELLING, _TELLING_SHARE * np.count_nonzero(away < 0))
    return np.count_nonzero(under) >= enough and float(np.minimum(off[under], _OFF_MOST).mean()) < _OFF


def others(veil: Bytes, hand: Bytes, away: Floats, off: Floats) -> Bytes:
    """The veil (s, s) uint8 without the hand, its shadow and what it pulls askew, but with what it holds and what lies elsewhere."""
    rest = cv2.morphologyEx(np.where(hand > 0, 0, veil).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents(rest, connectivity=4)
    kept = np.zeros(count, np.bool_)
    for piece in range(1, count):
        there = labels == piece
        held = np.count_nonzero(there) >= _LEAST_TEXELS and float(np.median(off[there])) > _HELD
        kept[piece] = held or float(away[there].min()) > _BESIDE
    return np.where(kept[labels], np.uint8(255), np.uint8(0))
