"""What one person's face looks like in texture space, free of light, and how far a look departs from it."""

from __future__ import annotations

import functools

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from models.mesh.unwrap import covered

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

SIZE = 128
_STRIDE = 3
_RIM = 7
# Spreads that every face has (noise, skin, wrinkles): logarithm of brightness, relative red-green and blue-green.
_FLOOR = np.array([0.09, 0.03, 0.03], np.float32)
_BRIGHTNESS = np.log(np.arange(766, dtype=np.float32) / 3 + 16)


class Surface:
    """A slow and a fast model of one face's features (SIZE, SIZE, 3), and the light of the last look.

    age: seconds that were learned from.
    """

    def __init__(self) -> None:
        self.age = 0.0
        self.mean = np.zeros((SIZE, SIZE, 3), np.float32)
        self.variance = np.zeros((SIZE, SIZE, 3), np.float32)
        self.fast = np.zeros((SIZE, SIZE, 3), np.float32)
        self.known = np.zeros((SIZE, SIZE), np.float32)
        self._even = np.zeros((SIZE, SIZE, 3), np.float32)
        self._light = np.zeros((6, 3), np.float32)

    def compare(self, look: Floats, seen: Floats, veil: Bytes) -> Floats:
        """Squared deviation, in spreads, of a look's features from the nearer of both models; 0 where nothing is known.

        seen: (SIZE, SIZE) 0..1, how squarely.  veil: (SIZE, SIZE) uint8, what was veiled before, which says less about the light.
        """
        if self.age == 0.0 and not self.known.any():
            self._even = look.copy()
            return np.zeros((SIZE, SIZE), np.float32)
        self._light = self._fit_light(look, seen, veil)
        odd = np.empty((SIZE, SIZE), np.float32)
        kernel = np.ones((3, 3), np.uint8)
        _deviation(
            look, _basis(), self._light, self.known * (seen > 0), self.variance, _FLOOR,
            cv2.erode(self.mean, kernel), cv2.dilate(self.mean, kernel), cv2.erode(self.fast, kernel), cv2.dilate(self.fast, kernel),
            self._even, odd,
        )  # fmt: skip
        return odd

    def _fit_light(self, look: Floats, seen: Floats, veil: Bytes) -> Floats:
        """Smooth change (6, 3) from the models to the look, of two starts the one that explains more of the face."""
        basis = _basis()[::_STRIDE, ::_STRIDE].reshape(-1, 6)
        change = (look - self.mean)[::_STRIDE, ::_STRIDE].reshape(-1, 3)
        say = (seen * (self.known > 0) * np.where(veil > 0, 0.2, 1.0)).astype(np.float32)[::_STRIDE, ::_STRIDE].reshape(-1)
        if say.sum() < 30:
            return self._light
        start = np.zeros((6, 3), np.float32)
        start[0] = [np.median(change[say > 0.2, k]) if (say > 0.2).any() else 0.0 for k in range(3)]
        best, most = self._light, -1.0
        for first in (self._light, start):
            light, fits = _robust(basis, np.ascontiguousarray(change), say, first, _FLOOR)
            if fits > most * 1.05:
                best, most = light, fits
        return best

    def learn(self, weight: Floats, step: float, slow: float, fast: float) -> None:
        """Take in the look compared last where `weight` (SIZE, SIZE) 0..1 says that it shows the face; step: seconds."""
        self.age += step
        rate = step / (step + min(slow, self.age)) if self.age else 1.0
        quick = min(1.0, step / fast) if self.age else 1.0
        _learn(self._even, weight.astype(np.float32), rate, quick, self.mean, self.variance, self.fast, self.known)


def features(colours: Bytes) -> Floats:
    """Logarithm of brightness and two hues free of it, (h, w, 3) float32, from BGR uint8."""
    out = np.empty(colours.shape, np.float32)
    _features(colours, _BRIGHTNESS, out)
    return out


@functools.cache
def outline() -> Mask:
    """(SIZE, SIZE) bool: the whole face in texture space, eyes and mouth too."""
    face = cv2.morphologyEx(covered(SIZE).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    outside = np.pad(face, 1)
    cv2.floodFill(outside, None, (0, 0), 2)
    return np.asarray(outside[1:-1, 1:-1] != 2)


@functools.cache
def rim() -> Mask:
    """(SIZE, SIZE) bool: the outermost texels of the face."""
    inner = cv2.erode(np.pad(outline().astype(np.uint8), 1), np.ones((2 * _RIM + 1, 2 * _RIM + 1), np.uint8))[1:-1, 1:-1]
    return np.asarray(outline() & (inner == 0))


@functools.cache
def _basis() -> Floats:
    """Polynomials (SIZE, SIZE, 6) that smooth light is made of."""
    line = np.linspace(-1, 1, SIZE, dtype=np.float32)
    x, y = np.meshgrid(line, line)
    return np.ascontiguousarray(np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=2), np.float32)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _features(colours: Bytes, brightness: Floats, out: Floats) -> None:
    height, width = colours.shape[:2]
    for y in range(height):
        for x in range(width):
            blue, green, red = np.float32(colours[y, x, 0]), np.float32(colours[y, x, 1]), np.float32(colours[y, x, 2])
            total = blue + green + red
            share = np.float32(3.0) / (total + np.float32(60.0))
            out[y, x, 0] = brightness[int(total)]
            out[y, x, 1] = (red - green) * share
            out[y, x, 2] = (blue - green) * share


@numba.njit(cache=True, nogil=True, fastmath=True)
def _robust(basis: Floats, change: Floats, say: Floats, first: Floats, floor: Floats) -> tuple[Floats, float]:
    """Reweighted least squares of change (n, 3) on basis (n, 6) from a first guess (6, 3), and how much of it fits."""
    count = basis.shape[0]
    light = first.copy()
    fits = 0.0
    for turn in range(4):
        normal = np.zeros((6, 6), np.float64)
        right = np.zeros((6, 3), np.float64)
        fits = 0.0
        for i in range(count):
            if say[i] <= 0:
                continue
            away = 0.0
            for k in range(3):
                error = change[i, k]
                for a in range(6):
                    error -= basis[i, a] * light[a, k]
                away += (error / (2 * floor[k])) ** 2
            weight = say[i] / (1 + away) ** 2
            fits += weight
            for a in range(6):
                for b in range(6):
                    normal[a, b] += weight * basis[i, a] * basis[i, b]
                for k in range(3):
                    right[a, k] += weight * basis[i, a] * change[i, k]
        if turn == 3 or fits < 20:
            break
        for a in range(6):
            normal[a, a] += 0.02 * fits * (0.0 if a == 0 else 1.0) + 1e-6
        light = np.linalg.solve(normal, right).astype(np.float32)
    return light, fits


@numba.njit(cache=True, nogil=True, fastmath=True)
def _deviation(
    look: Floats, basis: Floats, light: Floats, known: Floats, variance: Floats, floor: Floats,
    low: Floats, high: Floats, quick_low: Floats, quick_high: Floats, even: Floats, odd: Floats,
) -> None:  # fmt: skip
    """The look without its light into `even`, and its squared deviation from the nearer model into `odd`."""
    height, width = odd.shape
    for y in range(height):
        for x in range(width):
            slow, fast = np.float32(0.0), np.float32(0.0)
            for k in range(3):
                lit = np.float32(0.0)
                for a in range(6):
                    lit += basis[y, x, a] * light[a, k]
                value = look[y, x, k] - lit
                even[y, x, k] = value
                spread = floor[k] * floor[k] + variance[y, x, k]
                off = max(low[y, x, k] - value, value - high[y, x, k], np.float32(0.0))
                slow += off * off / spread
                off = max(quick_low[y, x, k] - value, value - quick_high[y, x, k], np.float32(0.0))
                fast += off * off / spread
            odd[y, x] = min(slow, fast) if known[y, x] > 0 else np.float32(0.0)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _learn(
    even: Floats, weight: Floats, rate: float, quick: float, mean: Floats, variance: Floats, fast: Floats, known: Floats
) -> None:
    height, width = known.shape
    for y in range(height):
        for x in range(width):
            w = weight[y, x]
            if w <= 0:
                continue
            if known[y, x] == 0:
                known[y, x] = 1.0
                for k in range(3):
                    mean[y, x, k] = even[y, x, k]
                    fast[y, x, k] = even[y, x, k]
                continue
            for k in range(3):
                off = even[y, x, k] - mean[y, x, k]
                mean[y, x, k] += w * rate * off
                variance[y, x, k] += w * rate * (off * off - variance[y, x, k])
                fast[y, x, k] += w * quick * (even[y, x, k] - fast[y, x, k])
