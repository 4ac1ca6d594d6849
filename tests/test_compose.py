import cv2
import numpy as np
import pytest

from models import compose

SIZE = 160


def disc(radius: float, rim: float) -> np.ndarray:
    y, x = np.mgrid[0:SIZE, 0:SIZE] - SIZE / 2
    return np.rint(np.clip((radius - np.hypot(x, y)) / rim, 0, 1) * 255).astype(np.uint8)


def flat(value: int) -> np.ndarray:
    return np.full((SIZE, SIZE, 3), value, np.uint8)


def test_membrane_carries_the_outline_difference_inwards_where_it_fades() -> None:
    mask = disc(70, 20)
    patch = flat(100) * (mask > 0)[..., None]
    correction = compose.membrane(flat(120), patch, mask).mean(axis=2)
    assert correction[28, 28] == pytest.approx(20 * 0.37, abs=1.5)
    assert correction[28, 6] > 17
    assert (np.diff(correction[28, 6:28]) < 0.5).all()


def test_holes_for_eyes_have_no_say_in_the_seam() -> None:
    mask = disc(70, 20)
    hole = cv2.GaussianBlur(np.where((np.hypot(*(np.mgrid[0:SIZE, 0:SIZE] - 80)) < 14), 0, 255).astype(np.uint8), (0, 0), 3)
    target = flat(100)
    target[60:100, 60:100] = 160
    patch = flat(100) * (mask > 0)[..., None]
    correction = compose.membrane(target, patch, np.minimum(mask, hole))
    assert np.abs(correction).max() < 3


def test_hair_on_the_outline_does_not_darken_the_face() -> None:
    mask = disc(70, 20)
    target = flat(110)
    target[:50] = 10
    patch = flat(100) * (mask > 0)[..., None]
    assert compose.membrane(target, patch, mask)[49, 28].mean() > 5


def test_noise_level_reads_known_noise_and_ignores_edges() -> None:
    random = np.random.default_rng(1)
    picture = flat(120).astype(float)
    picture[:, 80:] = 30
    for sigma in (1.5, 4.0):
        noisy = np.clip(picture + random.normal(0, sigma, picture.shape), 0, 255).astype(np.uint8)
        assert compose.noise_level(noisy[..., 0]) == pytest.approx(sigma, rel=0.25)
    assert compose.noise_level(flat(120)) == 0
    assert compose.noise_level(flat(120)[:4]) == 0


@pytest.mark.parametrize("blur", [0.0, 0.7, 1.1, 1.6, 2.2])
def test_softness_finds_a_known_blur_in_another_picture_of_other_contrast(collins: np.ndarray, blur: float) -> None:
    """The target is the patch blurred, darker and with less contrast: neither may pass for softness."""
    mask = np.full(collins.shape[:2], 255, np.uint8)
    target = collins if blur == 0 else cv2.GaussianBlur(collins, (0, 0), blur)
    target = (target * 0.5 + 30).astype(np.uint8)
    assert compose.softness(target, collins, mask) == pytest.approx(blur, abs=0.2)


def test_softness_does_not_take_noise_for_sharpness(collins: np.ndarray) -> None:
    mask = np.full(collins.shape[:2], 255, np.uint8)
    soft = cv2.GaussianBlur(collins, (0, 0), 1.2)
    noisy = np.clip(soft + np.random.default_rng(0).normal(0, 3, soft.shape), 0, 255).astype(np.uint8)
    assert compose.softness(noisy, collins, mask) > 0.8
    assert compose.softness(collins, soft, mask) == 0
    assert compose.softness(soft, collins, np.zeros_like(mask)) == 0
