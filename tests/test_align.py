"""Faces come upright and where the recognisers' templates have them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from faces import arcface_crop, find, larger
from numpy.typing import NDArray

from models import align
from models.detector import Detector
from models.landmarks import Landmarker


def test_a_known_similarity_is_found_again() -> None:
    points = np.random.default_rng(0).uniform(0, 100, (5, 2))
    turn = 0.7 * np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])
    matrix = align.similarity(points, points @ turn.T + (3, -8))
    np.testing.assert_allclose(matrix[:, :2], turn, atol=1e-12)
    np.testing.assert_allclose(matrix[:, 2], (3, -8), atol=1e-10)


def test_a_mirrored_template_is_not_mirrored_to() -> None:
    points = np.random.default_rng(0).uniform(0, 100, (5, 2))
    matrix = align.similarity(points, points * (-1, 1))
    assert np.linalg.det(matrix[:, :2]) > 0


@pytest.mark.parametrize("wrong", [np.full((5, 2), np.nan), np.ones((5, 2))])
def test_points_without_extent_are_refused(wrong: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="expected a finite face"):
        align.similarity(wrong, np.arange(10.0).reshape(5, 2))


@pytest.mark.parametrize("scale", [0.13, 0.5, 1.0, 2.3])
def test_a_crop_shows_what_stands_there(scale: float) -> None:
    """A plane of colour has its value anywhere, so every pixel of the crop says from where it came."""
    down, across = np.mgrid[0:400, 0:600].astype(np.float64)
    image = np.dstack([across * 255 / 600, down * 255 / 400, np.zeros_like(down)]).astype(np.uint8)
    matrix = np.concatenate([np.eye(2) * scale, (np.array([30, 30]) - scale * np.array([310, 205]))[:, None]], axis=1)
    found = align.crop(image, matrix, 60)
    rows, columns = np.mgrid[0:60, 0:60]
    x, y = (columns - 30) / scale + 310, (rows - 30) / scale + 205
    inside = (x > 8) & (x < 592) & (y > 8) & (y < 392)
    assert np.abs(found[..., 0][inside] - (x * 255 / 600)[inside]).max() < 1.6
    assert np.abs(found[..., 1][inside] - (y * 255 / 400)[inside]).max() < 1.6


def test_what_gets_smaller_is_averaged() -> None:
    image = (np.indices((256, 256)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    found = align.crop(image, np.array([[0.25, 0, 0], [0, 0.25, 0]]), 60)
    assert np.abs(found[4:-4, 4:-4].astype(int) - 127).max() <= 2


def test_eyes_and_mouth_are_where_the_templates_have_them(hopper: NDArray[np.uint8], detector: Detector, landmarker: Landmarker) -> None:
    image = larger(hopper, 2.0)
    for turned in (image, np.ascontiguousarray(cv2.rotate(image, cv2.ROTATE_180)[::-1, ::-1])):
        landmarks = find(turned, detector, landmarker)
        for made, side, eyes, across in (
            (arcface_crop(turned, landmarks), 112, 51.6, (38.3, 73.5)),
            (align.dlib_crop(turned, landmarks), 150, 46.0, (47.7, 102.0)),
        ):
            assert made.shape == (side, side, 3)
            again = find(larger(np.pad(made, ((60, 60), (60, 60), (0, 0)), mode="edge"), 2.0), detector, landmarker)[:, :2] / 2 - 60
            centres = again[[33, 133]].mean(axis=0), again[[362, 263]].mean(axis=0)
            for centre, x in zip(centres, across, strict=True):
                assert abs(float(centre[0]) - x) < 0.04 * side
                assert abs(float(centre[1]) - eyes) < 0.04 * side
