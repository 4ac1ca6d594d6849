"""Kalman filters with constant velocity: many points at once, and one box."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Kalman:
    """Position and velocity of n points in d dimensions, whose gains are shared.

    position: (n, d).  The covariance of (position, velocity) is the same in all dimensions, and either one for all
    points (variance a number) or one for each (variance (n,)).
    variance: of the first position, unit squared; speed: variance of the unknown first velocity, (unit/s)^2.
    process: power density of the acceleration's white noise, unit^2/s^3.
    Bar-Shalom, Li, Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001, section 6.2.2.
    """

    def __init__(self, position: ArrayLike, variance: ArrayLike, speed: ArrayLike, process: ArrayLike) -> None:
        self.position: Array = np.array(position, np.float64)
        self.velocity: Array = np.zeros_like(self.position)
        first = np.atleast_1d(np.asarray(variance, np.float64))
        if first.shape not in ((1,), (len(self.position),)):
            raise ValueError(f"variance: got shape {first.shape}, expected a number or one for each of {len(self.position)} points")
        self.process = process
        self.place, self.cross, self.pace = first.copy(), np.zeros_like(first), np.broadcast_to(speed, first.shape).astype(np.float64)
        """The covariance's entries: of the position, between both, of the velocity; (1,) or (n,) each."""

    def predict(self, seconds: float) -> Array:
        """Move on in time; the new position (n, d).  Where a measurement is missing this is all there is to do."""
        self.position = self.position + self.velocity * seconds
        noise = np.asarray(self.process, np.float64)
        self.place = self.place + 2 * seconds * self.cross + seconds**2 * self.pace + noise * (seconds**3 / 3)
        self.cross = self.cross + seconds * self.pace + noise * (seconds**2 / 2)
        self.pace = self.pace + noise * seconds
        return self.position

    def widen(self, square: ArrayLike, variance: ArrayLike, gate: float) -> None:
        """Trust the prediction less where the measurement is far from it.

        square: mean squared difference between measurement and position, (1,) or (n,).  Where it is more than `gate`
        times what was expected, the covariance grows until it explains the difference: a new motion is followed at
        once, while a still face is averaged over a long time.
        Zhou, Frank, "Strong tracking filtering of nonlinear time-varying stochastic systems", 1996.
        """
        square, variance = np.asarray(square, np.float64), np.asarray(variance, np.float64)
        surprise = square > gate * (self.place + variance)
        factor = np.where(surprise, np.maximum((square - variance) / np.maximum(self.place, 1e-12), 1.0), 1.0)
        self.place, self.cross, self.pace = self.place * factor, self.cross * factor, self.pace * factor

    def update(self, measured: ArrayLike, variance: ArrayLike) -> Array:
        """Take in a measurement (n, d) of the given variance, a number or (n,); the new position."""
        total = np.maximum(self.place + np.asarray(variance, np.float64), 1e-300)
        gain, drive = self.place / total, self.cross / total
        difference = np.asarray(measured, np.float64) - self.position
        self.position = self.position + gain[:, None] * difference
        self.velocity = self.velocity + drive[:, None] * difference
        self.pace = self.pace - drive * self.cross
        self.place, self.cross = self.place * (1 - gain), self.cross * (1 - gain)
        return self.position


class BoxFilter:
    """Centre, width and height of a box and their velocities: filterpy's KalmanFilter with eight states.

    Noises are in sizes of the box itself, so that near and far faces are treated alike.
    """

    def __init__(self, box: ArrayLike) -> None:
        from filterpy.kalman import KalmanFilter

        state = _centred(box)
        size = float(state[2:].max())
        self._filter: Any = KalmanFilter(dim_x=8, dim_z=4)
        self._filter.x[:4, 0] = state
        self._filter.H = np.eye(4, 8)
        self._filter.R = np.eye(4) * (0.03 * size) ** 2
        self._filter.P = np.diag([(0.03 * size) ** 2] * 4 + [(2.0 * size) ** 2] * 2 + [(0.5 * size) ** 2] * 2)

    def predict(self, seconds: float, fade: float = 1.0) -> None:
        """Move on in time; the velocity is multiplied by `fade`, 0..1, first, that of the size by 0 where fade is under 1."""
        size = float(self._filter.x[2:4, 0].max())
        q = np.array([3.0, 3.0, 0.5, 0.5]) * size**2
        corner = np.diag(q * seconds**2 / 2)
        self._filter.Q = np.block([[np.diag(q * seconds**3 / 3), corner], [corner, np.diag(q * seconds)]])
        self._filter.F = np.eye(8)
        self._filter.F[:4, 4:] = np.eye(4) * seconds
        self._filter.x[4:6] *= fade
        self._filter.x[6:] *= fade == 1.0
        self._filter.predict()
        self._filter.x[2:4] = np.maximum(self._filter.x[2:4], 1.0)

    def update(self, box: ArrayLike) -> None:
        """Take in a measured box (4,) left, top, right, bottom."""
        self._filter.update(_centred(box).reshape(4, 1))

    @property
    def box(self) -> NDArray[np.float32]:
        """(4,) left, top, right, bottom."""
        x, y, width, height = self._filter.x[:4, 0]
        return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2], np.float32)

    @property
    def doubt(self) -> float:
        """Standard deviation of the centre, in pixels."""
        return float(np.sqrt(max(self._filter.P[0, 0], self._filter.P[1, 1], 0.0)))


def _centred(box: ArrayLike) -> Array:
    left, top, right, bottom = np.asarray(box, np.float64)
    return np.array([(left + right) / 2, (top + bottom) / 2, max(right - left, 1.0), max(bottom - top, 1.0)])
