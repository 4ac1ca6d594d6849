"""Putting a picture of any size into a frame of a fixed size, and making it smaller for a codec."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.frame import Image


def fit(image: Image, size: tuple[int, int]) -> Image:
    """The picture scaled to fit inside `size` (width, height), black bars around it; the same array where it fits already.

    image: (h, w, c) uint8, at least 1 x 1; with alpha the bars have none.
    """
    width, height = size
    rows, columns = image.shape[:2]
    if (columns, rows) == size:
        return image
    scale = min(width / columns, height / rows)
    inner = max(1, min(width, round(columns * scale))), max(1, min(height, round(rows * scale)))
    small = cv2.resize(image, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    out = np.zeros((height, width, image.shape[2]), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    out[top : top + inner[1], left : left + inner[0]] = small
    return out


def scaled(image: Image, scale: float) -> Image:
    """The picture with both sides times `scale` (0..1) and even, as codecs want them; the same array where they are that already."""
    height, width = (max(2, round(side * scale / 2) * 2) for side in image.shape[:2])
    if (height, width) == image.shape[:2]:
        return image
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


__all__ = ["fit", "scaled"]
