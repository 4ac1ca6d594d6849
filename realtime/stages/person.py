"""Person: what is known about one tracked person, and whether a measurement can be theirs."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from models.landmarks import Region, region_from_landmarks
from realtime.config import TrackSettings
from realtime.frame import Face, Image, Points
from realtime.stages.kalman import BoxFilter
from realtime.stages.one_euro import OneEuro
from realtime.stages.steady import Steady, Unfiltered

_FILTERS: dict[str, type[Steady] | type[OneEuro] | type[Unfiltered]] = {"kalman": Steady, "one-euro": OneEuro, "none": Unfiltered}
# An absence longer than this, in seconds, starts the landmark filter anew when the person is back.
_STALE = 0.35
# Velocity of a lost person fades with this time constant in seconds: nobody goes on for ever.
_FADE = 0.25
_JUMP, _GROWTH = 0.45, 1.6
_LEARN = 0.1
# Where a person's colours are read: face, hair, chest, as shares of the face's height from its centre, and how far around.
_PATCHES = ((0.0, 0.3), (0.68, 0.1), (-1.0, 0.3))
_FOREHEAD, _CHIN = 10, 152


class Filter(Protocol):
    """Landmarks over time."""

    smoothing: float

    def predict(self, seconds: float) -> Points: ...

    def update(self, measured: Points) -> Points: ...


def box_of(landmarks: Points) -> Points:
    """(4,) float32 left, top, right, bottom of landmarks."""
    x, y = landmarks[:, 0], landmarks[:, 1]
    return np.array([x.min(), y.min(), x.max(), y.max()], np.float32)


def size_of(landmarks: Points) -> float:
    """The longer side of their box in pixels, at least 1."""
    box = box_of(landmarks)
    return max(float(box[2] - box[0]), float(box[3] - box[1]), 1.0)


def colours(image: Image, landmarks: Points) -> Points:
    """The colours of face, hair and chest, (3, 3) float32: logarithms of brightness, blue/green and red/green.

    NaN where a patch lies outside the picture.  Over the shared clips they stay within 0.02 of a person's mean (median,
    95 % within 0.07 in even light); the means of two people in one clip are 0.08 to 0.25 apart.
    """
    up = landmarks[_FOREHEAD, :2] - landmarks[_CHIN, :2]
    middle = (landmarks[_FOREHEAD, :2] + landmarks[_CHIN, :2]) / 2
    height = float(np.hypot(*up))
    result = np.full((len(_PATCHES), 3), np.nan, np.float32)
    for number, (place, around) in enumerate(_PATCHES):
        (x, y), reach = middle + up * np.float32(place), around * height
        left, top = max(0, int(x - reach)), max(0, int(y - reach))
        patch = image[top : max(0, int(y + reach)), left : max(0, int(x + reach))]
        step = max(1, int(reach / 8))
        patch = patch[::step, ::step]
        if patch.size >= 12:
            blue, green, red = patch.reshape(-1, 3).mean(axis=0, dtype=np.float32) + np.float32(8)
            result[number] = np.log([(blue + green + red) / 3, blue / green, red / green])
    return result


class Person:
    """One track: landmark filter, box filter, colours, and when the face was last seen.

    number: the track number.  landmarks: (478, 3) px, filtered, or predicted while lost.
    """

    def __init__(self, number: int, image: Image, landmarks: Points, score: float, time: float, settings: TrackSettings) -> None:
        self.number, self.score, self.landmarks = number, score, landmarks
        self.seen = self._time = time
        self.lost = False
        self._shown = landmarks
        self._box = BoxFilter(box_of(landmarks))
        self.colours = colours(image, landmarks)
        self._restart(landmarks, settings)

    def _restart(self, landmarks: Points, settings: TrackSettings) -> None:
        self._filter: Filter = _FILTERS[settings.filter](landmarks, settings.smoothing)
        self._kind = settings.filter

    @property
    def size(self) -> float:
        """The longer side of the face's box in pixels."""
        return size_of(self.landmarks)

    @property
    def centre(self) -> Points:
        """(2,) px."""
        box = box_of(self.landmarks)
        return np.asarray((box[:2] + box[2:]) / 2, np.float32)

    @property
    def reach(self) -> float:
        """How far from its predicted centre the face may be, in pixels."""
        return 2 * self._box.doubt + _JUMP * self.size

    @property
    def region(self) -> Region:
        """Where to look for the face: its place predicted, size and angle as they were.

        A predicted size would feed back on itself, as what the landmark model finds follows the size of its region.
        """
        region = region_from_landmarks(self._shown)
        x, y = self.centre
        return Region(float(x), float(y), region.size, region.rotation)

    def way(self, measured: Points) -> float:
        """How far measured landmarks are from where they should be, in reaches."""
        box = box_of(measured)
        return float(np.linalg.norm((box[:2] + box[2:]) / 2 - self.centre)) / max(self.reach, 1.0)

    def predict(self, time: float) -> None:
        """Move everything on to that time."""
        seconds = min(max(time - self._time, 0.0), 0.5)
        self._time = max(time, self._time)
        before = self._box.box
        self._box.predict(seconds, float(np.exp(-seconds / _FADE)) if self.lost else 1.0)
        if self.lost:
            self.landmarks = _carried(self.landmarks, before, self._box.box)
        else:
            self.landmarks = self._filter.predict(seconds)

    def fits(self, measured: Points) -> bool:
        """Whether measured landmarks can be this face's next ones: no jump in place or size."""
        size = size_of(measured)
        ratio = size / max(self.region.size / 1.5, 1.0)
        limit = 1.0 if self.lost else _JUMP * max(self.size, size) / max(self.reach, 1.0)
        return 1 / _GROWTH < ratio < _GROWTH and self.way(measured) < limit

    def difference(self, image: Image, measured: Points) -> float:
        """How unlike this person the colours at measured landmarks are: root mean square of logarithms, 0 the same."""
        apart = (colours(image, measured) - self.colours) ** 2
        known = np.isfinite(apart)
        return float(np.sqrt(apart[known].mean())) if known.any() else 0.0

    def see(self, image: Image, measured: Points, time: float, settings: TrackSettings) -> None:
        """Take in landmarks measured at the time predicted last."""
        if (self.lost and time - self.seen > _STALE) or self._kind != settings.filter:
            self._restart(measured, settings)
            self._box = BoxFilter(box_of(measured))
            self.landmarks = measured
        else:
            if self.lost:
                self._filter.predict(time - self.seen)
            self._filter.smoothing = settings.smoothing
            self.landmarks = self._filter.update(measured)
            self._box.update(box_of(measured))
        now = colours(image, measured)
        mixed = self.colours + _LEARN * (now - self.colours)
        self.colours = np.where(np.isnan(mixed), np.where(np.isnan(now), self.colours, now), mixed)
        self.seen, self.lost, self._shown = time, False, self.landmarks

    def miss(self) -> None:
        """The face was not found at the time predicted last."""
        self.lost = True

    def face(self) -> Face:
        """What is known now; the box of a lost one grows with the doubt about it."""
        box = box_of(self.landmarks)
        if self.lost:
            grown = 0.1 * self.size + min(2 * self._box.doubt, 1.5 * self.size)
            box = box + np.array([-grown, -grown, grown, grown], np.float32)
        return Face(box, self.landmarks, self.score, self.number, self.lost)


def _carried(landmarks: Points, before: Points, after: Points) -> Points:
    """Landmarks moved and scaled as their box was."""
    old, new = (before[:2] + before[2:]) / 2, (after[:2] + after[2:]) / 2
    scale = float(np.sqrt(np.prod(after[2:] - after[:2]) / max(float(np.prod(before[2:] - before[:2])), 1e-6)))
    moved = landmarks * np.float32(scale)
    moved[:, :2] += new - old * np.float32(scale)
    return moved
