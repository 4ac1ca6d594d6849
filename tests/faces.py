"""Real faces for the tests: landmarks of the two portraits that come with installed packages."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models import align
from models.detector import Detector
from models.landmarks import Landmarker, region_from_detection
from realtime.frame import Face


def find(image: NDArray[np.uint8], detector: Detector, landmarker: Landmarker) -> NDArray[np.float32]:
    """Landmarks (478, 3) of the largest face."""
    found = detector(image)
    sizes = np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1)
    largest = int(np.argmax(sizes))
    landmarks = landmarker(image, [region_from_detection(found.boxes[largest], found.points[largest])])[0]
    assert landmarks is not None
    return landmarks


def larger(image: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """The picture enlarged, so that a small portrait's face has a webcam's size."""
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC), np.uint8)


def as_face(landmarks: NDArray[np.float32], track: int | None = 0, **more: object) -> Face:
    """A tracked face with these landmarks."""
    box = np.concatenate([landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)]).astype(np.float32)
    return Face(box=box, landmarks=landmarks, track=track, **more)  # type: ignore[arg-type]


def arcface_crop(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The face in the ArcFace family's crop (112, 112, 3) uint8 BGR, aligned to insightface's arcface_112_v2."""
    return align.crop(image, align.similarity(align.five(landmarks), align.template("arcface_112_v2", 112)), 112)
