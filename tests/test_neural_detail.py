"""An enhancer that runs now and then looks as if it ran always."""

from __future__ import annotations

import logging

import cv2
import numpy as np
import pytest
from faces import find, larger
from networks import broken, engine, enhancer
from numpy.typing import NDArray

from models.knobs import Effort, Knobs

Bytes = NDArray[np.uint8]
KNOBS = Knobs(light=0, occlusion=0, enhance=1.0)


@pytest.fixture(scope="module")
def scene(collins, detector, landmarker) -> tuple[Bytes, NDArray[np.float32]]:
    image = larger(collins, 2)
    return image, find(image, detector, landmarker)


def soft(crop: Bytes) -> Bytes:
    """What a network of few pixels makes."""
    return np.asarray(cv2.GaussianBlur(crop, (0, 0), 2.5), np.uint8)


def striped(crop: Bytes) -> Bytes:
    """Detail that is easy to find again: upright stripes 12 px apart."""
    wave = 20 * np.sin(np.arange(crop.shape[1]) * 2 * np.pi / 12)
    return np.clip(crop + wave[:, None], 0, 255).astype(np.uint8)


def cheek(made, landmarks: NDArray[np.float32], at: int = 50, half: int = 14) -> NDArray[np.float64]:
    """Brightness about a vertex of the patch."""
    picture, _, matrix = made
    place = (landmarks[at, :2] - matrix[:, 2]) / (matrix[0, 0], matrix[1, 1])
    return cv2.getRectSubPix(picture, (2 * half + 1,) * 2, tuple(float(v) for v in place)).astype(float).mean(axis=2)


def play(scene, sharp, every: int, count: int = 12, knobs: Knobs = KNOBS, move=lambda index: 0.0):
    """Patches of a face that moves sideways, and the landmarks of each frame."""
    image, landmarks = scene
    made = engine(soft, enhancer=enhancer(sharp) if sharp else None)
    target, shown = made.meet(), []
    for index in range(count):
        way = np.float32(move(index))
        moved = cv2.warpAffine(image, np.array([[1, 0, way], [0, 1, 0.0]]), image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        there = landmarks + np.array([way, 0, 0], np.float32)
        shown.append((made(moved, there, target, index / 30, knobs, Effort(enhance_every=every)), there))
    return shown


@pytest.mark.parametrize(
    "work",
    [
        np.zeros_like,
        lambda crop: np.random.default_rng(0).integers(0, 256, crop.shape).astype(np.uint8),
        lambda crop: np.where(np.indices(crop.shape)[0] // 16 % 2, 0, 255).astype(np.uint8),
        lambda crop: 255 - crop,
    ],
    ids=["black", "noise", "stripes", "inverted"],
)
def test_what_an_enhancer_makes_that_is_no_face_is_left_out(scene, work, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        shown = play(scene, work, 2, 5)
    assert len(caplog.records) == 1
    assert "The enhancer failed" in caplog.text
    for patch, plain in zip(shown, play(scene, None, 2, 5), strict=True):
        for at in (50, 280, 151):
            np.testing.assert_allclose(cheek(*patch, at=at), cheek(*plain, at=at), atol=3)


def test_detail_is_there_in_every_frame_and_the_network_runs_in_every_nth(scene) -> None:
    calls: list[int] = []

    def sharp(crop: Bytes) -> Bytes:
        calls.append(1)
        return striped(crop)

    patches = play(scene, sharp, 4)
    assert len(calls) == 3
    plain = cheek(*play(scene, None, 4, 1)[0])
    waves = np.array([cheek(*patch) - plain for patch in patches])
    assert waves[0].std() > 8
    assert np.abs(waves - waves[0]).max() < 5
    assert np.abs(waves - waves[0]).mean() < 1


def test_detail_stays_on_the_face_that_moves(scene) -> None:
    patches = play(scene, striped, 100, move=lambda index: 5.5 * index)
    first = cheek(*patches[0])
    for patch in patches[1:]:
        assert np.corrcoef(first.ravel(), cheek(*patch).ravel())[0, 1] > 0.97


def test_a_moody_enhancer_flickers_less_than_half_as_much_as_it_would(scene) -> None:
    random = np.random.default_rng(0)

    def moody(crop: Bytes) -> Bytes:
        noise = cv2.GaussianBlur(random.normal(0, 1, crop.shape[:2]), (0, 0), 2.5)
        return np.clip(crop + (noise / noise.std() * 10)[..., None], 0, 255).astype(np.uint8)

    steps = {}
    for every in (1, 2, 4):
        series = np.array([cheek(*patch) for patch in play(scene, moody, every, 24)][4:])
        steps[every] = np.sqrt((np.diff(series, axis=0) ** 2).mean())
    # Two pictures of independent noise of deviation 10 are 14 apart; so is one with it from one without by 10.
    assert steps[1] < 0.6 * 14
    assert steps[2] < 0.5 * 10
    assert steps[4] < 0.35 * 10


def test_another_light_or_colour_is_no_detail(scene) -> None:
    plain = cheek(*play(scene, None, 1, 1)[0])
    tinted = cheek(*play(scene, lambda crop: np.clip(crop * [0.5, 0.6, 0.7] + 10, 0, 255).astype(np.uint8), 1, 3)[-1])
    assert abs(tinted.mean() - plain.mean()) < 0.15 * 0.4 * plain.mean()


@pytest.mark.parametrize(("at", "other"), [(14, 50), (159, 205)], ids=["mouth", "eye"])
def test_where_lids_or_lips_have_moved_old_detail_fades(scene, at: int, other: int) -> None:
    """Between two looks the mouth opens, or an eye shuts: what was seen there is not what is there."""
    image, landmarks = scene
    made, bare, seldom = engine(soft, enhancer=enhancer(striped)), engine(soft), Effort(enhance_every=100)
    target, plain, found = made.meet(), bare.meet(), {}
    changed = landmarks.copy()
    tall = float(np.ptp(landmarks[:, 1]))
    lips, lid = [14, 17, 84, 314, 87, 317, 178, 402, 88, 318, 95, 324], [159, 160, 158, 161, 157]
    changed[lips if at == 14 else lid, 1] += 0.08 * tall if at == 14 else 0.05 * tall
    for index in range(6):
        points = landmarks if index < 3 else changed
        parts = [part(image, points, state, index / 30, KNOBS, seldom) for part, state in ((made, target), (bare, plain))]
        found[index] = [np.abs(np.subtract(*(cheek(part, points, where, 5) for part in parts))).mean() for where in (at, other)]
    assert found[2][0] > 5
    assert found[5][0] < 0.5 * found[2][0]
    assert found[5][1] > 0.8 * found[2][1]


def test_an_enhancer_that_fails_is_left_out(scene, caplog: pytest.LogCaptureFixture) -> None:
    plain = play(scene, None, 1, 3)
    shown = play(scene, broken, 1, 3)
    for one, other in zip(plain, shown, strict=True):
        np.testing.assert_allclose(cheek(*one), cheek(*other), atol=1)
    assert caplog.text.count("The enhancer failed") == 1
    odd = play(scene, lambda crop: np.full_like(crop, 0), 1, 3)
    assert all(patch is not None for patch, _ in odd)


def test_another_source_does_not_get_the_detail_of_the_first(scene) -> None:
    image, landmarks = scene
    first, second = engine(soft, enhancer=enhancer(striped)), engine(soft, enhancer=enhancer(lambda crop: crop))
    target, plain = first.meet(), cheek(*play(scene, None, 1, 1)[0])
    effort = Effort(enhance_every=50)
    shown = [cheek((first if i < 3 else second)(image, landmarks, target, i / 30, KNOBS, effort), landmarks) for i in range(5)]
    assert (shown[2] - plain).std() > 8
    assert (shown[3] - plain).std() < 2


def test_no_strength_no_work(scene) -> None:
    calls: list[int] = []
    play(scene, lambda crop: (calls.append(1), crop)[1], 1, 3, Knobs(light=0, occlusion=0, enhance=0))
    assert not calls
