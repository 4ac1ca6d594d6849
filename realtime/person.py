"""Person: what is known about one tracked person, and whether a measurement can be theirs."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from realtime.config import TrackSettings
from realtime.frame import Face, Points
from realtime.kalman import BoxFilter
from realtime.one_euro import OneEuro
from realtime.steady import Steady, Unfiltered

_FILTERS: dict[str, type[Steady] | type[OneEuro] | type[Unfiltered]] = {"kalman": Steady, "one-euro": OneEuro, "none": Unfiltered}
# An absence longer than this, in seconds, starts the landmark filter anew when the person is back.
_STALE = 0.2
# Velocity of a lost person fades with this time constant in seconds: nobody goes on for ever.
_FADE = 0.25
_JUMP, _GROWTH = 0.45, 1.6
_LEARN = 0.1
# Rigid points: eye corners, nose root and tip, under the nose, chin, temples, cheek bones.
_RIGID = (33, 133, 362, 263, 168, 1, 2, 152, 127, 356, 116, 345)
_PAIRS = np.triu_indices(len(_RIGID), 1)


class Filter(Protocol):
    """Landmarks over time."""

    smoothing: float

    def predict(self, seconds: float) -> Points: ...

    def update(self, measured: Points) -> Points: ...


def box_of(landmarks: Points) -> Points:
    """(4,) float32 left, top, right, bottom of landmarks."""
    flat = landmarks[:, :2]
    return np.concatenate([flat.min(axis=0), flat.max(axis=0)]).astype(np.float32)


def proportions(landmarks: Points) -> Points:
    """The build of a face as logarithms of its relative distances in space, (66,) float32; little moved by pose or speech."""
    rigid = landmarks[list(_RIGID)]
    apart = np.linalg.norm(rigid[_PAIRS[0]] - rigid[_PAIRS[1]], axis=1)
    logs = np.log(np.maximum(apart, 1e-3))
    return np.asarray(logs - logs.mean(), np.float32)


class Person:
    """One track: landmark filter, box filter, build, and when the face was last seen.

    number: the track number.  landmarks: (478, 3) px, filtered, or predicted while lost.
    """

    def __init__(self, number: int, landmarks: Points, score: float, time: float, settings: TrackSettings) -> None:
        self.number, self.score, self.landmarks = number, score, landmarks
        self.begun = self.seen = self._time = time
        self.lost = False
        self._box = BoxFilter(box_of(landmarks))
        self.build = proportions(landmarks)
        self._restart(landmarks, settings)

    def _restart(self, landmarks: Points, settings: TrackSettings) -> None:
        self._filter: Filter = _FILTERS[settings.filter](landmarks, settings.smoothing)
        self._kind = settings.filter

    @property
    def size(self) -> float:
        """The longer side of the face's box in pixels."""
        return float(np.ptp(self.landmarks[:, :2], axis=0).max())

    @property
    def centre(self) -> Points:
        """(2,) px."""
        box = box_of(self.landmarks)
        return np.asarray((box[:2] + box[2:]) / 2, np.float32)

    @property
    def reach(self) -> float:
        """How far from its predicted centre the face may be, in pixels."""
        return 2 * self._box.doubt + _JUMP * self.size

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
        box = box_of(measured)
        size = float(max(box[2] - box[0], box[3] - box[1]))
        way = float(np.linalg.norm((box[:2] + box[2:]) / 2 - self.centre))
        ratio = size / max(self.size, 1.0)
        return 1 / _GROWTH < ratio < _GROWTH and way < (self.reach if self.lost else _JUMP * max(self.size, size))

    def see(self, measured: Points, time: float, settings: TrackSettings) -> None:
        """Take in landmarks measured at the time predicted last."""
        if (self.lost and time - self.seen > _STALE) or self._kind != settings.filter:
            self._restart(measured, settings)
            self._box = BoxFilter(box_of(measured))
            self.landmarks = measured
        else:
            self._filter.smoothing = settings.smoothing
            self.landmarks = self._filter.update(measured)
            self._box.update(box_of(measured))
        self.build = self.build + _LEARN * (proportions(measured) - self.build)
        self.seen, self.lost = time, False

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
