"""Steady: the Kalman filter of one face, for the head's motion and the face's shape apart; and no filter at all."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from realtime.frame import Points
from realtime.stages.kalman import Kalman

# Measurement noise of a landmark, in face radii, where nothing is known yet: 0.2 px for a face 200 px wide.
_NOISE = 0.0030
# Of that, the share that remains in head position, size and angle, each an average over all landmarks.
_SHARE = 0.3
_PROCESS = 0.54
_HEAD_GATE, _SHAPE_GATE = 6.0, 10.0
_NEIGHBOURS = 12
_HISTORY, _LEARN = 30, 5

Array = NDArray[np.float64]


class Steady:
    """Landmarks of one face, held still where only noise moves them and free of lag where the face moves.

    Position, size and in-plane angle of the head are one constant-velocity filter; what remains, the face's shape in
    the head's own frame, is another with a gain for each landmark, so that a blink or a word is followed at once while
    the rest of the face stays smooth.  Measurement noise is learnt from the landmarks' second differences.
    landmarks: (478, 3) px.  smoothing: scales the measurement noise's variance; 0 passes everything.
    """

    def __init__(self, landmarks: Points, smoothing: float = 1.0) -> None:
        self.landmarks = landmarks
        self.smoothing = smoothing
        points = landmarks.astype(np.float64)
        centre = points[:, :2].mean(axis=0)
        radius = max(float(np.sqrt(((points[:, :2] - centre) ** 2).sum(axis=1).mean())), 1e-3)
        noise = _NOISE**2
        # Head: x, y, size and angle, all but the centre in units that move a landmark at the radius by one radius.
        self._scale = radius
        self._head = Kalman([[*(centre / radius), 1.0, 0.0]], _SHARE * noise, 90000 * noise, _PROCESS * noise)
        shape = (points - [*centre, 0.0]) / radius
        self._shape = Kalman(shape, np.full(len(points), noise), 90000 * noise, _PROCESS * noise)
        # Heads are laid against the first shape: against the filtered one, size and angle would drift from head to shape
        # and back without end.
        self._first = shape[:, 0] + 1j * shape[:, 1]
        apart = ((shape[:, None, :2] - shape[None, :, :2]) ** 2).sum(axis=2)
        self._near = np.argsort(apart, axis=1)[:, :_NEIGHBOURS]
        self._recent: deque[Array] = deque([points[:, :2]], maxlen=3)
        self._noises: deque[float] = deque(maxlen=_HISTORY)

    def predict(self, seconds: float) -> Points:
        """Where the landmarks should be after so much time; moves the filter on."""
        self._head.predict(seconds)
        self._shape.predict(seconds)
        return self._placed()

    def update(self, measured: Points) -> Points:
        """Take in measured landmarks for the time predicted last; the filtered ones."""
        points = measured.astype(np.float64)
        noise = max(self._noise(points) * self.smoothing, 1e-12)
        head, shape = self._split(points)
        difference = head - self._head.position
        difference[0, 3] = (difference[0, 3] + np.pi) % (2 * np.pi) - np.pi
        self._head.widen((difference**2).mean(keepdims=True)[0], _SHARE * noise, _HEAD_GATE)
        self._head.update(self._head.position + difference, _SHARE * noise)
        square = ((shape - self._shape.position)[:, :2] ** 2).mean(axis=1)
        self._shape.widen(square[self._near].mean(axis=1), noise, _SHAPE_GATE)
        self._shape.update(shape, noise)
        self.landmarks = self._placed()
        return self.landmarks

    def _noise(self, points: Array) -> float:
        """Variance of a measured coordinate in radii squared: second differences cancel any even motion."""
        self._recent.append(points[:, :2])
        if len(self._recent) == 3:
            first, second, third = self._recent
            bend = ((first - 2 * second + third) ** 2).mean(axis=1)
            self._noises.append(float(np.median(bend)) / 4 / self._scale**2)
        if len(self._noises) < _LEARN:
            return _NOISE**2
        # A low quantile: moments of acceleration must not count as noise.
        low = sorted(self._noises)[len(self._noises) // 4]
        return min(max(low, 0.2 * _NOISE**2), 4 * _NOISE**2)

    def _split(self, points: Array) -> tuple[Array, Array]:
        """The head (1, 4) that lays the first shape best onto the points, and the points in its frame."""
        model = self._first
        seen = points[:, 0] + 1j * points[:, 1]
        arms = model - model.mean()
        turn = complex((arms.conj() * (seen - seen.mean())).sum() / max((abs(arms) ** 2).sum(), 1e-12))
        turn = turn if abs(turn) > 1e-9 else complex(self._scale)
        shift = complex(seen.mean() - turn * model.mean())
        flat = (seen - shift) / turn
        shape = np.stack([flat.real, flat.imag, points[:, 2] / abs(turn)], axis=1)
        return np.array([[shift.real / self._scale, shift.imag / self._scale, abs(turn) / self._scale, np.angle(turn)]]), shape

    def _placed(self) -> Points:
        """The landmarks that head and shape make together."""
        x, y, size, angle = self._head.position[0] * [self._scale, self._scale, self._scale, 1.0]
        flat = (self._shape.position[:, 0] + 1j * self._shape.position[:, 1]) * size * np.exp(1j * angle) + complex(x, y)
        return np.asarray(np.stack([flat.real, flat.imag, self._shape.position[:, 2] * size], axis=1), np.float32)


class Unfiltered:
    """Landmarks as they were measured; prediction goes on with the last velocity."""

    def __init__(self, landmarks: Points, smoothing: float = 0.0) -> None:
        self.landmarks = landmarks
        self.smoothing = smoothing
        self._velocity: NDArray[np.float32] = np.zeros(3, np.float32)
        self._passed = 0.0

    def predict(self, seconds: float) -> Points:
        """Where the landmarks should be after so much time."""
        self._passed = seconds
        return np.asarray(self.landmarks + self._velocity * np.float32(seconds), np.float32)

    def update(self, measured: Points) -> Points:
        """Take in measured landmarks for the time predicted last; the same."""
        if self._passed > 0:
            self._velocity = (measured - self.landmarks).mean(axis=0) / np.float32(self._passed)
        self.landmarks = measured
        return measured
