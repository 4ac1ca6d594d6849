"""The card shown while there is no camera."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.fit import fit
from realtime.sources.card import card


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (60, 40), (320, 240), (1280, 720), (720, 1280), (3000, 60)])
def test_any_size(size: tuple[int, int]) -> None:
    image = card(size)
    assert image.shape == (size[1], size[0], 3)
    assert image.dtype == np.uint8


def test_something_can_be_read_on_it_and_the_border_stays_free() -> None:
    image = card((1280, 720))
    assert image.max() > 180
    border = np.concatenate([image[:, :8].reshape(-1, 3), image[:, -8:].reshape(-1, 3)])
    assert (border == border[0]).all()


def test_no_face_is_found_on_it(detector: object) -> None:
    for size in [(640, 480), (1280, 720)]:
        assert len(detector(card(size)).boxes) == 0  # type: ignore[operator]


@pytest.mark.parametrize(("shape", "inner"), [((100, 100), (slice(0, 90), slice(35, 125))), ((20, 400), (slice(41, 49), slice(0, 160)))])
def test_fit_keeps_the_shape_and_puts_bars_around(shape: tuple[int, int], inner: tuple[slice, slice]) -> None:
    out = fit(np.full((*shape, 3), 200, np.uint8), (160, 90))
    assert out.shape == (90, 160, 3)
    assert (out[inner] == 200).all()
    outside = out.copy()
    outside[inner] = 0
    assert not outside.any()


def test_fit_leaves_a_picture_that_fits_alone() -> None:
    image = np.zeros((90, 160, 3), np.uint8)
    assert fit(image, (160, 90)) is image


def test_fit_of_one_pixel() -> None:
    assert (fit(np.full((1, 1, 3), 7, np.uint8), (4, 4)) == 7).all()
