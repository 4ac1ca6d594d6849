"""Bringing a face into the upright crop that a recogniser expects: templates, similarity fit, crop."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

ARCFACE = 112
"""Side in pixels of the crop that the ArcFace family looks at."""
DLIB = 150
"""Side in pixels of the crop that dlib's recogniser looks at."""

# The person's right eye, left eye (each the centre), nose tip, right and left mouth corner in the 112 px crop "arcface_112_v2".
_ARCFACE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
# Left eye outer and inner corner, right eye outer and inner corner, base of the nose, as shares of dlib's mean face.
_DLIB = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
_PADDING = 0.25
_DLIB_POINTS = [263, 362, 33, 133, 2]


def arcface_crop(image: Bytes, landmarks: Floats) -> Bytes:
    """The face in the ArcFace family's crop (112, 112, 3) uint8 BGR.

    image: (h, w, 3) uint8 BGR.  landmarks: (478, 2 or 3) px.  Raises ValueError when they are not finite or in one place.
    Deng et al., "ArcFace", 2019; the template is insightface's arcface_112_v2.
    """
    points = landmarks[:, :2].astype(np.float64)
    five = np.stack([points[[33, 133]].mean(axis=0), points[[362, 263]].mean(axis=0), points[1], points[61], points[291]])
    return crop(image, similarity(five, _ARCFACE), ARCFACE)


def dlib_crop(image: Bytes, landmarks: Floats) -> Bytes:
    """The face in dlib's crop (150, 150, 3) uint8 BGR: its five-point geometry with a padding of 0.25.

    Arguments and errors as in arcface_crop.
    """
    template = (_DLIB + _PADDING) / (1 + 2 * _PADDING) * DLIB
    return crop(image, similarity(landmarks[_DLIB_POINTS, :2].astype(np.float64), template), DLIB)


def similarity(points: Reals, template: Reals) -> Reals:
    """The (2, 3) matrix that turns, scales and moves points (n, 2) as near as possible to a template (n, 2), never mirroring.

    Source: Umeyama 1991; in the plane it is one complex number.  Raises ValueError when the points are not finite or all in one place.
    """
    middle, goal = points.mean(axis=0), template.mean(axis=0)
    given = (points - middle) @ (1, 1j)
    size = float((given.conj() * given).real.sum()) if np.isfinite(points).all() else 0.0
    if size < 1e-9:
        what = "all in one place" if np.isfinite(points).all() else "that are not finite"
        raise ValueError(f"got points {what}, expected a finite face")
    factor = complex((given.conj() * ((template - goal) @ (1, 1j))).sum()) / size
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.concatenate([turn, (goal - turn @ middle)[:, None]], axis=1)


def crop(image: Bytes, matrix: Reals, side: int) -> Bytes:
    """A square (side, side, 3) of a picture (h, w, 3) uint8 under a matrix (2, 3) picture -> square; black beyond the picture.

    What gets smaller is averaged: skipped pixels would look like noise and edges.
    """
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 1:
        # Only what the square shows, and a margin for the averaging, is made smaller.
        reach = np.abs(np.linalg.inv(matrix[:, :2])).sum(axis=1) * side / 2 + 2 / scale
        centre = np.linalg.inv(matrix[:, :2]) @ (np.array([side, side]) / 2 - matrix[:, 2])
        rows, columns = image.shape[:2]
        left, top = np.clip(np.floor(centre - reach), 0, (columns - 1, rows - 1)).astype(int)
        right, bottom = np.clip(np.ceil(centre + reach), (left + 1, top + 1), (columns, rows)).astype(int)
        part = image[top:bottom, left:right]
        width, height = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
        image = np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        shrink = np.array([(right - left) / width, (bottom - top) / height])
        # Pixels count from their centres: half a pixel goes in before scaling and out after it.
        offset = (shrink - 1) / 2 + (left, top)
        matrix = np.concatenate([matrix[:, :2] * shrink, (matrix[:, :2] @ offset + matrix[:, 2])[:, None]], axis=1)
    return np.asarray(cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR), np.uint8)


__all__ = ["ARCFACE", "DLIB", "arcface_crop", "crop", "dlib_crop", "similarity"]
