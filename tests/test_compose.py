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


def test_membrane_carries_the_outline_difference_all_the_way_in() -> None:
    mask = disc(70, 20)
    patch = flat(100) * (mask > 0)[..., None]
    correction = compose.membrane(flat(120), patch, mask)
    assert correction[28, 28] == pytest.approx(20, abs=1.5)


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
    assert compose.membrane(target, patch, mask)[30, 28].mean() > 5


def test_noise_level_reads_known_noise_and_ignores_edges() -> None:
    random = np.random.default_rng(1)
    picture = flat(120).astype(float)
    picture[:, 80:] = 30
    for sigma in (1.5, 4.0):
        noisy = np.clip(picture + random.normal(0, sigma, picture.shape), 0, 255).astype(np.uint8)
        assert compose.noise_level(noisy[..., 0]) == pytest.approx(sigma, rel=0.25)
    assert compose.noise_level(flat(120)) == 0
    assert compose.noise_level(flat(120)[:4]) == 0


def test_sharpness_falls_with_blur(hopper: np.ndarray) -> None:
    mask = np.full(hopper.shape[:2], 255, np.uint8)
    values = [compose.sharpness(hopper if not s else cv2.GaussianBlur(hopper, (0, 0), s), mask) for s in (0, 1, 2, 4)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 2 * values[2]


def test_merge_mixes_by_mask_opacity_seam_and_grain() -> None:
    area = flat(50)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[:, 80:] = 255
    mask[:, 120:] = 128
    seam = np.full((4, 4, 3), 10, np.float32)
    grain = np.full((SIZE, SIZE), 130, np.uint8)
    compose.merge(area, flat(100), mask, seam, grain, 2.0, 1.0)
    assert (area[:, :80] == 50).all()
    assert (area[:, 80:120] == 114).all()
    assert np.abs(area[:, 120:].astype(int) - 82).max() <= 1
    untouched = flat(50)
    compose.merge(untouched, flat(100), mask, seam, grain, 0.0, 0.0)
    assert (untouched == 50).all()


@pytest.mark.parametrize("small", [(1, 1), (5, 3), (56, 56), (300, 200)])
def test_merge_stretches_the_seam_as_opencv_does(small: tuple[int, int]) -> None:
    random = np.random.default_rng(3)
    area, patch = (random.integers(0, 256, (97, 131, 3), np.uint8) for _ in range(2))
    mask, grain = random.integers(0, 256, (97, 131), np.uint8), random.integers(100, 156, (97, 131), np.uint8)
    seam = random.normal(0, 20, (*small, 3)).astype(np.float32)
    stretched = cv2.resize(seam, (131, 97), interpolation=cv2.INTER_LINEAR) if small != (1, 1) else seam
    wanted = np.clip(patch + stretched + 0.5 * (grain[..., None] - 128.0), 0, 255)
    expected = area + 0.7 * mask[..., None] / 255 * (wanted - area)
    compose.merge(area, patch, mask, seam, grain, 0.5, 0.7)
    assert np.abs(area - expected).max() < 1
