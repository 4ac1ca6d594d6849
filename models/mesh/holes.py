"""What shows through the holes of a drawn face: the target's mouth, and the source's eyes where the target looks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh import eyes
from models.mesh.carry import LIDS, MOUTH, carry
from models.mesh.eyes import Eyes
from models.mesh.pose import Pose
from models.mesh.topology import EYES, VERTICES

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn face: picture (h, w, 3) uint8 BGR, mask (h, w) uint8, both painted in place, and matrix (2, 3), crop -> frame."""

    picture: Bytes
    mask: Bytes
    matrix: NDArray[np.float64]


def fill(
    image: Bytes, landmarks: Floats, drawn: Floats, pose: Pose, source: Eyes | None, gain: Floats | None, strength: float, into: Drawing
) -> None:
    """Fill the holes of `into`, in place.

    image: (h, w, 3) uint8 BGR frame.  landmarks: (468 or 478, 3) px, the target's.  drawn: (468, 3) px, with the source's
    bones.  pose: the target's.  source, gain: the source's eyes and the factors (3,) for their whites, or None for the
    target's own.  strength: 0..1, how far the source's eyes show.
    """
    inverse = cv2.invertAffineTransform(into.matrix)
    placed = (drawn[:, :2] @ inverse[:, :2].T + inverse[:, 2]).astype(np.float32)
    whole = source is not None and gain is not None and strength >= 1
    own = np.ascontiguousarray(landmarks[:VERTICES, :2])
    for hole in (MOUTH,) if whole else (MOUTH, *LIDS):
        carry(image, own, placed, hole, into.picture, into.mask)
    if source is None or gain is None or strength == 0:
        return
    for eye in range(2):
        middle = eyes.gaze(landmarks, eyes.frame(landmarks, pose, eye), eye)
        matrix = inverse[:, :2] @ eyes.frame(drawn, pose, eye)
        matrix[:, 2] += inverse[:, 2]
        eyes.draw(source, eye, placed[EYES[eye]], matrix, middle, gain, into.picture, into.mask, strength)
