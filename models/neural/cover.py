"""The whole face as the mesh sees it, eyes and mouth closed: its triangles, and how opaque it is."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh.carry import LIDS, MOUTH
from models.mesh.patch import softened
from models.mesh.rasterise import rasterise
from models.mesh.topology import STEPS_FROM_OVAL, TRIANGLES, VERTICES

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]
Bytes = NDArray[np.uint8]

# The lids and the lips are joined: a network draws eyes and teeth itself.
CLOSED = np.ascontiguousarray(np.concatenate([TRIANGLES, MOUTH, *LIDS]))
# Opacity by edges away from the rim: the face's outline fades over two thirds of its outer ring.
_ALPHA = np.stack([1.5 * np.minimum(STEPS_FROM_OVAL, 1), np.ones(VERTICES)], axis=1).astype(np.float32)
# A crop's outermost twentieth, where networks know least, fades.
_EDGE = 0.05


def cover(placed: Floats, depth: Floats, size: tuple[int, int]) -> Bytes:
    """Where a patch shows the face, (h, w) uint8, 255 inside, with a rim that fades inwards.

    placed: (468, 2) px in the patch.  depth: (468,).  size: width and height.
    """
    planes = np.empty((3, size[1], size[0]), np.float32)
    rasterise(placed, depth, CLOSED, _ALPHA, planes[0], planes[1], planes[2])
    return softened(np.asarray(cv2.convertScaleAbs(cv2.max(planes[0], 0.0), alpha=255.0), np.uint8))


def inside(mask: Bytes, placed: Floats, matrix: Reals, side: int) -> Bytes:
    """The mask less what a square crop does not reach; the same array where it reaches all of the face.

    placed: (468, 2) px of the crop.  matrix: (2, 3), mask -> crop.  side: of the crop, px.
    """
    margin = _EDGE * side
    if placed.min() >= margin and placed.max() <= side - 1 - margin:
        return mask
    height, width = mask.shape
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    reach = np.full((height, width), margin, np.float32)
    for row in matrix.astype(np.float32):
        at = row[0] * x + (row[1] * y + row[2])
        reach = np.minimum(reach, np.minimum(at, np.float32(side - 1) - at))
    return np.asarray(mask * (np.maximum(reach, 0) / np.float32(margin)), np.uint8)


__all__ = ["CLOSED", "cover", "inside"]
