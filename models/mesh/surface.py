"""What one person's face looks like in texture space, free of light, and how far a look departs from it."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh.looks import BURNT, SIZE, deviation, learn, robust
from models.mesh.topology import UV
from models.mesh.unmasked import unmasked
from models.mesh.unwrap import covered, spread_many

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_STRIDE = 3
_RIM = 7
_NOSE = 2
_SLOW_SECONDS, _FAST_SECONDS = 8.0, 0.25
# Spreads that every face has, of brightness (logarithm) and of two hues, and how much of the learned variance is added.
_FLOOR = np.array([0.012, 0.004, 0.004], np.float32)
_TRUST = np.float32(0.4)
# The light is fitted to what is no further off than this.
_LIGHT_FLOOR = np.array([0.09, 0.03, 0.03], np.float32)
# A face turned, or with its mouth open, as it was not when it was learned, may look so much different;
# the last number is what a wide open mouth counts against a turned head.
_TURN = np.array([0.1, 0.02, 0.02, 4.0], np.float32) ** 2
# Something that lies still on the face for so many seconds, moved by no more than this, has become part of it.
_RELEASE_SECONDS = 8.0
_YOUNG_SECONDS = 0.5
_STILL = np.array([0.05, 0.015, 0.015], np.float32)


class Surface:
    """A slow and a fast model of one face's features (SIZE, SIZE, 3), and the light of the last look.

    age: seconds that were learned from.  even: the features of the look compared last, without its light.
    """

    def __init__(self) -> None:
        self.age = 0.0
        self.even = np.zeros((SIZE, SIZE, 3), np.float32)
        self._mean = np.zeros((SIZE, SIZE, 3), np.float32)
        self._variance = np.zeros((SIZE, SIZE, 3), np.float32)
        self._fast = np.zeros((SIZE, SIZE, 3), np.float32)
        self._known = np.zeros((SIZE, SIZE), np.float32)
        self._states = np.zeros((SIZE, SIZE, 6), np.float32)
        self._state = np.zeros(3, np.float32)
        self._light = np.zeros((6, 3), np.float32)
        self._before = np.zeros((SIZE, SIZE, 3), np.float32)
        self._held = np.zeros((SIZE, SIZE), np.float32)

    @property
    def known(self) -> Mask:
        """(SIZE, SIZE) bool: texels that were learned."""
        return self._known > 0

    def compare(self, look: Floats, seen: Floats, veil: Bytes, state: Floats) -> Floats:
        """How far a look's features are off the nearer of both models, (SIZE, SIZE): log(1 + squared spreads); 0 where unknown.

        look: from `features`.  seen: (SIZE, SIZE) 0..1, how squarely.  veil: (SIZE, SIZE) uint8, what was veiled before, which
        says less about the light.  state: (3,) where the face points, and how far the mouth is open.
        """
        self._state = state
        if not self._known.any():
            self.even = look
            return np.zeros((SIZE, SIZE), np.float32)
        self._light = self._fit_light(look, seen, veil)
        odd, self.even = np.empty((SIZE, SIZE), np.float32), np.empty_like(look)
        kernel = np.ones((3, 3), np.uint8)
        bounds = [bound(model, kernel) for model in (self._mean, self._fast) for bound in (cv2.erode, cv2.dilate)]
        # What was seen for a moment only has not shown yet how it can look.
        young = 1 + (_YOUNG_SECONDS / max(self.age, 0.1)) ** 2
        spread = np.float32(young) * (_FLOOR**2 + _TRUST * self._variance)
        known = self._known * (seen > 0)
        deviation(look, _basis(), self._light, known, spread, *bounds, state, self._states, _TURN, _jaw(), self.even, odd)
        return odd

    def _fit_light(self, look: Floats, seen: Floats, veil: Bytes) -> Floats:
        """Smooth change (6, 3) from the slow model to the look, of two starts the one that explains more of the face."""
        every = (slice(None, None, _STRIDE), slice(None, None, _STRIDE))
        basis = np.ascontiguousarray(_basis()[every].reshape(-1, 6))
        change = np.ascontiguousarray((look[every] - self._mean[every]).reshape(-1, 3))
        told = (self._known[every] > 0) & (look[every][..., 1] < BURNT)
        say = (seen[every] * told * np.where(veil[every] > 0, 0.2, 1.0)).astype(np.float32).reshape(-1)
        if say.sum() < 30 or not (say > 0.2).any():
            return self._light
        start = np.zeros((6, 3), np.float32)
        start[0] = np.median(change[say > 0.2], axis=0)
        light, fits = robust(basis, change, say, self._light, _LIGHT_FLOOR)
        other, fits_other = robust(basis, change, say, start, _LIGHT_FLOOR)
        return np.asarray(other if fits_other > 1.05 * fits else light, np.float32)

    def learn(self, weight: Floats, step: float) -> None:
        """Take in the look compared last where `weight` (SIZE, SIZE) 0..1 says that it shows the face; step: seconds."""
        self.age += step
        slow = step / (step + min(_SLOW_SECONDS, self.age)) if self.age else 1.0
        fast = min(1.0, step / _FAST_SECONDS) if self.age else 1.0
        models = (self._mean, self._variance, self._fast, self._known)
        learn(self.even, weight.astype(np.float32), slow, fast, *models, self._state, self._states)

    def unmask(self, veil: Bytes, say: Floats) -> Bytes:
        """The veil (SIZE, SIZE) without pieces in which the face came back from under what was learned as part of it.

        There the face is learned anew.  say: (SIZE, SIZE), over 0 where it is seen.
        """
        back = unmasked(veil, self._mean, self.even, (self._known > 0) & (say > 0))
        if not back.any():
            return veil
        bare = np.where(back, np.uint8(0), veil)
        around = (cv2.dilate(back.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0) & (bare == 0)
        self._known[around], self._variance[around] = 0.0, 0.0
        return bare

    def release(self, veil: Bytes, step: float) -> None:
        """Forget the face under a veil (SIZE, SIZE) that has not stirred for seconds: it is learned anew, with what lies on it."""
        if not veil.any():
            self._held[:] = 0.0
            return
        still = (np.abs(self.even - self._before) < _STILL).all(axis=2)
        self._held = np.where(veil > 0, np.maximum(self._held + np.where(still, step, -4 * step), 0.0), 0.0).astype(np.float32)
        self._before += np.float32(0.3) * (self.even - self._before)
        old = self._held > _RELEASE_SECONDS
        self._known[old], self._variance[old], self._held[old] = 0.0, 0.0, 0.0


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
def _jaw() -> Floats:
    """(SIZE, SIZE) float32, 1 where an opening mouth moves the skin, 0 on the upper face."""
    below = (UV[:, 1] > UV[_NOSE, 1]).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(spread_many(below[:, None], SIZE)[..., 0], (0, 0), 3), np.float32)


@functools.cache
def _basis() -> Floats:
    """Polynomials (SIZE, SIZE, 6) that smooth light is made of."""
    line = np.linspace(-1, 1, SIZE, dtype=np.float32)
    x, y = np.meshgrid(line, line)
    return np.ascontiguousarray(np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=2), np.float32)
