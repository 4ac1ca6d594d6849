"""What the generator sees: nothing of the target's own inner face, and the same numbers as the plain formula gives."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from faces import find
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models import align
from models.generator.view import EDGE, FEATURE, LIGHT_BLUR, LIGHT_FLOOR, LIGHT_SIDE, OUTSIDE, SIDE, SKIN, placing, view, zones
from models.mesh.topology import BROWS, LEFT_EYE, MEAN, OUTER_LIPS, OVAL, RIGHT_EYE

Bytes = NDArray[np.uint8]
Reals = NDArray[np.float64]


@pytest.fixture(scope="module")
def seen(collins: Bytes, detector: Any, landmarker: Any) -> tuple[Bytes, Bytes, NDArray[np.float32]]:
    """A real face in the crop, its zones, and its landmarks there."""
    landmarks = find(collins, detector, landmarker)
    matrix = placing(landmarks)
    placed = (landmarks[:, :2] @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    return align.crop(collins, matrix, SIDE, cv2.BORDER_REPLICATE), zones(placed), placed


def _hidden(zone: Bytes) -> NDArray[np.bool_]:
    """Where nothing of the target is seen at all."""
    return np.asarray(cv2.GaussianBlur((zone != OUTSIDE).astype(np.float32), (0, 0), EDGE) > 1 - 1e-6)


@given(seed=st.integers(0, 2**32 - 1), every=st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_targets_eyes_mouth_and_brows_are_not_seen(
    seen: tuple[Bytes, Bytes, NDArray[np.float32]], seed: int, every: bool
) -> None:
    target, zone, _ = seen
    random = np.random.default_rng(seed)
    inner = (zone == FEATURE) & _hidden(zone)
    assert inner.sum() > 1000
    other = target.copy()
    other[inner] = random.integers(0, 256, (int(inner.sum()), 3)) if every else random.integers(0, 256, 3)
    guide, mask = random.integers(0, 256, target.shape, np.uint8), random.integers(0, 256, zone.shape, np.uint8)
    assert np.abs(view(target, guide, mask, zone) - view(other, guide, mask, zone)).max() < 1e-5


def test_of_the_skin_the_smooth_light_alone_is_seen(seen: tuple[Bytes, Bytes, NDArray[np.float32]]) -> None:
    """A pattern finer than the light is gone; a lamp from one side is there."""
    target, zone, _ = seen
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    inner, mask = _hidden(zone), np.full(zone.shape, 255, np.uint8)
    flat = np.full_like(target, 120)
    checked = np.where((x + y)[..., None] % 2 > 0, flat + 60, flat - 60).astype(np.uint8)
    assert np.abs(view(checked, flat, mask, zone)[0, :3, inner] - 120 / 255).max() < 0.02
    lamp = np.repeat((60 + x).astype(np.uint8)[..., None], 3, axis=2)
    found = view(lamp, flat, mask, zone)[0, 0]
    deep = np.asarray(cv2.erode(inner.astype(np.uint8), np.ones((25, 25))) > 0)
    assert np.corrcoef(found[deep], lamp[..., 0][deep])[0, 1] > 0.97


def test_eyes_brows_and_lips_are_features_and_the_rest_of_the_face_is_skin(seen: tuple[Bytes, Bytes, NDArray[np.float32]]) -> None:
    _, zone, placed = seen
    for part in (RIGHT_EYE, LEFT_EYE, OUTER_LIPS, BROWS):
        x, y = np.rint(placed[part]).astype(int).T
        assert (zone[y, x] == FEATURE).all()
    x, y = np.rint(placed[[50, 280, 4, 151, 175]]).astype(int).T
    assert (zone[y, x] == SKIN).all()
    middle = placed[OVAL].mean(axis=0)
    x, y = np.clip(np.rint(middle + 1.1 * (placed[OVAL] - middle)), 0, SIDE - 1).astype(int).T
    assert (zone[y, x] == OUTSIDE).all()


@pytest.mark.parametrize("seed", range(4))
def test_the_numbers_are_those_of_the_formula(seed: int) -> None:
    """Pixel by pixel in double precision."""
    random = np.random.default_rng(seed)
    target, guide = random.integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    mask = np.asarray(cv2.GaussianBlur(random.integers(0, 256, (SIDE, SIDE), np.uint8), (0, 0), 3) * (seed != 3), np.uint8)
    zone = zones((MEAN[:, :2] * 45 + 64 + random.normal(0, 2, MEAN[:, :2].shape)).astype(np.float32))
    picture, drawn, cover = target / 255, guide / 255, mask / 255
    inside = np.clip(2 * cv2.GaussianBlur((zone != OUTSIDE).astype(float), (17, 17), EDGE) - 1, 0, 1)[..., None]
    light = _light(picture, (zone == SKIN) * cover)
    hidden = picture + inside * (light - picture)
    wanted = np.dstack([hidden[..., ::-1], (hidden + cover[..., None] * (drawn - hidden))[..., ::-1], cover]).transpose(2, 0, 1)
    found = view(target, guide, mask, zone)
    assert (found.shape, found.dtype, found.flags.c_contiguous) == ((1, 7, SIDE, SIDE), np.float32, True)
    np.testing.assert_allclose(found[0], wanted, atol=1e-5)


def _light(picture: Reals, say: Reals) -> Reals:
    """Mean colour of the skin around every point, by weights."""
    times = SIDE // LIGHT_SIDE

    def small(plane: Reals) -> Reals:
        return plane.reshape(LIGHT_SIDE, times, LIGHT_SIDE, times).mean(axis=(1, 3))

    weight = small(say)
    colours = np.dstack([small(picture[..., k] * say) for k in range(3)])
    mean = colours.sum(axis=(0, 1)) / max(weight.sum(), 1e-6)
    kernel = np.exp(-0.5 * (np.arange(-6, 7) / LIGHT_BLUR) ** 2)
    kernel /= kernel.sum()
    colours, weight = (cv2.sepFilter2D(part, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE) for part in (colours, weight))
    light = (colours + LIGHT_FLOOR * mean) / (weight[..., None] + LIGHT_FLOOR)
    return np.asarray(cv2.resize(light, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.float64)
