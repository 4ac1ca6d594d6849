"""A portrait framed as a webcam sees it: the head at a webcam's size, the backdrop carried on where the photo ends."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.finding import height as face_height

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

# Share of the frame's height that the face (forehead to chin) takes, least and most; a whole head is about 1.45 faces.
_LEAST, _MOST = 0.31, 0.36
_WIDEST = 0.42
_FADE = 0.06


def framing(size: tuple[int, int], landmarks: Floats, width: int, height: int) -> Floats:
    """The affine (2, 3) from a photo (width, height px) to a frame; the photo covers as much of it as the head's size lets it."""
    tall = face_height(landmarks)
    most = min(_MOST * height, _WIDEST * width)
    least = min(_LEAST * height, most)
    scale = float(np.clip(max(height / size[1], width / size[0]), least / tall, most / tall))
    centre = (landmarks[10, :2] + landmarks[152, :2]) / 2 * scale
    wanted = np.array([0.5 * width, 0.46 * height])
    # The head may sit a little off the middle where that saves carrying on the backdrop; below matters most.
    slack = np.array([0.08 * width, 0.07 * height])
    offset = wanted - centre
    low, high = np.array([width, height]) - np.multiply(size, scale), np.zeros(2)
    better = np.where(low <= high, np.clip(offset, low, high), np.where(np.arange(2) == 1, low, (low + high) / 2))
    offset = np.clip(better, offset - slack, offset + slack)
    return np.array([[scale, 0, offset[0]], [0, scale, offset[1]]], np.float32)


def carry_on(photo: Bytes, matrix: Floats, width: int, height: int, margin: int) -> Bytes:
    """The framed scene with `margin` px more on every side (height + 2 margin, width + 2 margin, 3).

    Beyond the photo its edges are carried on, blurred the more the farther out.
    """
    moved = matrix.copy()
    moved[:, 2] += margin
    size = (width + 2 * margin, height + 2 * margin)
    shrunk = photo
    if matrix[0, 0] < 0.5:
        factor = float(matrix[0, 0]) * 2
        shrunk = np.asarray(cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
        moved[:, :2] /= factor
    sharp = cv2.warpAffine(shrunk, moved, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    # Farther out a mirrored head would be seen again: there the colours of the photo's edge go on.
    edge = cv2.blur(shrunk, (max(1, shrunk.shape[1] // 12), max(1, shrunk.shape[0] // 12)), borderType=cv2.BORDER_REPLICATE)
    outside = cv2.warpAffine(edge, moved, size, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.full(shrunk.shape[:2], 255, np.uint8), moved, size)
    distance = cv2.distanceTransform(np.where(inside > 127, 0, 255).astype(np.uint8), cv2.DIST_L2, 5)
    if not distance.any():
        return np.asarray(sharp, np.uint8)
    result = sharp.astype(np.float32)
    for source, step, sigma in ((sharp, 0.25, 0.012), (outside, 1.0, 0.03), (outside, 2.5, 0.06)):
        share = np.clip(distance / (step * _FADE * height), 0, 1)[..., None]
        quarter = cv2.resize(source, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        blurred = cv2.resize(cv2.GaussianBlur(quarter, (0, 0), max(0.5, sigma * height / 4)), size, interpolation=cv2.INTER_LINEAR)
        result += (blurred - result) * share
    return np.asarray(np.rint(result), np.uint8)
