"""Whatever colours a network likes, the face is lit as the target's own is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from faces import find, larger
from networks import engine, masker, same, tinted
from numpy.typing import NDArray

from models.knobs import Effort, Knobs
from models.mesh import relight
from models.mesh.topology import PLAIN_SKIN
from models.neural.light import Light, lit

BARE = Effort(occlusion_every=0)
KNOBS = Knobs()


@pytest.fixture(scope="module")
def scene(collins, detector, landmarker) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    image = larger(collins, 1.5)
    return image, find(image, detector, landmarker)


def skin(made, landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colours (n, 3) of plain skin on a patch."""
    picture, _, matrix = made
    placed = (landmarks[PLAIN_SKIN, :2] - matrix[:, 2]) / (matrix[0, 0], matrix[1, 1])
    return relight.sample(picture, placed.astype(np.float32), 2)


def play(scene, work, count: int, knobs: Knobs = KNOBS, effort: Effort = BARE, lamp=lambda index: 1.0) -> NDArray[np.float32]:
    """Skin colours (count, n, 3) of the face shown, less the target's own of the same frame."""
    image, landmarks = scene
    made, target, off = engine(work), engine(same).meet(), []
    for index in range(count):
        frame = np.clip(image * lamp(index), 0, 255).astype(np.uint8)
        own = relight.sample(frame, landmarks[PLAIN_SKIN, :2], 2)
        off.append(skin(made(frame, landmarks, target, index / 30, knobs, effort), landmarks) - own)
    return np.array(off)


@pytest.mark.parametrize("tint", [(0.7, 0.7, 0.7), (1.2, 0.8, 0.6), (1.3, 1.2, 1.0)], ids=["dark", "blue", "bright"])
def test_a_network_with_other_colours_is_brought_to_the_targets(scene, tint: tuple[float, float, float]) -> None:
    before = play(scene, tinted(*tint), 2, Knobs(light=0))
    after = play(scene, tinted(*tint), 2)
    assert np.abs(before[-1].mean(axis=0)).max() > 20
    assert np.abs(after[-1].mean(axis=0)).max() < 2
    assert np.abs(after[-1]).mean() < 3


def test_shadows_that_a_network_leaves_out_are_put_back(scene) -> None:
    """The left half of the face lies in shade; the network lights it evenly."""
    image, landmarks = scene
    x = np.arange(image.shape[1]) - landmarks[4, 0]
    shade = 1 / (1 + 0.8 / (1 + np.exp(x / (0.15 * np.ptp(landmarks[:, 0])))))
    shaded = (image * shade[:, None]).astype(np.uint8)

    def evenly(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
        left, right = crop[:, 70:100].mean(), crop[:, 156:186].mean()
        lift = np.interp(np.arange(256), (85, 171), (right / left, 1))
        return np.clip(crop * lift[:, None], 0, 255).astype(np.uint8)

    off = {light: play((shaded, landmarks), evenly, 2, Knobs(light=light))[-1] for light in (0, 1)}
    left = landmarks[PLAIN_SKIN, 0] < landmarks[4, 0] - 0.15 * np.ptp(landmarks[:, 0])
    assert off[0][left].mean() > 10
    assert abs(off[1][left].mean()) < 0.3 * off[0][left].mean()
    assert abs(off[1][~left].mean()) < 4


def test_what_flickers_in_the_network_does_not_in_the_picture(scene) -> None:
    random = np.random.default_rng(0)
    mood = iter(1 + random.normal(0, 0.08, (100, 3)))
    off = play(scene, lambda crop: np.clip(crop * next(mood), 0, 255).astype(np.uint8), 24).mean(axis=1)
    mood = iter(1 + random.normal(0, 0.08, (100, 3)))
    bare = play(scene, lambda crop: np.clip(crop * next(mood), 0, 255).astype(np.uint8), 24, Knobs(light=0)).mean(axis=1)
    assert bare.std(axis=0).min() > 5
    assert off.std(axis=0).max() < 0.6


def test_one_frame_in_another_colour_is_damped(scene) -> None:
    calls = iter(range(20))
    off = play(scene, lambda crop: tinted(0.8, 1, 1.2)(crop) if next(calls) == 9 else crop, 14).mean(axis=1)
    assert np.abs(off[9] - off[8]).max() < 2


def test_nothing_pumps_on_a_still_noisy_face(scene) -> None:
    image, landmarks = scene
    random = np.random.default_rng(1)
    made, target, shown = engine(tinted(0.75, 0.8, 0.9)), engine(same).meet(), []
    for index in range(20):
        noisy = np.clip(image + random.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
        shown.append(skin(made(noisy, landmarks, target, index / 30, Knobs(), BARE), landmarks).mean(axis=0))
    assert np.array(shown)[3:].std(axis=0).max() < 0.25


def test_a_lamp_is_followed_at_once(scene) -> None:
    off = play(scene, tinted(0.7, 0.7, 0.7), 16, lamp=lambda index: 1.0 if index < 8 else 0.5).mean(axis=(1, 2))
    assert np.abs(off).max() < 2


def test_the_knob_goes_from_the_networks_light_to_the_targets(scene) -> None:
    off = [abs(float(play(scene, tinted(0.7, 0.7, 0.7), 1, Knobs(light=light)).mean())) for light in (0, 0.5, 1)]
    assert off[0] > 1.5 * off[1] > 3 * off[2]


def test_another_source_begins_in_its_own_light(scene) -> None:
    image, landmarks = scene
    first, second, target = engine(tinted(0.6, 0.6, 0.6)), engine(tinted(1.3, 1.3, 1.3)), engine(same).meet()
    shown = [skin((first if i < 5 else second)(image, landmarks, target, i / 30, Knobs(), BARE), landmarks).mean() for i in range(9)]
    assert np.ptp(shown) < 3


def test_a_hand_on_the_cheek_does_not_change_the_light(scene) -> None:
    """A black card hides half of the face: what the masks call hidden has no say, and what is left is no other light."""
    image, landmarks = scene
    covered = image.copy()
    edge = int(np.quantile(landmarks[:, 0], 0.5))
    cv2.rectangle(covered, (0, 0), (edge, image.shape[0]), (20, 10, 10), -1)
    see = masker(lambda crop: np.where(crop.mean(axis=2) < 30, 0, 255).astype(np.uint8))
    made = engine(tinted(0.7, 0.8, 0.9), masks=(see,))
    target, free = made.meet(), landmarks[PLAIN_SKIN, 0] > edge + 12
    shown = [skin(made(covered if i > 3 else image, landmarks, target, i / 30), landmarks)[free].mean(axis=0) for i in range(9)]
    assert np.abs(np.array(shown) - shown[3]).max() < 1


def test_the_light_stays_as_it_was_while_the_whole_face_is_hidden(scene) -> None:
    image, landmarks = scene
    points = np.ascontiguousarray(landmarks[:468], np.float32)
    made, light, shown = tinted(0.6, 0.7, 0.8)(image), Light(), []
    for index in range(24):
        hidden = 8 <= index < 16
        clear = np.full(468, 0.0 if hidden else 1.0, np.float32)
        frame, face = (np.zeros_like(image), image // 2) if hidden else (image, made)
        shown.append(light(frame, face, points, points[:, :2].copy(), clear, index / 30))
    gains = np.array([gain for gain, _ in shown])
    assert gains.mean() > 1.2
    assert np.abs(gains / gains[7] - 1).max() < 0.01


def test_a_face_that_is_hidden_from_the_first_is_left_as_the_network_made_it(scene) -> None:
    image, landmarks = scene
    points = np.ascontiguousarray(landmarks[:468], np.float32)
    gains, levels = Light()(image, tinted(0.6, 0.7, 0.8)(image), points, points[:, :2].copy(), np.zeros(468, np.float32), 0.0)
    assert (gains == 1).all()
    assert (levels >= 255).all()


@pytest.mark.parametrize("factor", [0.5, 1.6])
def test_teeth_and_gloss_change_less_than_skin(factor: float, scene) -> None:
    """They neither turn brown nor burn out; skin and what is darker change by the factor."""
    landmarks = scene[1]
    made = np.full((256, 256, 3), 90, np.uint8)
    made[100:110], made[150:160] = 150, 40
    placed = (landmarks[:468, :2] - landmarks[:468, :2].min(axis=0)) * 250 / np.ptp(landmarks[:468, :2], axis=0)
    every = np.ones((468, 3), np.float32)
    shown = lit(made, factor * every, 100 * every, placed.astype(np.float32), landmarks[:468, 2].copy())[:, 128]
    np.testing.assert_allclose(shown[[60, 130, 155]], [[factor * value] * 3 for value in (90, 90, 40)], atol=1)
    np.testing.assert_allclose(shown[105], factor * 100 + np.sqrt(factor) * 50, atol=2)
