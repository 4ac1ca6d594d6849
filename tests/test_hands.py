"""Hands: found by their shape over a portrait, never seen in a bare face, and kept on top although they have its colour."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from faces import find, larger
from numpy.typing import NDArray

from benchmarks.quality import occluders
from models.hands import Hands, region_from_hand
from models.knobs import LEVELS
from models.landmarks import Region
from models.mesh.atlas import build_atlas
from models.mesh.engine import MeshEngine, Target
from models.mesh.topology import OVAL
from models.mesh.touch import Touch, distance
from models.mesh.veil import Veil

FRAMES = 60
RATE = 30
Image = NDArray[np.uint8]
Points = NDArray[np.float32]


@pytest.fixture(scope="module")
def hands() -> Iterator[Hands]:
    model = Hands()
    yield model
    model.close()


@pytest.fixture(scope="module")
def scene(collins, detector, landmarker) -> tuple[Image, Points]:
    image = larger(collins, 1.2)
    points = find(image, detector, landmarker)
    (left, top), (right, bottom) = points[:, :2].min(axis=0).astype(int), points[:, :2].max(axis=0).astype(int)
    margin = round(0.6 * (bottom - top))
    left, top = max(0, left - margin), max(0, top - margin)
    points[:, :2] -= (left, top)
    return np.ascontiguousarray(image[top : bottom + margin, left : right + margin]), points


@pytest.fixture(scope="module")
def covered(scene) -> tuple[Image, NDArray[np.float32]]:
    """The portrait with a hand before it, and what the hand covers."""
    return with_hand(*scene, 0.6)


def with_hand(image: Image, points: Points, moment: float, seed: int = 0) -> tuple[Image, NDArray[np.float32]]:
    return occluders.compose(image, points, "hand", moment, 1 / FRAMES, occluders.tone_of(image, points), seed=seed)


def noisy(image: Image, index: int) -> Image:
    noise = np.random.default_rng(index).normal(0, 2, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def area(points: Points) -> tuple[int, int, int, int]:
    left, top = points[:468, :2].min(axis=0).astype(int)
    right, bottom = (points[:468, :2].max(axis=0) + 1).astype(int)
    return int(left), int(top), int(right), int(bottom)


def around(points: Points) -> tuple[int, int, int, int]:
    left, top, right, bottom = area(points)
    margin = round(0.6 * (bottom - top))
    return left - margin, top - margin, right + margin, bottom + margin


def on_frame(veil: Image, points: Points, image: Image) -> NDArray[np.bool_]:
    left, top, right, bottom = area(points)
    whole = np.zeros(image.shape[:2], np.uint8)
    whole[top:bottom, left:right] = cv2.resize(veil, (right - left, bottom - top))
    return whole > 127


def face(points: Points, image: Image) -> NDArray[np.bool_]:
    hull = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(hull, [np.rint(points[OVAL, :2]).astype(np.int32)], 1)
    return cv2.erode(hull, np.ones((15, 15), np.uint8)) > 0


def find_hand(hands: Hands, image: Image, points: Points) -> Points:
    regions = hands.palms(image, around(points))
    assert len(regions) == 1
    (hand,) = hands(image, regions)
    assert hand is not None
    return hand


def test_landmarks_lie_on_the_hand_and_are_found_again_from_there(scene, covered, hands: Hands) -> None:
    image, cover = covered
    hand = find_hand(hands, image, scene[1])
    (again,) = hands(image, [region_from_hand(hand)])
    assert again is not None
    size = np.hypot(*(hand[0] - hand[9])[:2])
    assert np.median(np.hypot(*(again - hand)[:, :2].T)) < 0.15 * size
    for found in (hand, again):
        x, y = np.rint(found[:, :2]).astype(int).T
        assert (cover[np.clip(y, 0, cover.shape[0] - 1), np.clip(x, 0, cover.shape[1] - 1)] > 0.5).mean() > 0.85
    # The fingers point away from the wrist.
    assert np.hypot(*(hand[12] - hand[0])[:2]) > 1.3 * size


def test_a_hand_lies_where_it_is_when_the_picture_is_moved(scene, covered, hands: Hands) -> None:
    hand = find_hand(hands, covered[0], scene[1])
    shift = np.array([40, 25], np.float32)
    padded = cv2.copyMakeBorder(covered[0], 25, 0, 40, 0, cv2.BORDER_CONSTANT)
    region = region_from_hand(hand)
    here, there = hands(covered[0], [region])[0], hands(padded, [Region(region.x + 40, region.y + 25, region.size, region.rotation)])[0]
    assert here is not None
    assert there is not None
    assert np.abs(there[:, :2] - here[:, :2] - shift).max() < 0.05 * region.size


@pytest.mark.parametrize("name", ["collins", "hopper"])
def test_a_bare_face_is_no_hand(name: str, request, hands: Hands, detector, landmarker) -> None:
    image = larger(request.getfixturevalue(name), 1.6)
    points = find(image, detector, landmarker)
    touch = Touch()
    for index in range(8):
        assert touch(hands, noisy(image, index), area(points), 4.0 * index, 1.0) == []
    assert touch.searches == 8


def test_the_outline_of_a_hand_is_its_own(scene, covered, hands: Hands) -> None:
    image, cover = covered
    hand = find_hand(hands, image, scene[1])
    inside, region = distance([hand], image) < 0, face(scene[1], image)
    truth = cover > 0.5
    assert (inside & truth & region).sum() / ((inside | truth) & region).sum() > 0.8
    assert distance([], image).min() > 10


def play(scene, hands: Hands | None) -> tuple[float, float, Veil]:
    """IoU of the veil against a hand that comes and goes, the largest share veiled before it came, and the veil."""
    veil, both, either, wrong = Veil(), 0, 0, 0.0
    for index in range(FRAMES):
        image, cover = with_hand(*scene, index / FRAMES, seed=index)
        image, points = noisy(image, index), scene[1]
        kept = on_frame(veil(image, points[:468], area(points), index / RATE, 2, hands), points, image)
        inside, truth = face(points, image), cover > 0.5
        if (truth & inside).sum() > 0.02 * inside.sum():
            clear = inside & ((cover < 0.1) | (cover > 0.9))
            both, either = both + int((kept & truth & clear).sum()), either + int(((kept | truth) & clear).sum())
        elif not cover.any() and index < 0.4 * FRAMES:
            wrong = max(wrong, float(kept[inside].mean()))
    return both / max(either, 1), wrong, veil


def test_a_hand_of_the_faces_own_colour_stays_on_top(scene, hands: Hands) -> None:
    without, _, blind = play(scene, None)
    found, wrong, veil = play(scene, hands)
    assert found > max(0.82, without + 0.05)
    assert wrong == 0.0
    assert blind.touch.searches == 0
    # Once it is gone nothing is followed any more.
    assert veil.touch.hands == []


def test_a_hand_that_is_there_from_the_first_is_not_learned_as_face(scene, hands: Hands) -> None:
    veil, points = Veil(), scene[1]
    for index in range(24):
        image, cover = with_hand(*scene, 0.6, seed=index)
        kept = on_frame(veil(image, points[:468], area(points), index / RATE, 2, hands), points, image)
    inside = face(points, scene[0])
    truth = cover > 0.5
    assert (kept & truth & inside).sum() / ((kept | truth) & inside).sum() > 0.75
    for index in range(24, 40):
        image = noisy(scene[0], index)
        kept = on_frame(veil(image, points[:468], area(points), index / RATE, 2, hands), points, image)
    assert kept[inside].mean() < 0.02


def test_a_face_that_stays_bare_is_seldom_searched(scene, hands: Hands) -> None:
    veil = Veil()
    for index in range(90):
        image = noisy(scene[0], index)
        kept = veil(image, scene[1][:468], area(scene[1]), index / RATE, 2, hands)
        assert not kept.any(), f"frame {index}"
    assert veil.touch.searches <= 2


def test_suspicion_that_leads_nowhere_is_followed_ever_more_rarely(scene, hands: Hands) -> None:
    touch = Touch()
    for index in range(300):
        touch(hands, scene[0], area(scene[1]), index / RATE, 0.2)
    early = touch.searches
    assert 2 <= early <= 9
    touch(hands, scene[0], area(scene[1]), 10.2, 0.6)
    assert touch.searches == early + 1


@pytest.mark.parametrize("level", ["fast", "best"])
def test_the_engine_looks_for_hands_when_there_is_time(level: str, scene, covered, hands: Hands) -> None:
    target = Target()
    engine = MeshEngine(build_atlas([scene]), hands)
    assert engine(covered[0], scene[1], target, 0.0, effort=LEVELS[level]) is not None
    assert (len(target.veil.touch.hands) > 0) == (level == "best")


def test_odd_regions_and_pictures(hands: Hands) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    nowhere = [Region(-500, 0, 20), Region(20, 20, 2), Region(float("nan"), 0, 9), Region(20, 20, 30)]
    assert hands(image, nowhere) == [None] * 4
    assert hands.palms(image, (-900, -900, -800, -800)) == []
    assert hands.palms(image, (-10, -10, 100, 100)) == []
    with pytest.raises(ValueError, match=r"got float32 \(40, 60, 3\)"):
        hands(image.astype(np.float32), nowhere)
    with pytest.raises(ValueError, match=r"got 0\.3"):
        hands(image, nowhere, 0.3)


def test_closing_twice() -> None:
    model = Hands()
    model.close()
    model.close()
