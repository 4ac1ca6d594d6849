"""Portraits: the face where its template wants it, the frontal ones first."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from faces import find
from numpy.typing import NDArray

from models.align import five, template
from models.detector import Detector
from models.landmarks import Landmarker
from models.mesh.pose import fit
from models.portrait import SIDE, Portrait, portraits

Bytes = NDArray[np.uint8]


def _turned(image: Bytes, degrees: float) -> Bytes:
    height, width = image.shape[:2]
    return np.asarray(cv2.warpAffine(image, cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 0.7), (width, height)), np.uint8)


def test_the_face_lies_upright_where_the_template_says(collins: Bytes, detector: Detector, landmarker: Landmarker) -> None:
    image = _turned(collins, 25)
    (made,) = portraits([(image, find(image, detector, landmarker))])
    # The template is a mean face; a similarity leaves what bones differ by.
    assert np.hypot(*(five(made.landmarks) - template("ffhq_512", SIDE)).T).max() < 25
    # Known truth: what the landmark model itself sees in the portrait.
    seen = find(made.image, detector, landmarker)
    assert np.hypot(*(seen - made.landmarks)[:, :2].T).mean() < 4
    assert abs(fit(made.landmarks).roll) < 3


def test_frontal_views_come_first_and_profiles_only_alone(collins: Bytes, detector: Detector, landmarker: Landmarker) -> None:
    landmarks = find(collins, detector, landmarker)

    def aside(yaw: float) -> NDArray[np.float32]:
        turn = cv2.Rodrigues(np.array([0.0, np.radians(yaw), 0.0]))[0]
        middle = landmarks.mean(axis=0)
        return ((landmarks - middle) @ turn.T + middle).astype(np.float32)

    views = [(collins, aside(yaw)) for yaw in (75, 25, 0, 12, 20, 30)]
    made = portraits(views)
    assert len(made) == 4
    angles = [fit(portrait.landmarks).aside for portrait in made]
    assert angles == sorted(angles)
    assert len(portraits(views[:1])) == 1


def test_what_is_no_portrait_is_refused() -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        Portrait(np.zeros((99, 99, 3), np.uint8), np.zeros((478, 3), np.float32))
    with pytest.raises(ValueError, match="finite"):
        Portrait(np.zeros((SIDE, SIDE, 3), np.uint8), np.full((478, 3), np.nan, np.float32))
