"""Where a face's patch lies in the frame, and its mask: soft at hard edges, and less what is to stay on top."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Area = tuple[int, int, int, int]
"""Left, top, right, bottom in frame pixels."""


def area_of(points: Floats, height: int, width: int) -> Area | None:
    """What a face with these points (n, 2 or 3) px takes of a frame, or None when nothing of it is there."""
    left, top = np.floor(points[:, :2].min(axis=0)).astype(int) - 1
    right, bottom = np.ceil(points[:, :2].max(axis=0)).astype(int) + 2
    left, top = max(0, int(left)), max(0, int(top))
    right, bottom = min(width, int(right)), min(height, int(bottom))
    return (left, top, right, bottom) if right - left >= 2 and bottom - top >= 2 else None


def placing(area: Area, scale: float) -> tuple[tuple[int, int], NDArray[np.float64]]:
    """Width and height of a patch that covers an area at a scale, and its matrix (2, 3), patch -> frame.

    The patch covers its area exactly, edge to edge, as `cv2.resize` understands it.
    """
    left, top, right, bottom = area
    width, height = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    across, down = (right - left) / width, (bottom - top) / height
    return (width, height), np.array([[across, 0.0, left + across / 2 - 0.5], [0.0, down, top + down / 2 - 0.5]])


def softened(mask: Bytes) -> Bytes:
    """The mask with its hard edges, where the face turns away from the camera, faded inwards over a hundredth of its size."""
    radius = max(1, round(max(mask.shape) / 90))
    there = cv2.threshold(mask, 0, 255, cv2.THRESH_BINARY)[1]
    near = cv2.blur(there, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_CONSTANT)
    # At an edge half of the surroundings are covered, a radius inside all of them.
    return np.asarray(cv2.multiply(mask, cv2.addWeighted(near, 2.0, near, 0.0, -255.0), scale=1 / 255), np.uint8)


def without(mask: Bytes, hidden: Bytes | None, strength: float) -> Bytes:
    """The mask less what is `hidden`, a picture of the same area in any size; 255 hides it all."""
    if hidden is None or not hidden.any():
        return mask
    whole = cv2.resize(hidden, mask.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.multiply(mask, 255 - cv2.convertScaleAbs(whole, alpha=strength), scale=1 / 255), np.uint8)
