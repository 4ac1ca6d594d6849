"""Drawing a textured mesh straight into a picture, fast enough to play a webcam on the side."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]
Bytes = NDArray[np.uint8]
Lanes = NDArray[np.uint64]

_EVERY_LANE = np.uint64(0x000000FF00FF00FF)
_HALF = np.uint64(0x0000008000800080)
_BITS = np.uint64(8)
_LANE = np.uint64(16)
_TWO_LANES = np.uint64(32)
_BYTE = np.uint64(255)
_ONE = np.uint64(1)


def lanes(image: Bytes) -> Lanes:
    """A BGR picture (h, w, 3) as (h, w) uint64 with blue, green and red 16 bits apart, so that one product weights all three."""
    blue, green, red = (image[..., channel].astype(np.uint64) for channel in range(3))
    return np.ascontiguousarray(blue | green << _LANE | red << _TWO_LANES)


@numba.njit(cache=True, nogil=True)
def draw(points: Floats, triangles: Indices, texture: Lanes, places: Floats, out: Bytes) -> None:
    """Paint the triangles in the given order, later over earlier; those turned away are left out.

    points: (n, 2) float32 px in `out`, pixel centres at whole numbers.  triangles: (m, 3) int32, clockwise as seen (y down).
    texture: (th, tw) uint64 as made by `lanes`.  places: (n, 2) float32 px in the texture, brought inside of it.
    out: (h, w, 3) uint8, painted in place; what lies outside is cut off.
    """
    height, width = out.shape[0], out.shape[1]
    right_most, lowest = texture.shape[1] - 2.01, texture.shape[0] - 2.01
    one = 65536.0
    x_of, y_of = np.empty(3, np.float64), np.empty(3, np.float64)
    for t in range(triangles.shape[0]):
        for corner in range(3):
            x_of[corner] = points[triangles[t, corner], 0]
            y_of[corner] = points[triangles[t, corner], 1]
        ax, ay = x_of[0], y_of[0]
        bx, by, cx, cy = x_of[1] - ax, y_of[1] - ay, x_of[2] - ax, y_of[2] - ay
        area = bx * cy - by * cx
        if not area > 1e-4:
            continue
        top = max(0, int(np.ceil(min(y_of[0], y_of[1], y_of[2]))))
        bottom = min(height - 1, int(np.floor(max(y_of[0], y_of[1], y_of[2]))))
        u0 = min(max(float(places[triangles[t, 0], 0]), 1.0), right_most)
        u1 = min(max(float(places[triangles[t, 1], 0]), 1.0), right_most) - u0
        u2 = min(max(float(places[triangles[t, 2], 0]), 1.0), right_most) - u0
        v0 = min(max(float(places[triangles[t, 0], 1]), 1.0), lowest)
        v1 = min(max(float(places[triangles[t, 1], 1]), 1.0), lowest) - v0
        v2 = min(max(float(places[triangles[t, 2], 1]), 1.0), lowest) - v0
        ux, uy = (u1 * cy - u2 * by) / area, (u2 * bx - u1 * cx) / area
        vx, vy = (v1 * cy - v2 * by) / area, (v2 * bx - v1 * cx) / area
        u_step, v_step = np.int64(ux * one), np.int64(vx * one)
        for y in range(top, bottom + 1):
            low: float = 1e9
            high: float = -1e9
            # Where the row cuts the outline; a level edge is met by its neighbours' ends.
            for corner in range(3):
                following = (corner + 1) % 3
                upper, under = y_of[corner], y_of[following]
                if (upper <= y <= under or under <= y <= upper) and upper != under:
                    cut = x_of[corner] + (x_of[following] - x_of[corner]) * (y - upper) / (under - upper)
                    low, high = min(low, cut), max(high, cut)
            first, last = max(0, int(np.ceil(low - 1e-6))), min(width - 1, int(np.floor(high + 1e-6)))
            u = np.int64((u0 + ux * (first - ax) + uy * (y - ay)) * one)
            v = np.int64((v0 + vx * (first - ax) + vy * (y - ay)) * one)
            for x in range(np.uint64(first), np.uint64(max(first, last + 1))):
                # Unsigned, as numba looks at the sign of every other index.
                column, row = np.uint64(u >> 16), np.uint64(v >> 16)
                across, down = np.uint64((u >> 8) & 255), np.uint64((v >> 8) & 255)
                back, up = np.uint64(256) - across, np.uint64(256) - down
                above = ((texture[row, column] * back + texture[row, column + _ONE] * across + _HALF) >> _BITS) & _EVERY_LANE
                below = ((texture[row + _ONE, column] * back + texture[row + _ONE, column + _ONE] * across + _HALF) >> _BITS) & _EVERY_LANE
                colour = (above * up + below * down + _HALF) >> _BITS
                out[y, x, 0] = np.uint8(colour & _BYTE)
                out[y, x, 1] = np.uint8((colour >> _LANE) & _BYTE)
                out[y, x, 2] = np.uint8((colour >> _TWO_LANES) & _BYTE)
                u += u_step
                v += v_step


@numba.njit(cache=True, nogil=True)
def grain(image: Bytes, noise: NDArray[np.int8], out: Bytes) -> None:
    """out = image + noise, held within 0..255; all three flat, of one length."""
    for i in range(image.size):
        value = np.int16(image[i]) + np.int16(noise[i])
        out[i] = np.uint8(min(max(value, np.int16(0)), np.int16(255)))
