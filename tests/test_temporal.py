"""Measures of steadiness: known trembling, flicker and swimming give known figures, motion alone gives none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
from meshes import blended, head, patch, placed, shot, turn
from numpy.typing import NDArray

from benchmarks.quality import temporal, zone
from benchmarks.quality.meanings import FIGURES
from benchmarks.quality.shot import Shot
from models.detector import Detector
from models.landmarks import Landmarker

_COUNT = 40
Images = Sequence[NDArray[np.uint8]]


@pytest.fixture(scope="module")
def still(collins: NDArray[np.uint8], detector: Detector, landmarker: Landmarker) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A portrait and its landmarks."""
    from faces import find

    return collins, find(collins, detector, landmarker)


def _shots(images: Images, results: Images, faces: Sequence[NDArray[np.float32]]) -> list[Shot]:
    return [shot(i, *row) for i, row in enumerate(zip(images, results, faces, strict=True))]


def _filmed(still: NDArray[np.uint8], noise: float = 2.0, seed: int = 0) -> list[NDArray[np.uint8]]:
    draw = np.random.default_rng(seed)
    return [np.clip(np.rint(still + draw.normal(0, noise, still.shape)), 0, 255).astype(np.uint8) for _ in range(_COUNT)]


def _moved(picture: NDArray[np.uint8], x: float, y: float = 0.0) -> NDArray[np.uint8]:
    matrix = np.array([[1.0, 0, x], [0, 1, y]])
    return np.asarray(cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE), np.uint8)


def test_white_noise_keeps_its_deviation_and_even_motion_has_none() -> None:
    noise = np.random.default_rng(0).normal(0, 3, (4000, 5))
    assert temporal.fast(noise).std() == pytest.approx(3, rel=0.03)
    assert np.abs(temporal.fast(np.arange(50.0)[:, None] * [1, -7])).max() < 1e-9


@pytest.mark.parametrize("deviation", [0.3, 2.0])
def test_trembling_of_the_result_is_measured_in_pixels(deviation: float) -> None:
    draw = np.random.default_rng(1)
    image = np.zeros((320, 320, 3), np.uint8)
    faces = [placed(head(), turn(yaw=0.2 * i), x=160 + 0.5 * i) for i in range(200)]
    shots = [shot(i, image, image, face, after=face + np.float32(draw.normal(0, deviation, (478, 3)))) for i, face in enumerate(faces)]
    figures = temporal.jitter(shots)
    assert figures["jitter_px"] == pytest.approx(deviation * np.sqrt(2), rel=0.05)
    assert figures["jitter_percent"] == pytest.approx(100 * figures["jitter_px"] / 80, rel=0.05)
    assert figures["jitter_ratio"] > 10


def test_other_bones_and_a_lag_in_even_motion_are_no_trembling() -> None:
    image = np.zeros((320, 320, 3), np.uint8)
    faces = [placed(head(), turn(), x=100 + 2 * i) for i in range(_COUNT)]
    shots = [shot(i, image, image, face, after=1.02 * face - np.float32(4)) for i, face in enumerate(faces)]
    assert temporal.jitter(shots)["jitter_px"] < 0.01


def test_an_untouched_clip_has_ratios_of_one(still: tuple[NDArray[np.uint8], NDArray[np.float32]]) -> None:
    images = _filmed(still[0])
    figures = temporal.measure(_shots(images, images, [still[1]] * _COUNT))
    assert set(figures) <= set(FIGURES)
    ratios = {name: value for name, value in figures.items() if name.endswith("_ratio")}
    assert set(ratios) == {"flicker_ratio", "flicker_whole_ratio", "flicker_still_ratio", "warping_ratio"}
    assert ratios == pytest.approx(dict.fromkeys(ratios, 1.0))
    assert figures["flicker_added_levels"] == 0
    assert figures["flicker_still_percent"] == 100


def test_flicker_is_measured_in_grey_levels(still: tuple[NDArray[np.uint8], NDArray[np.float32]]) -> None:
    picture, face = np.asarray(still[0] // 2 + 50, np.uint8), still[1]
    draw = np.random.default_rng(2)
    mask = patch(face, picture.shape[:2], grow=1.6)
    images = _filmed(picture)
    levels = draw.integers(-4, 5, _COUNT)
    results = [blended(image, image + float(level), mask) for image, level in zip(images, levels, strict=True)]
    shots = [replace(each, mask=mask) for each in _shots(images, results, [face] * _COUNT)]
    figures = temporal.flicker(shots)
    expected = float(np.sqrt((temporal.fast(levels.astype(float)) ** 2).mean()))
    assert figures["flicker_added_levels"] == pytest.approx(expected, rel=0.05)
    assert figures["flicker_whole_levels"] == pytest.approx(expected, rel=0.05)
    assert figures["flicker_still_ratio"] > 5


def test_a_lamp_that_is_turned_on_slowly_does_not_flicker() -> None:
    face = placed(head(), turn())
    image = np.full((320, 320, 3), 100, np.uint8)
    results = [np.full_like(image, 100 + i) for i in range(_COUNT)]
    assert temporal.flicker(_shots([image] * _COUNT, results, [face] * _COUNT))["flicker_levels"] < 0.01


def test_trembling_landmarks_and_a_moving_head_are_no_flicker(still: tuple[NDArray[np.uint8], NDArray[np.float32]]) -> None:
    picture, face = still
    draw = np.random.default_rng(3)
    trembling = [face + np.float32([*draw.normal(0, 0.7, 2), 0]) for _ in range(_COUNT)]
    # What it would be if each frame's own landmarks placed its cells.
    naive = float(np.sqrt((temporal.fast(np.array([temporal.cells(picture, at) for at in trembling])) ** 2).mean()))
    assert temporal.flicker(_shots([picture] * _COUNT, [picture] * _COUNT, trembling))["flicker_levels"] < min(0.35, naive / 4)
    moved = [_moved(picture, 1.5 * i) for i in range(_COUNT)]
    figures = temporal.flicker(_shots(moved, moved, [face + np.float32([1.5 * i, 0, 0]) for i in range(_COUNT)]))
    assert figures["flicker_levels"] < 0.25
    assert figures["flicker_still_percent"] == 0
    assert "flicker_still_ratio" not in figures


def test_a_texture_that_swims_on_a_moving_face_warps_badly(still: tuple[NDArray[np.uint8], NDArray[np.float32]]) -> None:
    picture, face = still
    faces = [face + np.float32([2.0 * i, 0, 0]) for i in range(12)]
    moved = [_moved(picture, 2.0 * i) for i in range(12)]
    other = np.asarray(np.clip(0.8 * picture.astype(float) + 20, 0, 255), np.uint8)
    masks = [patch(at, picture.shape[:2]) for at in faces]
    follows = [blended(image, _moved(other, 2.0 * i), mask) for i, (image, mask) in enumerate(zip(moved, masks, strict=True))]
    stays = [blended(image, other, mask) for image, mask in zip(moved, masks, strict=True)]
    good, bad = (temporal.warping(_shots(moved, results, faces))["warping_ratio"] for results in (follows, stays))
    assert good < 1.5
    assert bad > 2 * good


def test_gaps_and_other_people_are_not_compared() -> None:
    face = placed(head(), turn())
    dark, bright = np.full((320, 320, 3), 60, np.uint8), np.full((320, 320, 3), 160, np.uint8)
    people = [shot(i, dark, picture, face, track=track) for i in range(12) for track, picture in enumerate((dark, bright))]
    assert temporal.measure(people)["flicker_levels"] == 0
    before = [shot(i, dark, dark, face) for i in range(6)]
    later = [shot(i, dark, bright, face) for i in range(30, 36)]
    assert [len(stretch) for stretch in zone.runs([*later, *before])] == [6, 6]
    assert temporal.measure(before + later)["flicker_levels"] == 0
    joined = [*before, *(replace(each, index=6 + i, time=(6 + i) / 30) for i, each in enumerate(later))]
    assert temporal.measure(joined)["flicker_levels"] > 10


def test_too_few_shots_give_nothing() -> None:
    face, image = placed(head(), turn()), np.zeros((320, 320, 3), np.uint8)
    one = shot(0, image, image, face)
    assert temporal.measure([]) == {}
    assert temporal.measure([one]) == {}
    assert set(temporal.measure([one, shot(1, image, image, face)])) <= {"warping_error_levels", "warping_target_levels", "warping_ratio"}
    assert temporal.measure([replace(one, mask=np.zeros_like(one.mask))] * 3) == {}
    outside = [shot(i, image, image, face + np.float32(2000), mask=np.full((320, 320), 255, np.uint8)) for i in range(4)]
    assert np.isfinite(list(temporal.measure(outside).values())).all()
