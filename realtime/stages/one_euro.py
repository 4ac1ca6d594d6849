"""One-Euro filter over landmarks: the simple alternative to the Kalman filter."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from realtime.frame import Points

_CUTOFF = 0.6
_SLOPE = 40.0
_SPEED_CUTOFF = 1.0


class OneEuro:
    """Low-pass filter whose cutoff rises with each landmark's own speed.

    landmarks: (n, 3) px.  smoothing: 0 passes everything, more lowers the cutoff.  Speeds count in face sizes per
    second, so that near and far faces are treated alike.
    Casiez, Roussel, Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input", CHI 2012.
    """

    def __init__(self, landmarks: Points, smoothing: float = 1.0) -> None:
        self.landmarks = landmarks
        self.smoothing = smoothing
        self._speed: NDArray[np.float32] = np.zeros_like(landmarks)
        self._passed = 0.0

    def predict(self, seconds: float) -> Points:
        """Where the landmarks should be after so much time."""
        self._passed = seconds
        return self.landmarks + self._speed * np.float32(seconds)

    def update(self, measured: Points) -> Points:
        """Take in measured landmarks for the time predicted last; the filtered ones."""
        if self._passed <= 0 or self.smoothing <= 0:
            self.landmarks = measured
            return measured
        speed = (measured - self.landmarks) / np.float32(self._passed)
        self._speed = self._speed + _weight(_SPEED_CUTOFF, self._passed) * (speed - self._speed)
        size = max(float(np.ptp(measured[:, :2], axis=0).max()), 1.0)
        pace = np.linalg.norm(self._speed[:, :2], axis=1, keepdims=True) / size
        weight = _weight(_CUTOFF / self.smoothing + _SLOPE * pace, self._passed)
        self.landmarks = (self.landmarks + weight * (measured - self.landmarks)).astype(np.float32)
        return self.landmarks


def _weight(cutoff: NDArray[np.float32] | float, seconds: float) -> NDArray[np.float32] | float:
    """Share of a new value in an exponential average with that cutoff in Hz."""
    turn = 2 * math.pi * cutoff * seconds
    return turn / (turn + 1)
