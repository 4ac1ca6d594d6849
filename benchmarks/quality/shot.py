"""Shot: one frame of a run, before and after, with everything that the measures look at."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from realtime.frame import Frame, Image, Points


@dataclass(frozen=True, slots=True)
class Shot:
    """One face in one frame.

    index, time: the frame's, time in seconds.  image, result: (h, w, 3) uint8 BGR before and after, without overlay.
    landmarks: (478, 3) float32 px, filtered: what the engine was given.  track: the person's number.
    before, after: (478, 3) float32 px measured in image and in result within the same region, unfiltered; None where the
        landmark model sees no face.
    mask: (h, w) uint8, how far the patch covers each pixel; 0 everywhere when nothing was swapped.
    """

    index: int
    time: float
    image: Image
    result: Image
    landmarks: Points
    track: int | None
    before: Points | None
    after: Points | None
    mask: Image


def opacity(frame: Frame) -> Image:
    """How far the patches of a frame cover it, (h, w) uint8."""
    height, width = frame.image.shape[:2]
    whole = np.zeros((height, width), np.uint8)
    for face in frame.faces:
        if face.patch is not None:
            placed = cv2.warpAffine(face.patch.mask, face.patch.matrix, (width, height), flags=cv2.INTER_LINEAR)
            whole = np.maximum(whole, np.asarray(placed, np.uint8))
    return whole
