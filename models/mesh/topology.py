"""The face mesh itself: triangles, mean face, texture coordinates and the regions the engine treats apart.

Vertices are the first 468 points of MediaPipe's face mesh; the triangles leave the eyes and the inner mouth open.
The mean face was measured over 120 public-domain portraits with `python -m models.mesh.mean_face`.
Units of the mean face: the distance between the eye centres is 1, the origin lies between the eyes,
x to the right of the picture, y down, z away from the camera.
"""

from __future__ import annotations

from importlib import resources

import numpy as np
from numpy.typing import NDArray

VERTICES = 468
TEXTURE_SIZE = 512
# Distance of the unwrapping cylinder's axis behind the nose tip; nearer axes fold the jaw over in texture space.
_AXIS = 1.15

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]


def _load() -> tuple[Floats, Indices, Indices]:
    with resources.as_file(resources.files(__package__) / "mean_face.npz") as path, np.load(path, allow_pickle=False) as data:
        return data["mean"].astype(np.float32), data["triangles"].astype(np.int32), data["mirror"].astype(np.int32)


MEAN, TRIANGLES, MIRROR = _load()

_RIGHT_OUTLINE = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377]
_LEFT_OUTLINE = [152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]
OVAL = np.array([*_RIGHT_OUTLINE, *_LEFT_OUTLINE], np.int32)
RIGHT_EYE = np.array([33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246], np.int32)
LEFT_EYE = np.array([263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466], np.int32)
# Each eye's ring from its corner on the left of the picture along the lower lid; the iris's centre and its ring.
EYES = (RIGHT_EYE, np.roll(LEFT_EYE[::-1], -7))
IRISES = (np.arange(468, 473), np.arange(473, 478))
INNER_MOUTH = np.array([78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95], np.int32)
OUTER_LIPS = np.array([61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146], np.int32)
BROWS = np.array([70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 300, 293, 334, 296, 336, 285, 295, 282, 283, 276], np.int32)
# Points that bones hold: they say how the head is turned whatever the face does.
RIGID = np.array([10, 151, 9, 8, 168, 6, 197, 195, 33, 133, 362, 263, 127, 356, 234, 454, 93, 323, 21, 251, 54, 284], np.int32)


def _unwrap(mean: Floats) -> Floats:
    """Texture coordinates (468, 2) in 0..1: angle about a vertical axis inside the head, and height."""
    angle = np.arctan2(mean[:, 0], _AXIS - (mean[:, 2] - mean[:, 2].min()))
    flat = np.stack([angle, mean[:, 1]], axis=1)
    low, high = flat.min(axis=0), flat.max(axis=0)
    margin = 0.01
    return np.asarray(margin + (1 - 2 * margin) * (flat - low) / (high - low), np.float32)


def _steps_from(start: Indices) -> Indices:
    """How many edges each vertex lies away from the given ones."""
    steps = np.full(VERTICES, 99, np.int32)
    steps[start] = 0
    edges = np.concatenate([TRIANGLES[:, [0, 1]], TRIANGLES[:, [1, 2]], TRIANGLES[:, [2, 0]]])
    for _ in range(30):
        nearest = steps.copy()
        np.minimum.at(nearest, edges[:, 0], steps[edges[:, 1]] + 1)
        np.minimum.at(nearest, edges[:, 1], steps[edges[:, 0]] + 1)
        if (nearest == steps).all():
            break
        steps = nearest
    return steps


UV = _unwrap(MEAN)
STEPS_FROM_OVAL = _steps_from(OVAL)
STEPS_FROM_EYES = _steps_from(np.concatenate([RIGHT_EYE, LEFT_EYE]))
STEPS_FROM_MOUTH = _steps_from(INNER_MOUTH)


def _plain_skin() -> Indices:
    """Vertices that show neither brow, lid, lip, nostril nor hairline: what light and skin colour are read from."""
    lips = _steps_from(OUTER_LIPS)
    brows = _steps_from(BROWS)
    nostrils = _steps_from(np.array([98, 327, 2], np.int32))
    free = (STEPS_FROM_OVAL >= 2) & (STEPS_FROM_EYES >= 3) & (STEPS_FROM_MOUTH >= 4) & (lips >= 1) & (brows >= 1) & (nostrils >= 2)
    return np.flatnonzero(free).astype(np.int32)


PLAIN_SKIN = _plain_skin()


def normals(shape: Floats) -> Floats:
    """Unit vertex normals (468, 3) of a mesh (468+, 3), pointing out of the head (towards the camera: z < 0)."""
    points = shape[:VERTICES]
    first, second, third = (points[TRIANGLES[:, i]] for i in range(3))
    facing = np.cross(third - first, second - first)
    total = np.zeros((VERTICES, 3), np.float64)
    for corner in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(TRIANGLES[:, corner], facing[:, axis], VERTICES)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray(total / np.maximum(length, 1e-12), np.float32)
