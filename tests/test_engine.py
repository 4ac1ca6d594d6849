from dataclasses import replace

import cv2
import numpy as np
import pytest
from faces import find, larger

from models.knobs import Effort, Knobs
from models.mesh.atlas import Atlas, build_atlas
from models.mesh.engine import MeshEngine, Target
from models.mesh.pose import fit
from models.mesh.topology import INNER_MOUTH, LEFT_EYE, MEAN, OVAL, RIGHT_EYE, VERTICES


@pytest.fixture(scope="module")
def target_picture(collins, detector, landmarker):
    image = larger(collins, 2.5)
    return image, find(image, detector, landmarker)


@pytest.fixture(scope="module")
def source_atlas(hopper, detector, landmarker) -> Atlas:
    return build_atlas([(hopper, find(hopper, detector, landmarker))])


def paste(image: np.ndarray, made: tuple[np.ndarray, np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The frame with the patch mixed in plainly, and the mask in frame size."""
    picture, mask, matrix = made
    size = image.shape[1::-1]
    alpha = cv2.warpAffine(mask, matrix, size)
    return (image + alpha[..., None] / 255.0 * (cv2.warpAffine(picture, matrix, size).astype(float) - image)).astype(np.uint8), alpha


def test_own_face_on_oneself_is_nearly_the_same_picture(target_picture) -> None:
    image, landmarks = target_picture
    engine = MeshEngine(build_atlas([(image, landmarks)]))
    pasted, alpha = paste(image, engine(image, landmarks, Target(), 0.0, Knobs(shape=0.0)))
    inside = alpha > 250
    assert np.abs(pasted[inside].astype(int) - image[inside]).mean() < 14
    landed = cv2.matchTemplate(pasted, image[int(landmarks[4, 1]) - 25 :][:50, int(landmarks[4, 0]) - 25 :][:, :50], cv2.TM_CCOEFF_NORMED)
    assert np.abs(np.array(np.unravel_index(landed.argmax(), landed.shape)[::-1]) - (landmarks[4, :2].astype(int) - 25)).max() <= 1


def test_the_source_is_seen_and_mouth_and_background_stay(target_picture, source_atlas) -> None:
    image, landmarks = target_picture
    pasted, alpha = paste(image, MeshEngine(source_atlas)(image, landmarks, Target(), 0.0, Knobs(shape=0, eyes=0)))
    for rim in (LEFT_EYE, RIGHT_EYE, INNER_MOUTH):
        x, y = landmarks[rim, :2].mean(axis=0).astype(int)
        np.testing.assert_allclose(pasted[y, x].astype(int), image[y, x], atol=2)
    hull = np.zeros(alpha.shape, np.uint8)
    cv2.fillPoly(hull, [np.rint(landmarks[OVAL, :2]).astype(np.int32)], 255)
    outside = cv2.dilate(hull, np.ones((5, 5), np.uint8)) == 0
    assert (alpha[outside] == 0).all()
    np.testing.assert_array_equal(pasted[outside], image[outside])
    assert (alpha[hull > 0] > 250).mean() > 0.5
    assert np.abs(pasted[alpha > 250].astype(int) - image[alpha > 250]).mean() > 5


@pytest.mark.parametrize("dimmed", [0.4, 1.0])
def test_brightness_follows_the_target(target_picture, source_atlas, dimmed: float) -> None:
    image, landmarks = target_picture
    image = (image * dimmed).astype(np.uint8)
    pasted, alpha = paste(image, MeshEngine(source_atlas)(image, landmarks, Target(), 0.0))
    inside = alpha > 250
    np.testing.assert_allclose(np.median(pasted[inside], axis=0), np.median(image[inside], axis=0), atol=16)


def test_a_lamp_switched_on_is_followed_within_a_second_and_not_in_one_jump(target_picture, source_atlas) -> None:
    image, landmarks = target_picture
    engine, target = MeshEngine(source_atlas), Target()
    dark = (image * 0.4).astype(np.uint8)

    def tone(picture: np.ndarray, time: float) -> float:
        made = engine(picture, landmarks, target, time)
        assert made is not None
        return float(made[0][made[1] > 250].mean())

    start = tone(dark, 0.0)
    steps = [tone(image, 0.04 * i) for i in range(1, 26)]
    fresh = MeshEngine(source_atlas)(image, landmarks, Target(), 0.0)
    end = float(fresh[0][fresh[1] > 250].mean())
    assert steps[0] < start + 0.35 * (end - start)
    assert steps[-1] == pytest.approx(end, rel=0.05)
    assert np.diff(steps).min() > -1.0


def test_shape_moves_the_inside_and_leaves_the_outline(target_picture, source_atlas) -> None:
    image, landmarks = target_picture
    engine = MeshEngine(source_atlas)
    plain, alpha_plain = paste(image, engine(image, landmarks, Target(), 0.0, Knobs(shape=0.0)))
    bones, alpha_bones = paste(image, engine(image, landmarks, Target(), 0.0, Knobs(shape=1.0)))
    assert np.abs(plain.astype(int) - bones).max() > 20
    assert (np.abs(alpha_plain.astype(int) - alpha_bones) > 60).mean() < 0.005


def test_the_targets_resting_face_is_learned(source_atlas) -> None:
    own = (MEAN + np.random.default_rng(3).normal(0, 0.02, MEAN.shape)).astype(np.float32)
    landmarks = (own * 120 + [320, 240, 0]).astype(np.float32)
    target, image = Target(), np.full((640, 640, 3), 120, np.uint8)
    engine = MeshEngine(source_atlas)
    for i in range(60):
        engine(image, landmarks, target, i / 30)
    canonical = fit(landmarks).remove(landmarks[:VERTICES])
    assert np.abs(target.resting.neutral - canonical).max() < 0.01


@pytest.mark.parametrize(
    "spoil",
    [lambda p: p * np.nan, lambda p: p - [5000, 0, 0], lambda p: p * 0, lambda p: np.where(np.arange(len(p))[:, None] == 7, np.inf, p)],
    ids=["nan", "outside", "point", "infinite"],
)
def test_unusable_landmarks_give_no_patch(target_picture, source_atlas, spoil) -> None:
    image, landmarks = target_picture
    assert MeshEngine(source_atlas)(image, spoil(landmarks).astype(np.float32), Target(), 0.0) is None


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (40, 40)])
def test_tiny_frames_do_not_break_it(source_atlas, size: tuple[int, int]) -> None:
    landmarks = (MEAN * 8 + [size[1] / 2, size[0] / 2, 0]).astype(np.float32)
    made = MeshEngine(source_atlas)(np.full((*size, 3), 99, np.uint8), landmarks, Target(), 0.0)
    assert made is None or made[1].shape <= size


def test_faces_of_any_size_get_their_patch(source_atlas) -> None:
    engine = MeshEngine(source_atlas)
    for scale in (10, 60, 200, 500):
        landmarks = (MEAN * scale + [960, 540, 0]).astype(np.float32)
        picture, mask, matrix = engine(np.full((1080, 1920, 3), 130, np.uint8), landmarks, Target(), 0.0)
        assert picture.shape[:2] == mask.shape
        assert (mask > 250).any()
        centre = matrix @ [mask.shape[1] / 2, mask.shape[0] / 2, 1]
        assert abs(centre[0] - 960) < 0.1 * scale + 3
        assert max(mask.shape) <= Effort().largest


def test_light_is_kept_between_measurements_and_follows_at_the_next(source_atlas, collins, detector, landmarker) -> None:
    """With light_every 3 a lamp that goes on is seen within three frames; between them the texture is held."""
    engine, landmarks = MeshEngine(source_atlas), find(collins, detector, landmarker)
    dark = (collins * 0.5).astype(np.uint8)
    shown = {}
    for every in (1, 3):
        target = Target()
        effort = Effort(light_every=every, occlusion_every=0)
        pictures = [engine(collins if i < 5 else dark, landmarks, target, i * 0.5, Knobs(shape=0), effort)[0].copy() for i in range(9)]
        # The upper third holds neither mouth nor eyes, which are the target's own.
        shown[every] = [float(picture[: len(picture) // 4][picture[: len(picture) // 4] > 0].mean()) for picture in pictures]
    assert shown[1][5] < 0.8 * shown[1][4]
    assert shown[3][5] == shown[3][4]
    assert shown[3][6] < 0.8 * shown[3][5]
    assert shown[3][8] == pytest.approx(shown[1][8], rel=0.05)


def test_another_source_begins_in_its_own_light(source_atlas, collins, detector, landmarker) -> None:
    """Changed live to a source whose photo is twice as dark, the face is at once as bright as after a second."""
    landmarks = find(collins, detector, landmarker)
    texture = (source_atlas.texture * 0.5).astype(np.uint8)
    first, second = MeshEngine(source_atlas), MeshEngine(replace(source_atlas, texture=texture))
    target, shown = Target(), []
    for index, engine in enumerate([first] * 20 + [second] * 30):
        picture, mask, _ = engine(collins, landmarks, target, index / 30, Knobs(shape=0, eyes=0), Effort(occlusion_every=0))
        shown.append(float(picture[mask > 250].mean()))
    assert abs(shown[20] - shown[-1]) < 3


def test_a_face_between_two_texture_levels_does_not_flip(source_atlas, collins, detector, landmarker) -> None:
    landmarks, engine, target = find(collins, detector, landmarker), MeshEngine(source_atlas), Target()
    middle = 512 / 2**1.5 / np.ptp(landmarks[:, :2], axis=0).max()
    levels = []
    for index in range(20):
        factor = middle * (1.03 if index % 2 else 0.97)
        image = cv2.resize(collins, None, fx=factor, fy=factor)
        engine(image, (landmarks * factor).astype(np.float32), target, index / 30, Knobs(shape=0), Effort(occlusion_every=0))
        levels.append(target.level)
    assert len(set(levels[1:])) == 1
    assert levels[-1] in (1, 2)
