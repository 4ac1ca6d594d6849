"""Eyes keep the source's colour, whatever the network says of it, and follow the light on the skin around them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.generator.hues import eyes_kept
from models.mesh.topology import LEFT_EYE, MEAN, RIGHT_EYE

Floats = NDArray[np.float32]

_BLUE = np.array([150, 110, 80], np.float32)


@pytest.fixture
def placed() -> Floats:
    """The mean face in a crop of 128 px, eyes a third of a face apart."""
    return np.asarray(MEAN[:, :2] * 32 + np.array([64, 60]), np.float32)


def _eyes(placed: Floats, shrink: float = 0.6) -> NDArray[np.bool_]:
    drawn = np.zeros((128, 128), np.uint8)
    for ring in (RIGHT_EYE, LEFT_EYE):
        middle = placed[ring].mean(axis=0)
        cv2.fillConvexPoly(drawn, cv2.convexHull(np.rint(middle + shrink * (placed[ring] - middle)).astype(np.int32)), 1)
    return drawn > 0


def _guide(placed: Floats) -> Floats:
    guide = np.full((128, 128, 3), (120, 140, 180), np.float32)
    guide[_eyes(placed, 1.0)] = _BLUE
    return guide


def _hue(colours: Floats) -> Floats:
    return np.asarray(colours - colours @ np.array([0.114, 0.587, 0.299], np.float32)[..., None], np.float32)


def test_brown_eyes_are_blue_again_and_as_bright_as_the_network_says(placed: Floats) -> None:
    guide, inside = _guide(placed), _eyes(placed)
    face = guide.copy()
    face[_eyes(placed, 1.0)] = (40, 70, 110)
    kept = eyes_kept(face, guide, placed)
    assert np.abs(_hue(kept[inside]) - _hue(_BLUE[None])).max() < 3
    luma = np.array([0.114, 0.587, 0.299], np.float32)
    assert np.abs(kept[inside] @ luma - face[inside] @ luma).max() < 0.1


def test_light_of_another_hue_reaches_the_eyes(placed: Floats) -> None:
    guide = _guide(placed)
    face = guide + np.array([-20, 0, 15], np.float32)
    assert np.abs(eyes_kept(face, guide, placed) - face).max() < 0.1


def test_skin_is_left_as_it_is_and_the_picture_that_was_given_too(placed: Floats) -> None:
    guide = _guide(placed)
    face = guide + np.random.default_rng(0).normal(0, 8, guide.shape).astype(np.float32)
    before = face.copy()
    kept = eyes_kept(face, guide, placed)
    far = cv2.dilate(_eyes(placed, 1.0).astype(np.uint8), np.ones((15, 15), np.uint8)) == 0
    assert np.array_equal(kept[far], face[far])
    assert np.array_equal(face, before)


@pytest.mark.parametrize("shift", [(200, 0), (-70, 0), (0, 90), (-300, -300)])
def test_eyes_that_lie_outside_the_crop_are_no_matter(placed: Floats, shift: tuple[int, int]) -> None:
    guide = np.full((128, 128, 3), 90, np.float32)
    kept = eyes_kept(guide + 5, guide, placed + np.array(shift, np.float32))
    assert np.isfinite(kept).all()
    assert np.abs(kept - guide - 5).max() < 0.1
