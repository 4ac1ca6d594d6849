"""Bringing a face into the upright crop that a recogniser expects: templates, similarity fit, crop."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

DLIB = 150
"""Side in pixels of the crop that dlib's recogniser looks at."""

# Where the person's right eye, left eye (each the centre), nose tip, right and left mouth corner lie in a face model's crop, as
# parts of its side; the names are those that the field uses.
TEMPLATES = {
    "arcface_112_v1": (
        (0.35473214, 0.45658929), (0.64526786, 0.45658929), (0.5, 0.61154464),
        (0.37913393, 0.776875), (0.62086607, 0.776875),
    ),
    "arcface_112_v2": (
        (0.34191607, 0.46157411), (0.65653393, 0.45983393), (0.500225, 0.64050536),
        (0.37097589, 0.82469196), (0.63151696, 0.82325089),
    ),
    "arcface_128": (
        (0.36167656, 0.40387734), (0.63696719, 0.40235469), (0.50019687, 0.56044219),
        (0.38710391, 0.72160547), (0.61507734, 0.72034453),
    ),
    "dfl_whole_face": (
        (0.35342266, 0.39285716), (0.62797622, 0.39285716), (0.48660713, 0.5401786),
        (0.38839287, 0.68750011), (0.59821427, 0.68750011),
    ),
    "ffhq_512": (
        (0.37691676, 0.46864664), (0.62285697, 0.46912813), (0.50123859, 0.61331904),
        (0.39308822, 0.725411), (0.61150205, 0.72490465),
    ),
    "mtcnn_512": (
        (0.36562865, 0.46733799), (0.63305391, 0.46585885), (0.50019127, 0.61942959),
        (0.39032951, 0.77598822), (0.61178945, 0.77476328),
    ),
    "styleganex_384": (
        (0.42353745, 0.52289879), (0.57725008, 0.52319972), (0.50123859, 0.61331904),
        (0.43364461, 0.68337652), (0.57015325, 0.68306005),
    ),
}
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
DLIB_POINTS = [263, 362, 33, 133, 2]
"""The landmarks that dlib's crop is fitted to: corners of the eyes and the base of the nose."""
DLIB_TEMPLATE: Reals = (_DLIB + _PADDING) / (1 + 2 * _PADDING) * DLIB
"""Where DLIB_POINTS belong (5, 2) px in dlib's crop."""


def template(name: str, side: int) -> Reals:
    """Where the five points of `five` belong (5, 2) px in a crop of a side in pixels; name: one of TEMPLATES."""
    return np.array(TEMPLATES[name], np.float64) * side


def five(landmarks: Floats) -> Reals:
    """The person's right eye, left eye, nose tip, right and left mouth corner (5, 2) of face mesh landmarks (468+, 2 or 3) px."""
    points = landmarks[:, :2].astype(np.float64)
    return np.stack([points[[33, 133]].mean(axis=0), points[[362, 263]].mean(axis=0), points[1], points[61], points[291]])


def dlib_crop(image: Bytes, landmarks: Floats) -> Bytes:
    """The face in dlib's crop (150, 150, 3) uint8 BGR: its five-point geometry with a padding of 0.25.

    image: (h, w, 3) uint8 BGR.  landmarks: (478, 2 or 3) px.  Raises ValueError when they are not finite or in one place.
    """
    return crop(image, similarity(landmarks[DLIB_POINTS, :2].astype(np.float64), DLIB_TEMPLATE), DLIB)


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


def crop(image: Bytes, matrix: Reals, side: int, border: int = cv2.BORDER_CONSTANT) -> Bytes:
    """A square (side, side, 3) of a picture (h, w, 3) uint8 under a matrix (2, 3) picture -> square.

    border: what lies beyond the picture, as cv2 calls it; black, or with BORDER_REPLICATE its last pixels.
    What gets smaller is averaged: skipped pixels would look like noise and edges.  The averages are those of whole pixels on a
    grid that is the picture's own, so that a square which moves by a part of a pixel changes by no more than that.
    """
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 1:
        # Only what the square shows, and a margin for the averaging, is made smaller.
        reach = np.abs(np.linalg.inv(matrix[:, :2])).sum(axis=1) * side / 2 + 2 / scale
        centre = np.linalg.inv(matrix[:, :2]) @ (np.array([side, side]) / 2 - matrix[:, 2])
        rows, columns = image.shape[:2]
        whole = max(1, min(int(1 / scale + 1e-6), rows, columns))
        most = np.array([columns, rows]) // whole
        first = np.clip(np.floor((centre - reach) / whole), 0, most - 1).astype(int)
        last = np.clip(np.ceil((centre + reach) / whole), first + 1, most).astype(int)
        (left, top), (right, bottom) = first * whole, last * whole
        image = image[top:bottom, left:right]
        if whole > 1:
            image = np.asarray(cv2.resize(image, tuple(last - first), interpolation=cv2.INTER_AREA), np.uint8)
        # Pixels count from their centres: half a pixel goes in before scaling and out after it.
        offset = (whole - 1) / 2 + first * whole
        matrix = np.concatenate([matrix[:, :2] * whole, (matrix[:, :2] @ offset + matrix[:, 2])[:, None]], axis=1)
        side_lobe = ((scale * whole) ** -2 - 1) / 8
        if side_lobe > 0.02:
            kernel = np.array([side_lobe, 1 - 2 * side_lobe, side_lobe])
            image = np.asarray(cv2.sepFilter2D(image, -1, kernel, kernel), np.uint8)
    return np.asarray(cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=border), np.uint8)


__all__ = ["DLIB", "DLIB_POINTS", "DLIB_TEMPLATE", "TEMPLATES", "crop", "dlib_crop", "five", "similarity", "template"]
