"""The generator's face steadied over time: what it changes its mind about from frame to frame is not seen."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_SECONDS = 0.15
# After so many seconds unseen everything may be different.
_GAP = 1.0
# What is finer than a cell of so many across the crop belongs to eyes and mouth, which move: it is not held back.
_CELLS = 32
# A change of so many grey levels is another light or another face, twice as many leave nothing of the old one.
_SUDDEN = 5.0


class Steady:
    """Follows the correction on one person's face, in the aligned crop.

    Where guide and face change together, something happened before the camera, and it is left as it is.  What the face alone
    changes by is taken over slowly where it is little, at once where it is much; and what the guide alone changes by, as its own
    light follows late, does not show.
    """

    def __init__(self) -> None:
        self._shown: Floats | None = None
        self._before: tuple[Floats, Floats] | None = None
        self._time = 0.0

    def __call__(self, face: Floats, guide: Floats, time: float) -> Floats:
        """What is to be added to the guide now (s, s, 3).

        face, guide: (s, s, 3) float32 grey levels, what the network made, and what it made it of.  time: seconds.
        """
        ours, theirs = _coarse(face), _coarse(guide)
        self._shown = self._follow(ours, theirs, time)
        self._before = ours, theirs
        held = cv2.resize(self._shown - ours, face.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        return np.asarray(face - guide + held, np.float32)

    def _follow(self, ours: Floats, theirs: Floats, time: float) -> Floats:
        """The face that is to be shown, in cells (32, 32, 3)."""
        passed, self._time = time - self._time, time
        if self._shown is None or self._before is None or not 0 <= passed < _GAP:
            return ours
        first, second = ours - self._before[0], theirs - self._before[1]
        common = np.where(first * second > 0, np.sign(first) * np.minimum(np.abs(first), np.abs(second)), np.float32(0.0))
        held = self._shown + common
        away = ours - held
        # Neighbours are followed together, or the rim of what moved would show.
        much = cv2.blur(np.abs(away).mean(axis=2), (3, 3))[..., None]
        rate = np.maximum(1 - np.exp(-passed / _SECONDS), np.clip((much - _SUDDEN) / _SUDDEN, 0.0, 1.0))
        return np.asarray(held + rate * away, np.float32)


def _coarse(picture: Floats) -> Floats:
    return np.asarray(cv2.resize(picture, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA), np.float32)


__all__ = ["Steady"]
