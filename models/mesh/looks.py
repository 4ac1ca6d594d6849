"""What a look at a face is compared by: brightness and hue of its texels, and the loops over all of them."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

SIZE = 128
# Stands for the hue of what is burnt out, which could be any.
BURNT = np.float32(9.0)
_BRIGHTNESS = np.log(np.arange(766, dtype=np.float32) / 3 + 16)


def features(colours: Bytes) -> Floats:
    """Logarithm of brightness and two hues free of it, (h, w, 3) float32, from BGR uint8."""
    out = np.empty(colours.shape, np.float32)
    _features(colours, _BRIGHTNESS, out)
    return out


@numba.njit(cache=True, nogil=True, fastmath=True)
def _features(colours: Bytes, brightness: Floats, out: Floats) -> None:
    height, width = colours.shape[:2]
    for y in range(height):
        for x in range(width):
            blue, green, red = np.float32(colours[y, x, 0]), np.float32(colours[y, x, 1]), np.float32(colours[y, x, 2])
            total = blue + green + red
            share = np.float32(3.0) / (total + np.float32(60.0))
            out[y, x, 0] = brightness[int(total)]
            burnt = max(blue, green, red) >= 250
            out[y, x, 1] = BURNT if burnt else (red - green) * share
            out[y, x, 2] = BURNT if burnt else (blue - green) * share


@numba.njit(cache=True, nogil=True, fastmath=True)
def robust(basis: Floats, change: Floats, say: Floats, first: Floats, floor: Floats) -> tuple[Floats, float]:
    """Reweighted least squares of change (n, 3) on basis (n, 6) from a first guess (6, 3), and how much of it fits."""
    light = first.copy()
    fits = 0.0
    for turn in range(4):
        normal = np.zeros((6, 6), np.float64)
        right = np.zeros((6, 3), np.float64)
        fits = 0.0
        for i in range(basis.shape[0]):
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
        # A form of light that few texels speak for stays small.
        for a in range(6):
            normal[a, a] += 1e-6 + (0.02 * fits if a else 0.0)
        light = np.linalg.solve(normal, right).astype(np.float32)
    return light, fits


@numba.njit(cache=True, nogil=True, fastmath=True)
def deviation(
    look: Floats, basis: Floats, light: Floats, known: Floats, spread: Floats,
    low: Floats, high: Floats, quick_low: Floats, quick_high: Floats,
    state: Floats, states: Floats, turn: Floats, jaw: Floats, even: Floats, odd: Floats,
) -> None:  # fmt: skip
    """The look without its light into `even`, and how far it is off the nearer model into `odd`."""
    height, width = odd.shape
    for y in range(height):
        for x in range(width):
            slow, fast = np.float32(0.0), np.float32(0.0)
            mouth = turn[3] * jaw[y, x]
            past, last = np.float32(0.0), np.float32(0.0)
            for k in range(3):
                say = mouth if k == 2 else np.float32(1.0)
                past += say * (state[k] - states[y, x, k]) ** 2
                last += say * (state[k] - states[y, x, k + 3]) ** 2
            for k in range(3):
                value = look[y, x, k]
                for a in range(6):
                    value -= basis[y, x, a] * light[a, k]
                if look[y, x, 1] == BURNT:
                    # The brightness was at least this, and the hue was lost: nothing says that it does not fit.
                    value = max(value, high[y, x, k]) if k == 0 else (low[y, x, k] + high[y, x, k]) / 2
                even[y, x, k] = value
                off = max(low[y, x, k] - value, value - high[y, x, k], np.float32(0.0))
                slow += off * off / (spread[y, x, k] + turn[k] * past)
                off = max(quick_low[y, x, k] - value, value - quick_high[y, x, k], np.float32(0.0))
                fast += off * off / (spread[y, x, k] + turn[k] * last)
            odd[y, x] = np.log1p(min(slow, fast)) if known[y, x] > 0 else np.float32(0.0)


@numba.njit(cache=True, nogil=True, fastmath=True)
def learn(
    even: Floats, weight: Floats, slow: float, fast: float, mean: Floats, variance: Floats, quick: Floats, known: Floats,
    state: Floats, states: Floats,
) -> None:  # fmt: skip
    """Take the even look into both models where `weight` says that it shows the face, all (SIZE, SIZE, ...), in place."""
    height, width = known.shape
    for y in range(height):
        for x in range(width):
            w = weight[y, x]
            fresh = known[y, x] == 0
            if w <= 0 or even[y, x, 1] == BURNT:
                continue
            known[y, x] = 1.0
            slowly, quickly = (1.0, 1.0) if fresh else (w * slow, w * fast)
            for k in range(3):
                off = even[y, x, k] - mean[y, x, k]
                mean[y, x, k] += slowly * off
                variance[y, x, k] += 0.0 if fresh else slowly * (off * off - variance[y, x, k])
                quick[y, x, k] += quickly * (even[y, x, k] - quick[y, x, k])
                states[y, x, k] += slowly * (state[k] - states[y, x, k])
                states[y, x, k + 3] += quickly * (state[k] - states[y, x, k + 3])
