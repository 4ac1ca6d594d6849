"""Where the five points of an alignment are: the track's, and how another landmark model constantly sees them elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models import align

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

# Looks are near one another in the beginning and seldom later; each of the later ones says this much.
_SECONDS, _LATER_SECONDS = 0.15, 1.0
_EARLY, _SAY = 8, 0.1
# The points go over to what was found that slowly.
_FOLLOW_SECONDS = 0.7
# In eye distances: further off, it was another face or none.  Degrees aside: further, models guess.
_WRONG, _ASIDE = 0.35, 35.0
# The face's own frame is one of eye distances, by any template.
_FRAME = align.template("arcface_128", 1) / 0.2753


class Bias:
    """Follows the difference between a landmark model and the mesh on one person.

    It is measured in the face's own frame, now and then, averaged, and gone over to slowly: no noise of the model reaches the
    points, which move with the track alone.
    """

    def __init__(self) -> None:
        self._goal: Reals = np.zeros((5, 2))
        self._offset: Reals = np.zeros((5, 2))
        self._looks = 0
        self._looked: float | None = None
        self._time: float | None = None

    def __call__(self, measure: Callable[[], Reals | None] | None, landmarks: Floats, aside: float, time: float) -> Reals:
        """The five points (5, 2) px of `models.align.five`, with the model's bias.

        measure: the points as the model sees them now, None where it sees none.  landmarks: (478, 3) px.  aside: degrees.
        Raises ValueError for landmarks in one place.
        """
        five = align.five(landmarks)
        if measure is None:
            return five
        to_face = align.similarity(five, _FRAME)[:, :2]
        wait = _SECONDS if self._looks < _EARLY else _LATER_SECONDS
        if aside < _ASIDE and (self._looked is None or not 0 <= time - self._looked < wait):
            self._looked = time
            self._learn(measure(), five, to_face)
        passed = 0.0 if self._time is None else max(0.0, time - self._time)
        self._time = time
        self._offset = self._offset + (1 - np.exp(-passed / _FOLLOW_SECONDS)) * (self._goal - self._offset)
        return np.asarray(five + self._offset @ np.linalg.inv(to_face).T, np.float64)

    def _learn(self, found: Reals | None, five: Reals, to_face: Reals) -> None:
        if found is None or not np.isfinite(found).all():
            return
        offset = (found - five) @ to_face.T
        if np.abs(offset).max() > _WRONG:
            return
        self._looks += 1
        self._goal = self._goal + max(1 / self._looks, _SAY) * (offset - self._goal)
        if self._looks == 1:
            self._offset = self._goal


__all__ = ["Bias"]
