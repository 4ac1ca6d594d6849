"""All faces of a still picture, with their landmarks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.detector import Detector
from models.landmarks import Landmarker, Landmarks, region_from_detection, region_from_landmarks


def faces(image: NDArray[np.uint8], detector: Detector, landmarker: Landmarker) -> list[Landmarks]:
    """Landmarks (478, 3) px of every face, left to right.

    The second look starts from the first one's landmarks, as in a video, where they are the most exact.
    """
    found = detector(image)
    regions = [region_from_detection(box, points) for box, points in zip(found.boxes, found.points, strict=True)]
    first = [face for face in landmarker(image, regions) if face is not None]
    second = landmarker(image, [region_from_landmarks(face) for face in first])
    both = [again if again is not None else face for face, again in zip(first, second, strict=True)]
    return sorted(both, key=lambda face: float(face[:, 0].mean()))


def height(face: Landmarks) -> float:
    """Distance from the top of the forehead to the chin, px."""
    return float(np.linalg.norm(face[152, :2] - face[10, :2]))
