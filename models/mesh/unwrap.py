"""From a picture of a face to texture space, and values of vertices spread over it."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh.rasterise import rasterise
from models.mesh.topology import TRIANGLES, UV, VERTICES

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


def spread(values: Floats, size: int) -> Floats:
    """Two values per vertex (468, 2) over a square texture: (2, size, size) float32, -1 off the mesh.

    Exact over the triangles; what a texture needs once, not every frame.
    """
    texels = np.ascontiguousarray(UV * (size - 1), np.float32)
    planes = np.empty((2, size, size), np.float32)
    nearest = np.empty((size, size), np.float32)
    attributes = np.ascontiguousarray(values, np.float32)
    rasterise(texels, np.zeros(VERTICES, np.float32), TRIANGLES, attributes, planes[0], planes[1], nearest)
    return planes


def spread_many(values: Floats, size: int) -> Floats:
    """Values per vertex (468, k) over a square texture: (size, size, k) float32, 0 off the mesh."""
    columns = values.shape[1]
    padded = values if columns % 2 == 0 else np.concatenate([values, values[:, -1:]], axis=1)
    planes = [plane for k in range(0, columns, 2) for plane in spread(padded[:, k : k + 2], size)]
    return np.where(covered(size)[..., None], np.stack(planes[:columns], axis=2), np.float32(0.0)).astype(np.float32)


@functools.cache
def covered(size: int) -> NDArray[np.bool_]:
    """(size, size) bool, True on the mesh's own texels."""
    return np.asarray(spread(np.ones((VERTICES, 2), np.float32), size)[0] > 0)


@functools.cache
def weights(size: int) -> Floats:
    """(size * size, 468) float32: each texel as a mixture of vertices, also beyond the rim, for `weights @ values`."""
    mixture = spread_many(np.eye(VERTICES, dtype=np.float32), size).reshape(-1, VERTICES)
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=2).reshape(-1, 2) / (size - 1)
    for texel in np.flatnonzero(~covered(size).reshape(-1)):
        distance = ((UV - grid[texel]) ** 2).sum(axis=1) + 1e-6
        near = np.argpartition(distance, 4)[:4]
        mixture[texel, near] = 1 / distance[near]
    mixture /= np.maximum(mixture.sum(axis=1, keepdims=True), 1e-9)
    return mixture.astype(np.float32)


def sample_texture(image: Bytes, points: Floats, size: int) -> tuple[Bytes, NDArray[np.bool_]]:
    """The picture under a mesh with vertices at points (468, 2): colours (size, size, 3) and where they are inside it."""
    across, down = spread(points, size)
    colours = cv2.remap(image, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    height, width = image.shape[:2]
    inside = covered(size) & (across >= 0) & (across <= width - 1) & (down >= 0) & (down <= height - 1)
    return np.asarray(colours, np.uint8), inside
