"""Video in video: pictures come back in order and in size, at the rate of the call, and what is hard to code shows."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from meshes import blended, head, patch, placed, shot, turn
from numpy.typing import NDArray

from benchmarks.quality import codec
from benchmarks.quality.meanings import FIGURES
from benchmarks.quality.shot import Shot

_COUNT = 20


@pytest.fixture(scope="module")
def clip(collins: NDArray[np.uint8]) -> list[Shot]:
    """A portrait that moves, filmed with a little noise; nothing is swapped."""
    draw = np.random.default_rng(0)
    shots = []
    for i in range(_COUNT):
        moved = cv2.warpAffine(collins, np.array([[1.0, 0, 1.5 * i], [0, 1, 0]]), (512, 512), borderMode=cv2.BORDER_REPLICATE)
        image = np.clip(np.rint(moved + draw.normal(0, 1.5, moved.shape)), 0, 255).astype(np.uint8)
        shots.append(shot(i, image, image, placed(head(), turn(), 70, 220 + 1.5 * i, 190)))
    return shots


def _psnr(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    return float(10 * np.log10(255**2 / np.mean((first.astype(float) - second) ** 2)))


@pytest.mark.parametrize("size", [(640, 360), (321, 241), (1280, 720), (90, 160)])
def test_pictures_come_back_one_for_one_in_order_at_their_own_size(size: tuple[int, int]) -> None:
    link = codec.Link(codec.SMALL, size, 30)
    for i in range(8):
        image = np.full((size[1], size[0], 3), 40 + 20 * i, np.uint8)
        back = link(image)
        assert back.shape == image.shape
        assert back.dtype == np.uint8
        assert abs(float(back.mean()) - (40 + 20 * i)) < 3


def test_colours_are_kept() -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    image[:, :160], image[:, 160:] = (40, 60, 200), (200, 90, 30)
    back = codec.Link(codec.HD, (320, 240), 30)(image)
    assert np.abs(back[100:140, 40:120].reshape(-1, 3).mean(axis=0) - (40, 60, 200)).max() < 6
    assert np.abs(back[100:140, 200:280].reshape(-1, 3).mean(axis=0) - (200, 90, 30)).max() < 6


@pytest.mark.parametrize(("call", "size"), [(codec.SMALL, (640, 360)), (codec.HD, (640, 360))])
def test_a_call_gets_the_bits_it_may_use_even_for_noise(call: codec.Call, size: tuple[int, int]) -> None:
    draw = np.random.default_rng(1)
    picture = cv2.resize(draw.integers(0, 256, (20, 36, 3)).astype(np.uint8), size, interpolation=cv2.INTER_CUBIC)
    link = codec.Link(call, size, 30)
    for i in range(90):
        link(np.roll(picture, 3 * i, axis=1) // 2 + draw.integers(0, 60, picture.shape, dtype=np.uint8))
    allowed = call.bits * min(1.0, size[0] * size[1] / (call.height**2 * 16 / 9))
    assert 0.6 * allowed < link.spent * 8 / 3 < 1.35 * allowed


def test_a_narrower_call_keeps_less(collins: NDArray[np.uint8]) -> None:
    large = cv2.resize(collins, (1024, 1024), interpolation=cv2.INTER_CUBIC)
    wide, narrow = (codec.Link(call, (1024, 1024), 30)(large) for call in (codec.HD, codec.SMALL))
    assert _psnr(large, wide) > _psnr(large, narrow) + 1
    assert _psnr(large, narrow) > 24


def test_what_else_a_shot_holds_is_kept_and_landmarks_are_measured_again(clip: list[Shot]) -> None:
    asked = []

    def look(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.float32] | None:
        asked.append(image)
        return landmarks + 1 if len(asked) % 2 else None

    coded = codec.coded(clip[:3], codec.HD, look=look)
    assert [each.index for each in coded] == [0, 1, 2]
    for old, new in zip(clip, coded, strict=False):
        assert new.time == old.time
        assert new.track == old.track
        assert new.mask is old.mask
        assert np.array_equal(new.image, new.result)
        assert _psnr(new.image, old.image) > 22
        assert new.before is not None
        assert np.array_equal(new.before, old.landmarks + 1)
        assert new.after is None
    assert all(picture is expected for picture, expected in zip(asked, [p for c in coded for p in (c.image, c.result)], strict=True))
    plain = codec.coded(clip[:1], codec.HD)[0]
    assert plain.before is clip[0].before
    assert plain.after is clip[0].after


def test_windows_through_one_line_are_one_stream(clip: list[Shot]) -> None:
    whole = codec.coded(clip, codec.HD)
    through = codec.line(codec.HD, clip)
    parts = [each for i in range(0, _COUNT, 7) for each in codec.coded(clip[i : i + 7], codec.HD, through)]
    assert all(np.array_equal(first.result, second.result) for first, second in zip(whole, parts, strict=True))
    restarted = codec.coded(clip[14:], codec.HD)
    assert not np.array_equal(restarted[0].result, whole[14].result)


def test_a_face_that_flickers_is_harder_to_code(clip: list[Shot]) -> None:
    figures = codec.measure(clip)
    assert set(figures) == {name for name in FIGURES if name.startswith("codec_")}
    assert figures["codec_720p_loss_db"] == figures["codec_360p_loss_db"] == 0
    assert figures["codec_720p_face_db"] > 25
    draw = np.random.default_rng(4)
    noisy = []
    for old in clip:
        mask = patch(old.landmarks, old.image.shape[:2])
        result = blended(old.image, old.image + draw.normal(0, 10, old.image.shape), mask)
        noisy.append(shot(old.index, old.image, result, old.landmarks, mask))
    assert codec.measure(noisy)["codec_720p_loss_db"] > 2


def test_nothing_and_wrong_sizes() -> None:
    assert codec.measure([]) == {}
    assert codec.coded([], codec.HD) == []
    with pytest.raises(ValueError, match="no shots"):
        codec.line(codec.HD, [])
    with pytest.raises(ValueError, match=r"\(50, 40\)"):
        codec.Link(codec.HD, (64, 48), 30)(np.zeros((40, 50, 3), np.uint8))
    image = np.zeros((320, 320, 3), np.uint8)
    unswapped = shot(0, image, image, placed(head(), turn()), mask=np.zeros((320, 320), np.uint8))
    assert codec.measure([unswapped]) == {}
