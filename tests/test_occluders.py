"""Objects drawn before a face: exact masks, known paths, the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from faces import find, larger

from benchmarks.quality import occluders, sprites
from benchmarks.quality.occlusion import Look, false_share, iou

STAYS = 0.6


@pytest.fixture(scope="module")
def bare(collins, detector, landmarker):
    image = larger(collins, 1.5)
    return image, find(image, detector, landmarker)


@pytest.mark.parametrize("name", occluders.OBJECTS)
def test_the_mask_says_exactly_which_pixels_the_object_took(bare, name: str) -> None:
    image, landmarks = bare
    composed, cover = occluders.compose(image, landmarks, name, STAYS, 1 / 90, occluders.tone_of(image, landmarks), noise=0.0)
    assert cover.shape == image.shape[:2]
    assert 0.01 < (cover > 0.5).mean() < 0.5
    assert cover.max() > 0.95
    changed = np.abs(composed.astype(int) - image).max(axis=2)
    # Behind the object nothing but its soft shadow may differ; the object itself is seen nearly everywhere.
    uncovered = cover == 0
    assert (composed[uncovered] <= image[uncovered]).all()
    assert (composed[uncovered] >= np.floor(image[uncovered] * 0.84)).all()
    assert (changed[cover > 0.9] > 3).mean() > 0.8


def test_a_hand_has_the_tone_of_the_persons_own_skin(bare) -> None:
    image, landmarks = bare
    tone = np.array(occluders.tone_of(image, landmarks))
    composed, cover = occluders.compose(image, landmarks, "hand", STAYS, 1 / 90, tuple(tone))
    hand = np.median(composed[cover > 0.95], axis=0)
    np.testing.assert_allclose(hand / hand.sum(), tone / tone.sum(), atol=0.02)
    np.testing.assert_allclose(hand, tone, rtol=0.2)
    assert composed[cover > 0.95].std() > 8


def test_objects_come_stay_and_go(bare) -> None:
    image, landmarks = bare
    tone = occluders.tone_of(image, landmarks)
    shares = [float(occluders.compose(image, landmarks, "mug", at, 1 / 90, tone)[1].mean()) for at in (0.0, 0.3, 0.55, 0.8, 0.99)]
    assert shares[0] == shares[1] == shares[4] == 0
    assert shares[2] > 0.01
    assert shares[3] > 0.01
    again = occluders.compose(image, landmarks, "mug", 0.55, 1 / 90, tone)[0]
    np.testing.assert_array_equal(again, occluders.compose(image, landmarks, "mug", 0.55, 1 / 90, tone)[0])


def test_a_fast_object_is_smeared_by_the_shutter(bare) -> None:
    image, landmarks = bare
    tone = occluders.tone_of(image, landmarks)
    edges = [
        ((cover > 0.05) & (cover < 0.95)).sum()
        for cover in (occluders.compose(image, landmarks, "phone", 0.48, step, tone)[1] for step in (1e-4, 1 / 30))
    ]
    assert edges[1] > 2 * edges[0]


def test_an_unknown_object_is_refused() -> None:
    with pytest.raises(ValueError, match="got object 'hat', expected one of"):
        sprites.draw("hat", (100, 120, 150))


def look(kept: slice, truth: slice) -> Look:
    bare = np.full((10, 100), 255, np.uint8)
    veiled, cover = bare.copy(), np.zeros((10, 100), np.float32)
    veiled[:, kept] = 0
    cover[:, truth] = 1.0
    return Look(np.zeros((10, 100, 3), np.uint8), cover, veiled, bare, True)


def test_iou_and_false_share_of_known_masks() -> None:
    assert iou([look(slice(0, 40), slice(0, 40))]) == 1.0
    assert iou([look(slice(0, 40), slice(20, 60))]) == pytest.approx(20 / 60)
    assert iou([look(slice(0, 0), slice(20, 60))]) == 0.0
    # Frames without the object have no say in the IoU; they are what the false share is about.
    assert iou([look(slice(0, 40), slice(0, 40)), look(slice(0, 90), slice(0, 0))]) == 1.0
    assert false_share(look(slice(0, 25), slice(0, 0))) == 0.25
