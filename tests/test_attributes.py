"""Measures of what is kept: known errors give known figures, none gives zero, and other bones are no error."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from meshes import blended, head, patch, placed, shot, swaying, turn
from numpy.typing import NDArray

from benchmarks.quality import attributes
from benchmarks.quality.meanings import FIGURES
from models.landmarks import Landmarker, region_from_landmarks
from models.mesh.topology import STEPS_FROM_OVAL

_COUNT = 24


def _other_bones() -> NDArray[np.float64]:
    """A narrower face with a longer nose and chin, rim included."""
    shape = head() * [0.93, 1.05, 1.0]
    shape[:468, 2] -= 0.12 * np.minimum(STEPS_FROM_OVAL, 5)[:468] / 5
    return shape


def _geometry(before: NDArray[np.float64], after: NDArray[np.float64], extra: list[NDArray[np.float64]] | None = None) -> dict[str, float]:
    poses = swaying(_COUNT)
    turned = poses if extra is None else [pose @ more for pose, more in zip(poses, extra, strict=True)]
    return attributes.geometry([placed(before, pose) for pose in poses], [placed(after, pose) for pose in turned])


def test_nothing_changed_is_no_error_anywhere() -> None:
    figures = _geometry(head(), head())
    assert len(figures) > 12
    assert all(abs(value) < 1e-3 for name, value in figures.items() if name != "expression_carried_ratio")


@pytest.mark.parametrize("degrees", [0.5, 2.0, 8.0])
def test_a_constant_turn_is_an_offset_and_no_error(degrees: float) -> None:
    figures = _geometry(head(), head(), [turn(yaw=degrees)] * _COUNT)
    assert figures["pose_error_raw_deg"] == pytest.approx(degrees, abs=0.01)
    assert figures["pose_offset_yaw_deg"] == pytest.approx(degrees, abs=0.01)
    assert figures["pose_error_deg"] < 0.01


@pytest.mark.parametrize("degrees", [0.5, 2.0, 8.0])
def test_a_changing_turn_is_an_error_of_its_size(degrees: float) -> None:
    figures = _geometry(head(), head(), [turn(pitch=degrees * (-1) ** i) for i in range(_COUNT)])
    assert figures["pose_error_deg"] == pytest.approx(degrees, rel=0.01)
    assert figures["pose_offset_deg"] < 0.01


def test_a_head_that_does_not_follow_is_an_error_although_every_single_frame_is_a_head() -> None:
    poses = swaying(_COUNT)
    figures = attributes.geometry([placed(head(), pose) for pose in poses], [placed(head(), poses[0])] * _COUNT)
    assert figures["pose_error_deg"] > 5


def test_other_bones_are_neither_pose_nor_expression() -> None:
    figures = _geometry(head(), _other_bones())
    assert figures["pose_error_raw_deg"] > 0.5
    assert figures["expression_error_raw_percent"] > 2
    assert figures["pose_error_deg"] < 0.01
    assert figures["expression_error_percent"] < 0.01


def test_an_expression_half_carried_is_half() -> None:
    smile = np.zeros((478, 3))
    smile[[61, 291, 57, 287, 40, 270, 91, 321, 205, 425, 50, 280]] = [0.0, -0.15, 0.03]
    before, after = [], []
    for i, pose in enumerate(swaying(_COUNT)):
        much = np.sin(0.4 * i)
        before.append(placed(head() + 4 * much * smile, pose))
        after.append(placed(_other_bones() + 2 * much * smile, pose))
    figures = attributes.geometry(before, after)
    assert figures["expression_carried_ratio"] == pytest.approx(0.5, abs=0.03)
    assert figures["expression_error_percent"] > 0.2


@pytest.mark.parametrize("gap", [0.02, 0.1])
def test_the_mouth_is_measured_in_face_heights(gap: float) -> None:
    wider = head()
    # Lips of the mean face are nearly shut, so they are opened first: then the lower lip moves along the gap.
    wider[[14, 87, 317], 1] += 0.2
    widest = wider.copy()
    for upper, lower in ((13, 14), (82, 87), (312, 317)):
        along = wider[lower] - wider[upper]
        widest[lower] += gap * along / np.linalg.norm(along)
    height = np.linalg.norm(wider[10] - wider[152])
    figures = _geometry(wider, widest)
    assert figures["mouth_error_percent"] == pytest.approx(100 * gap / height, rel=0.01)
    assert figures["mouth_error_worst_percent"] == pytest.approx(100 * gap / height, rel=0.01)


def test_a_blink_that_is_lost_is_the_error_of_that_eye_alone() -> None:
    lids = attributes.opening(head()[None], np.array([[159, 145], [158, 153], [160, 144]]))[0]
    width = np.linalg.norm(head()[33] - head()[133])
    shut = head()
    shut[[159, 158, 160]] = shut[[145, 153, 144]]
    pose = turn()
    before = [placed(shut if i % 4 == 0 else head(), pose) for i in range(_COUNT)]
    figures = attributes.geometry(before, [placed(head(), pose)] * _COUNT)
    assert figures["eye_right_error_percent"] == pytest.approx(100 * lids / width / 4, rel=0.01)
    assert figures["eye_right_error_raw_percent"] == pytest.approx(100 * lids / width / 4, rel=0.01)
    assert figures["eye_left_error_percent"] < 0.01


def test_gaze_is_measured_in_eye_widths() -> None:
    aside = head()
    aside[468:473] += 0.1 * (aside[133] - aside[33])
    aside[473:] += 0.1 * (aside[263] - aside[362])
    constant = _geometry(head(), aside)
    assert constant["gaze_error_raw_percent"] == pytest.approx(10, rel=0.05)
    assert constant["gaze_error_percent"] < 0.5
    poses = [turn()] * _COUNT
    wandering = [placed(aside if i % 2 else head(), pose) for i, pose in enumerate(poses)]
    figures = attributes.geometry([placed(head(), pose) for pose in poses], wandering)
    assert figures["gaze_error_percent"] == pytest.approx(5, rel=0.05)


def test_one_frame_has_no_changing_part() -> None:
    figures = attributes.geometry([placed(head(), turn())], [placed(head(), turn(yaw=3))])
    assert figures["pose_error_raw_deg"] == pytest.approx(3, abs=0.01)
    assert not {"pose_error_deg", "expression_error_percent", "eye_left_error_percent", "gaze_error_percent"} & set(figures)
    assert attributes.geometry([], []) == {}
    with pytest.raises(ValueError, match="as many"):
        attributes.geometry([placed(head(), turn())], [])


def test_a_rolled_portrait_is_measured_as_rolled(collins: NDArray[np.uint8], landmarker: Landmarker) -> None:
    """The whole instrument, landmark model included, on a turn that is known exactly."""
    from faces import find

    from models.detector import Detector

    detector = Detector()
    still = find(collins, detector, landmarker)
    detector.close()
    region = region_from_landmarks(still)
    turned = []
    for i in range(8):
        matrix = cv2.getRotationMatrix2D((region.x, region.y), 4.0 if i % 2 else -4.0, 1.0)
        found = landmarker(np.asarray(cv2.warpAffine(collins, matrix, collins.shape[1::-1]), np.uint8), [region])[0]
        assert found is not None
        turned.append(found)
    figures = attributes.geometry([still] * 8, turned)
    assert figures["pose_error_deg"] == pytest.approx(4, abs=0.8)
    assert figures["mouth_error_percent"] < 1


def _flat(level: float) -> NDArray[np.uint8]:
    return np.full((320, 320, 3), level, np.uint8)


def test_another_skin_tone_is_an_offset_and_light_from_the_side_an_error() -> None:
    face = placed(head(), turn())
    image, brighter = _flat(120), _flat(150)
    lab = [cv2.cvtColor(np.float32(picture[:1, :1]) / 255, cv2.COLOR_BGR2LAB)[0, 0, 0] for picture in (image, brighter)]
    step = float(lab[1] - lab[0])
    tone = attributes.light([shot(i, image, brighter, face) for i in range(3)])
    assert tone["skin_tone_offset_delta_e"] == pytest.approx(step, rel=0.02)
    assert tone["light_error_raw_delta_e"] == pytest.approx(step, rel=0.02)
    assert tone["light_error_delta_e"] < 0.1
    slope = np.clip(120 + 30 * (np.arange(320) - 160) / 100, 0, 255)[None, :, None] * np.ones((320, 1, 3))
    sideways = attributes.light([shot(i, image, slope.astype(np.uint8), face) for i in range(3)])
    assert sideways["light_error_delta_e"] > 2
    lamp = attributes.light([shot(0, image, image, face), shot(1, image, brighter, face)])
    assert lamp["light_error_delta_e"] == pytest.approx(step / 2, rel=0.05)
    assert attributes.light([shot(0, image, image, face)])["light_error_raw_delta_e"] == 0


def test_fine_texture_is_not_light(collins: NDArray[np.uint8]) -> None:
    image = cv2.resize(collins, (320, 320))
    noisy = np.clip(image + np.random.default_rng(0).normal(0, 8, image.shape), 0, 255).astype(np.uint8)
    assert attributes.light([shot(0, image, noisy, placed(head(), turn()))])["light_error_raw_delta_e"] < 1


def test_every_changed_pixel_of_the_background_counts() -> None:
    face, image = placed(head(), turn()), _flat(100)
    mask = patch(face, image.shape[:2])
    result = blended(image, np.full(image.shape, 180.0), mask)
    assert attributes.background([shot(0, image, result, face)]) == {"background_changed_px": 0, "background_changed_percent": 0}
    result[5, 7, 1] += 1
    result[300, 310] = 0
    figures = attributes.background([shot(0, image, result, face)])
    assert figures["background_changed_px"] == 2
    assert figures["background_changed_percent"] == pytest.approx(200 / (mask == 0).sum())


def test_two_faces_of_a_frame_are_no_background_to_each_other() -> None:
    image = _flat(100)
    faces = [placed(head(), turn(), 40, x, 160) for x in (80, 240)]
    masks = [patch(face, image.shape[:2]) for face in faces]
    result = blended(image, np.full(image.shape, 180.0), np.maximum(*masks))
    both = [shot(0, image, result, face, mask, track=i) for i, (face, mask) in enumerate(zip(faces, masks, strict=True))]
    assert attributes.background(both)["background_changed_px"] == 0
    assert attributes.background(both[:1])["background_changed_px"] > 1000


def test_what_was_not_seen_or_not_swapped_is_left_out() -> None:
    face, image = placed(head(), turn()), _flat(100)
    good = shot(0, image, image, face)
    blind = [replace(good, after=None), replace(good, before=None)]
    assert set(attributes.measure(blind)) == set(attributes.light(blind)) | set(attributes.background(blind))
    assert attributes.measure([replace(good, mask=np.zeros_like(good.mask))]) == {}
    assert attributes.measure([]) == {}
    figures = attributes.measure([good, replace(good, index=1, time=0.03)])
    assert set(figures) <= set(FIGURES)
    assert np.isfinite(list(figures.values())).all()
