"""Drawing the mesh: triangles to a sampling map with a z-buffer, and light on a texture."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]
Bytes = NDArray[np.uint8]


@numba.njit(cache=True, nogil=True, fastmath=True)
def rasterise(
    points: Floats, depth: Floats, triangles: Indices, attributes: Floats, first: Floats, second: Floats, nearest: Floats
) -> None:
    """Interpolate two vertex attributes over the triangles; the nearest surface wins, surfaces turned away are left out.

    points: (n, 2) float32 pixel coordinates, pixel centres at whole numbers.  depth: (n,) float32, smaller is nearer.
    triangles: (m, 3) int32, clockwise as seen (y down).  attributes: (n, 2) float32.
    first, second: (h, w) float32, written whole: the attributes, -1 where no triangle covers the pixel centre.
    nearest: (h, w) float32 working memory; afterwards the depth, infinity where nothing was drawn.
    """
    height, width = nearest.shape
    far = np.float32(3e38)
    nearest[:] = far
    first[:] = np.float32(-1.0)
    second[:] = np.float32(-1.0)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay = points[a, 0], points[a, 1]
        bx, by = points[b, 0] - ax, points[b, 1] - ay
        cx, cy = points[c, 0] - ax, points[c, 1] - ay
        area = bx * cy - by * cx
        # A triangle that is a line has an area of rounding errors, which grow with the products.
        if not area > np.float32(1e-6) + np.float32(1e-5) * (abs(bx * cy) + abs(by * cx)):
            continue
        top = max(0, int(np.ceil(ay + min(np.float32(0.0), by, cy))))
        bottom = min(height - 1, int(np.floor(ay + max(np.float32(0.0), by, cy))))
        inverse = np.float32(1.0) / area
        # Over a triangle every attribute is a plane: its slopes by Cramer's rule.
        z0, z1, z2 = depth[a], depth[b] - depth[a], depth[c] - depth[a]
        zx, zy = (z1 * cy - z2 * by) * inverse, (z2 * bx - z1 * cx) * inverse
        u0, u1, u2 = attributes[a, 0], attributes[b, 0] - attributes[a, 0], attributes[c, 0] - attributes[a, 0]
        ux, uy = (u1 * cy - u2 * by) * inverse, (u2 * bx - u1 * cx) * inverse
        v0, v1, v2 = attributes[a, 1], attributes[b, 1] - attributes[a, 1], attributes[c, 1] - attributes[a, 1]
        vx, vy = (v1 * cy - v2 * by) * inverse, (v2 * bx - v1 * cx) * inverse
        for y in range(top, bottom + 1):
            low, high = np.float32(-1e9), np.float32(1e9)
            dy = np.float32(y) - ay
            for edge in range(3):
                if edge == 0:
                    px, py, qx, qy = np.float32(0.0), np.float32(0.0), bx, by
                elif edge == 1:
                    px, py, qx, qy = bx, by, cx, cy
                else:
                    px, py, qx, qy = cx, cy, np.float32(0.0), np.float32(0.0)
                rise = qy - py
                if rise == np.float32(0.0):
                    continue
                crossing = px + (dy - py) * (qx - px) / rise
                if rise < np.float32(0.0):
                    low = max(low, crossing)
                else:
                    high = min(high, crossing)
            # A pixel on a shared edge may be drawn twice with the same value; leaving it out would make a crack.
            left = max(0, int(np.ceil(low + ax - np.float32(1e-4))))
            right = min(width - 1, int(np.floor(high + ax + np.float32(1e-4))))
            dx = np.float32(left) - ax
            z, u, v = z0 + zx * dx + zy * dy, u0 + ux * dx + uy * dy, v0 + vx * dx + vy * dy
            for x in range(left, right + 1):
                if z < nearest[y, x]:
                    nearest[y, x] = z
                    first[y, x] = u
                    second[y, x] = v
                z += zx
                u += ux
                v += vx


@numba.njit(cache=True, nogil=True, fastmath=True)
def relit(texture: Bytes, tone: Floats, light: Floats, out: Bytes) -> None:
    """A texture in another light: brightness takes the light's hue and its contrast, what differs in hue is only passed on.

    Each texel is tone * s + rest, with s its brightness against the tone's; the result is
    tone * (1 + contrast * (s - 1)) * colour + contrast * rest * (0.35 + 0.65 * colour, at most 1), so that blotches and print grain are not
    lit up, and do not glow in the dark.
    texture: (h, w, 4) uint8 BGR and opacity, which is copied.  tone: (3,) float32.
    light: (h, w, 4) float32 of contrast, blue, green, red.  out: (h, w, 4) uint8, written whole.
    """
    height, width = texture.shape[:2]
    whole = np.float32(1.0) / (tone[0] + tone[1] + tone[2])
    for y in range(height):
        for x in range(width):
            contrast = light[y, x, 0]
            brightness = (np.float32(texture[y, x, 0]) + np.float32(texture[y, x, 1]) + np.float32(texture[y, x, 2])) * whole
            stretched = np.float32(1.0) + contrast * (brightness - np.float32(1.0))
            for k in range(3):
                rest = np.float32(texture[y, x, k]) - tone[k] * brightness
                lit = light[y, x, k + 1]
                dim = np.float32(0.35) + np.float32(0.65) * lit
                value = tone[k] * stretched * lit + contrast * rest * min(dim, np.float32(1.0)) + np.float32(0.5)
                out[y, x, k] = np.uint8(min(max(value, np.float32(0.0)), np.float32(255.0)))
            out[y, x, 3] = texture[y, x, 3]
