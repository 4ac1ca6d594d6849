"""Measures of realism: hard edges, blur and noise that are known are found, an untouched face has none."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from faces import find
from meshes import blended, head, patch, placed, shot, turn
from numpy.typing import NDArray

from benchmarks.quality import realism
from benchmarks.quality.meanings import FIGURES
from benchmarks.quality.shot import Shot
from models.detector import Detector
from models.landmarks import Landmarker


@pytest.fixture(scope="module")
def untouched(collins: NDArray[np.uint8], detector: Detector, landmarker: Landmarker) -> Shot:
    """A real face, twice as large as the portrait's, with a little noise, that nobody has changed."""
    points = np.asarray(find(collins, detector, landmarker) * 2, np.float32)
    image = cv2.resize(collins, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    image = np.clip(np.rint(image + np.random.default_rng(0).normal(0, 2, image.shape)), 0, 255).astype(np.uint8)
    return shot(0, image, image, points)


def _pasted(plain: Shot, other: NDArray[np.floating], feather: int = 0) -> Shot:
    mask = patch(plain.landmarks, plain.image.shape[:2], feather)
    return replace(plain, result=blended(plain.image, other, mask), mask=mask)


def test_an_untouched_face_is_natural(untouched: Shot) -> None:
    figures = realism.measure([untouched, untouched])
    assert set(figures) <= set(FIGURES)
    assert figures["seam_step_delta_e"] == figures["seam_energy_delta_e"] == 0
    assert figures["sharpness_ratio"] == figures["noise_ratio"] == 1


@pytest.mark.parametrize("level", [8, 24])
def test_a_hard_edge_is_a_step_of_its_own_height_on_a_plain_wall(level: int) -> None:
    image = np.full((320, 320, 3), 120, np.uint8)
    plain = shot(0, image, image, placed(head(), turn()))
    lightness = [cv2.cvtColor(np.full((1, 1, 3), value / 255, np.float32), cv2.COLOR_BGR2LAB)[0, 0, 0] for value in (120, 120 + level)]
    figures = realism.measure([_pasted(plain, image + float(level))])
    assert figures["seam_step_delta_e"] == pytest.approx(lightness[1] - lightness[0], rel=0.03)
    assert figures["seam_energy_delta_e"] == pytest.approx(lightness[1] - lightness[0], rel=0.03)
    assert figures["seam_target_delta_e"] == 0


def test_the_softer_the_edge_the_less_of_a_seam(untouched: Shot) -> None:
    darker = untouched.image * 0.85
    steps = [realism.measure([_pasted(untouched, darker, feather)])["seam_step_delta_e"] for feather in (0, 8, 24, 60)]
    assert steps == sorted(steps, reverse=True)
    assert steps[0] > 1.3 * steps[1] > 2.5 * steps[2] > 2.5 * steps[3]
    assert steps[-1] < 0.25 * steps[0]


def test_texture_and_noise_are_no_seam(untouched: Shot) -> None:
    noisy = untouched.image + np.random.default_rng(1).normal(0, 10, untouched.image.shape)
    darker = realism.measure([_pasted(untouched, untouched.image * 0.9)])["seam_step_delta_e"]
    assert realism.measure([_pasted(untouched, noisy)])["seam_step_delta_e"] < 0.25 * darker


def test_a_line_across_the_forehead_shows_and_a_tan_does_not(untouched: Shot) -> None:
    points = untouched.landmarks
    image = untouched.image.astype(float)
    lined = image.copy()
    ends = [points[[a, b], :2].mean(axis=0).astype(int).tolist() for a, b in ((104, 69), (333, 299))]
    cv2.line(lined, ends[0], ends[1], (30, 40, 60), 5)
    line, tan = (realism.measure([_pasted(untouched, other, 4)])["skin_lines_delta_e"] for other in (lined, image * 0.9))
    assert line > 5
    assert tan < 0.1 * line
    assert realism.measure([untouched])["skin_lines_delta_e"] == 0


def test_eyes_left_out_of_the_patch_are_no_outer_boundary(untouched: Shot) -> None:
    whole = _pasted(untouched, untouched.image * 0.9)
    mask = whole.mask.copy()
    middle = whole.landmarks[:468, :2].mean(axis=0).astype(int)
    cv2.circle(mask, (int(middle[0]), int(middle[1])), 30, 0, -1)
    assert realism.seam(replace(whole, mask=mask)) == pytest.approx(realism.seam(whole), rel=0.02)


@pytest.mark.parametrize(("blur", "least", "most"), [(0.7, 0.7, 0.95), (1.5, 0.4, 0.7), (3.0, 0.0, 0.4)])
def test_a_blurred_face_is_less_sharp(untouched: Shot, blur: float, least: float, most: float) -> None:
    soft = cv2.GaussianBlur(untouched.image, (0, 0), blur).astype(float)
    assert least < realism.measure([_pasted(untouched, soft)])["sharpness_ratio"] < most


def test_a_sharpened_face_is_sharper_and_a_noisy_one_is_not(untouched: Shot) -> None:
    image = untouched.image.astype(float)
    sharp = image + 1.5 * (image - cv2.GaussianBlur(image, (0, 0), 1.5))
    assert realism.measure([_pasted(untouched, sharp)])["sharpness_ratio"] > 1.3
    noisy = image + np.random.default_rng(2).normal(0, 12, image.shape)
    assert realism.measure([_pasted(untouched, noisy)])["sharpness_ratio"] == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("deviation", [1.0, 2.0, 6.0])
def test_noise_is_compared_with_the_cameras(deviation: float) -> None:
    draw = np.random.default_rng(3)
    slope = np.tile(np.linspace(80, 170, 480)[None, :, None], (480, 1, 3))
    image, result = (np.clip(np.rint(slope + draw.normal(0, level, slope.shape)), 0, 255).astype(np.uint8) for level in (2.0, deviation))
    figures = realism.measure([_pasted(shot(0, image, image, placed(head(), turn(), 120, 240, 200)), result.astype(float))])
    assert figures["noise_ratio"] == pytest.approx(deviation / 2, rel=0.1)


def test_a_clean_camera_makes_no_ratio_of_noise() -> None:
    image = np.tile(np.linspace(60, 180, 320)[None, :, None], (320, 1, 3)).astype(np.uint8)
    figures = realism.measure([shot(0, image, image, placed(head(), turn()))])
    assert "noise_ratio" not in figures
    assert "sharpness_ratio" not in figures


def test_small_cut_off_and_missing_patches_are_left_out(untouched: Shot) -> None:
    assert realism.measure([]) == {}
    assert realism.measure([replace(untouched, mask=np.zeros_like(untouched.mask))]) == {}
    tiny = np.zeros_like(untouched.mask)
    tiny[40:50, 40:50] = 255
    assert realism.measure([replace(untouched, mask=tiny)]) == {}
    everything = replace(untouched, mask=np.full_like(untouched.mask, 255))
    assert "seam_step_delta_e" not in realism.measure([everything])


def test_noise_alone_is_not_sharp() -> None:
    draw = np.random.default_rng(5)
    grain = np.clip(np.rint(128 + draw.normal(0, 6, (300, 300, 1)) * np.ones(3)), 0, 255).astype(np.uint8)
    shown = np.ones((300, 300), bool)
    blocks = np.kron(draw.integers(90, 160, (30, 30)), np.ones((10, 10)))[..., None] * np.ones(3)
    assert realism.sharpness(grain, shown) < 0.25 * realism.noise(grain, shown)
    assert realism.sharpness(blocks.astype(np.uint8), shown) > 1
