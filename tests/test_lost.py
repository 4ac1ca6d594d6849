import cv2
import numpy as np
import pytest

from realtime.stages.lost import cover

BOX = np.array([60, 50, 140, 150], np.float32)


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)


@pytest.mark.parametrize("how", ["blur", "blank"])
def test_nothing_fine_survives_under_the_cover(how: str) -> None:
    image = picture()
    before = image.copy()
    cover(image, BOX, how)
    inside = image[50:150, 60:140].astype(float)
    fine = inside - cv2.GaussianBlur(inside, (0, 0), 6)
    original = before[50:150, 60:140].astype(float)
    assert fine.std() < 0.05 * (original - cv2.GaussianBlur(original, (0, 0), 6)).std()
    if how == "blank":
        assert inside.std(axis=(0, 1)).max() < 1
    np.testing.assert_array_equal(image[:10], before[:10])


@pytest.mark.parametrize(
    "box", [[-50, -50, 20, 20], [190, 190, 400, 400], [-500, -500, 900, 900], [30, 30, 30, 30], [500, 500, 600, 600], [np.nan] * 4]
)
def test_boxes_anywhere_are_safe(box: list[float]) -> None:
    image = picture()
    before = image.copy()
    cover(image, np.array(box, np.float32), "blur")
    if np.isnan(box[0]):
        assert (image[100, 100] != before[100, 100]).any()


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 1)])
def test_tiny_frames(size: tuple[int, int]) -> None:
    cover(np.zeros((*size, 3), np.uint8), np.array([0, 0, size[1], size[0]], np.float32), "blur")


def test_strength_mixes_the_cover_in() -> None:
    image = picture()
    half, whole = image.copy(), image.copy()
    cover(half, BOX, "blank", 0.5)
    cover(whole, BOX, "blank")
    np.testing.assert_allclose(half.astype(float), (image.astype(float) + whole) / 2, atol=1)
