"""Carry: what shows through a hole of the mesh (the inside of the mouth) taken along with the rim that moved."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh.rasterise import rasterise
from models.mesh.topology import EYES, INNER_MOUTH

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Indices = NDArray[np.int32]


def _ladder(ring: Indices) -> Indices:
    """Triangles that close a ring, from one corner (its first point) to the other (halfway), between its two sides."""
    half = len(ring) // 2
    first, second = list(ring[: half + 1]), [ring[0], *ring[:half - 1:-1]]
    steps = []
    for a, b, c, d in zip(first, first[1:], second, second[1:], strict=False):
        steps += [(a, b, c), (b, d, c)]
    # Both ways round: which side is the upper one does not matter then, as only one of each pair faces the camera.
    return np.array([t for t in steps if len(set(t)) == 3] + [t[::-1] for t in steps if len(set(t)) == 3], np.int32)


MOUTH = _ladder(INNER_MOUTH)
LIDS = tuple(_ladder(ring.astype(np.int32)) for ring in EYES)


def carry(image: Bytes, points: Floats, drawn: Floats, triangles: Indices, picture: Bytes, mask: Bytes) -> None:
    """Fill the triangles of a patch with what the frame shows in them, in place.

    image: (h, w, 3) uint8 BGR frame.  points: (468, 2) px in the frame.  drawn: (468, 2) px in the patch.
    triangles: (m, 3) indices.  picture: (h, w, 3) uint8.  mask: (h, w) uint8, raised to 255 where something was filled in.
    """
    corners = drawn[triangles.ravel()]
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 2, mask.shape[::-1])
    if right - left < 2 or bottom - top < 2:
        return
    across, down, nearest = np.empty((3, bottom - top, right - left), np.float32)
    local = np.ascontiguousarray(drawn - np.array([left, top], np.float32))
    rasterise(local, np.zeros(len(local), np.float32), triangles, np.ascontiguousarray(points), across, down, nearest)
    there = nearest < 1e37
    if not there.any():
        return
    shown = cv2.remap(image, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    area, cover = picture[top:bottom, left:right], mask[top:bottom, left:right]
    # Over skin a soft rim, as the skin beside it has; where nothing was drawn there is nothing to mix with.
    over = np.nonzero(there & (cover > 0))
    below, alpha = area[over].astype(np.float32), cv2.blur(there.astype(np.float32), (3, 3))[over][:, None]
    shown[over] = np.rint(below + alpha * (shown[over] - below)).astype(np.uint8)
    np.copyto(area, shown, where=cv2.merge([there.view(np.uint8)] * 3).view(np.bool_))
    cover[there] = 255
