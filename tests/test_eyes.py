"""Eyes against pictures in which every colour and place is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from faces import find, larger
from hypothesis import given, settings
from hypothesis import strategies as st
from meshes import head, placed, turn
from numpy.typing import NDArray

from models.detector import Detector
from models.landmarks import Landmarker
from models.mesh import eyes
from models.mesh.eyes import IRIS_SIZE, WHITE_SIZE, Eyes
from models.mesh.pose import Pose, fit
from models.mesh.topology import EYES, IRISES, MEAN, MIRROR, VERTICES

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

WHITE, IRIS, SKIN = (190, 200, 210), (60, 90, 40), (90, 120, 180)
RADIUS = 0.2
PLACE = np.array([160.0, 140.0, 0.0])
angles = st.floats(-35, 35)


def width(eye: int) -> float:
    """Corner distance in mean-face units."""
    return float(np.linalg.norm(MEAN[EYES[eye][8]] - MEAN[EYES[eye][0]]))


def looking(across: float = 0.0, down: float = 0.0, radius: float = RADIUS, opened: float = 1.0) -> NDArray[np.float64]:
    """The mean face (478, 3) with irises so many corner distances off the middle, and lids so far open."""
    shape = head()
    for eye in range(2):
        ring = EYES[eye]
        first, last = shape[ring[0]].copy(), shape[ring[8]].copy()
        share = ((shape[ring] - first) @ (last - first) / ((last - first) @ (last - first)))[:, None]
        line = first + share * (last - first)
        shape[ring] = line + opened * (shape[ring] - line)
        middle = (first + last) / 2 + across * (last - first) + np.array([0.0, down * width(eye), 0.0])
        shape[IRISES[eye]] = middle + radius * width(eye) * np.array([[0, 0, 0], [1, 0, 0], [0, -1, 0], [-1, 0, 0], [0, 1, 0]])
    return shape


def photo(landmarks: Floats, pose: Pose, white: tuple[int, ...] = WHITE, size: tuple[int, int] = (280, 320)) -> Bytes:
    """A skin-coloured picture with both eyes painted: a white between the lids, an iris of known radius, cut off by the lids."""
    image = np.full((*size, 3), SKIN, np.uint8)
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    for eye in range(2):
        lids = np.zeros(size, np.uint8)
        cv2.fillPoly(lids, [np.rint(landmarks[EYES[eye], :2] * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
        matrix = eyes.frame(landmarks, pose, eye)
        offsets = np.stack([x, y]).reshape(2, -1) - landmarks[IRISES[eye][0], :2, None]
        away = np.linalg.norm(np.linalg.solve(matrix[:, :2], offsets), axis=0).reshape(size)
        image[lids > 0] = white
        image[(lids > 0) & (away < RADIUS)] = IRIS
    return image


def straight(shape: NDArray[np.float64] | None = None, size: float = 120.0) -> tuple[Floats, Pose]:
    """The face seen from the front, 120 px between the eyes."""
    return placed(looking() if shape is None else shape, turn(), size), Pose(size, turn(), PLACE)


def plain(white: tuple[int, ...] = (200, 200, 200), iris: tuple[int, ...] = (20, 60, 100)) -> Eyes:
    """Eyes of one colour each, the iris opaque within its radius."""
    y, x = (np.mgrid[0:IRIS_SIZE, 0:IRIS_SIZE] + 0.5) / IRIS_SIZE * 2 - 1
    picture = np.zeros((2, IRIS_SIZE, IRIS_SIZE, 4), np.uint8)
    picture[..., :3], picture[..., 3] = iris, 255 * (np.hypot(x, y) * 1.25 < 1)
    whites = np.broadcast_to(np.array(white, np.uint8), (2, *WHITE_SIZE, 3)).copy()
    return Eyes(whites, picture, np.full(2, RADIUS, np.float32), np.array(white, np.float32))


def drawn(
    outline: Floats, matrix: NDArray[np.float64], middle: tuple[float, float] = (0.0, 0.0), strength: float = 1.0, covered: int = 0
) -> tuple[Bytes, Bytes]:
    """One eye painted on a patch of 160 x 200: picture and mask."""
    picture, mask = np.full((160, 200, 3), 90 if covered else 0, np.uint8), np.full((160, 200), covered, np.uint8)
    eyes.draw(plain(), 0, outline, matrix, np.array(middle), np.ones(3, np.float32), picture, mask, strength)
    return picture, mask


def almond(x: float = 100, y: float = 80, wide: float = 100, high: float = 50) -> tuple[Floats, NDArray[np.float64]]:
    """The outline (16, 2) of an eye lying straight in the patch, and its frame."""
    angle = np.pi - np.arange(16) / 16 * 2 * np.pi
    outline = np.stack([x + wide / 2 * np.cos(angle), y + high / 2 * np.sin(angle)], axis=1).astype(np.float32)
    return outline, np.array([[wide, 0, x], [0, wide, y]], np.float64)


@settings(max_examples=60, deadline=None)
@given(pitch=angles, yaw=angles, roll=st.floats(-180, 180), size=st.floats(40, 300), eye=st.integers(0, 1))
def test_the_corners_lie_half_a_width_from_the_middle(pitch: float, yaw: float, roll: float, size: float, eye: int) -> None:
    rotation = turn(roll=roll) @ turn(yaw=yaw) @ turn(pitch=pitch)
    pose = Pose(size, rotation, PLACE)
    points = pose.place(MEAN)
    matrix = eyes.frame(points, pose, eye)
    corners = points[EYES[eye][[0, 8]], :2]
    np.testing.assert_allclose(matrix @ [[-0.5, 0.5], [0, 0], [1, 1]], corners.T, atol=1e-3)
    np.testing.assert_allclose(np.linalg.solve(matrix[:, :2], corners.T - matrix[:, 2:]), np.array([[-0.5, 0.5], [0, 0]]), atol=1e-4)
    # Down is the head's own down: a place straight below the middle stays there however the head is turned.
    below = MEAN[EYES[eye][[0, 8]]].mean(axis=0) + np.array([0, 0.3 * width(eye), 0])
    np.testing.assert_allclose(matrix @ [0, 0.3, 1], pose.place(below[None])[0, :2], atol=1e-3)


def test_lids_do_not_change_an_eyes_frame() -> None:
    points, pose = straight(looking(opened=0.1))
    for eye in range(2):
        np.testing.assert_allclose(eyes.frame(points, pose, eye), eyes.frame(straight()[0], pose, eye), atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(across=st.floats(-0.3, 0.3), down=st.floats(-0.15, 0.15), pitch=angles, yaw=angles, roll=angles)
def test_gaze_finds_where_the_iris_was_put(across: float, down: float, pitch: float, yaw: float, roll: float) -> None:
    pose = Pose(100.0, turn(roll=roll) @ turn(yaw=yaw) @ turn(pitch=pitch), PLACE)
    landmarks = pose.place(looking(across, down))
    for eye in range(2):
        got = eyes.gaze(landmarks, eyes.frame(landmarks, pose, eye), eye)
        np.testing.assert_allclose(got, [across, down], atol=2e-3)


def test_openness_is_nought_for_shut_eyes_and_grows_with_the_lids() -> None:
    found = [eyes.openness(*straight(looking(opened=opened))) for opened in (0.0, 0.5, 1.0, 1.5)]
    assert found[0] == pytest.approx(0, abs=0.01)
    np.testing.assert_allclose(np.array(found) - found[0], found[2] * np.array([0, 0.5, 1, 1.5]), atol=0.02)
    turned = Pose(120.0, turn(10, 20, 30), PLACE)
    assert eyes.openness(turned.place(looking()), turned) == pytest.approx(found[2], abs=0.03)
    landmarks, pose = straight()
    assert eyes.openness(landmarks[:VERTICES], pose) == 0


@pytest.mark.parametrize(("across", "down"), [(0.0, 0.0), (0.15, 0.0), (-0.1, 0.05)])
def test_painted_eyes_are_taken_without_lids(across: float, down: float) -> None:
    landmarks, pose = straight(looking(across, down))
    taken = eyes.take(photo(landmarks, pose), landmarks, pose)
    np.testing.assert_allclose(taken.radius, RADIUS, atol=0.01)
    np.testing.assert_allclose(taken.bright, WHITE, atol=1)
    for eye in range(2):
        np.testing.assert_allclose(taken.white[eye].reshape(-1, 3), np.broadcast_to(WHITE, (WHITE_SIZE[0] * WHITE_SIZE[1], 3)), atol=12)
        y, x = (np.mgrid[0:IRIS_SIZE, 0:IRIS_SIZE] + 0.5) / IRIS_SIZE * 2 - 1
        away = np.hypot(x, y) * 1.25
        # The lids hide its top and bottom, yet it is whole.
        inside = taken.iris[eye][away < 0.8]
        np.testing.assert_allclose(inside[:, :3], np.broadcast_to(IRIS, (len(inside), 3)), atol=20)
        assert (inside[:, 3] == 255).all()
        assert (taken.iris[eye][away > 1.1][:, 3] == 0).all()


def test_lids_hide_part_of_the_painted_iris() -> None:
    """What the test above leans on: the picture really does not show all of the iris."""
    landmarks, pose = straight()
    image = photo(landmarks, pose)
    for eye in range(2):
        x, y = landmarks[IRISES[eye][0], :2]
        tall = RADIUS * 120 * width(eye)
        ends = [image[round(float(y + way * 0.9 * tall)), round(float(x))] for way in (-1, 1)]
        assert any((colour == SKIN).all() for colour in ends)


def test_mirrored_pictures_give_mirrored_eyes() -> None:
    landmarks, pose = straight(looking(0.1))
    image = photo(landmarks, pose)
    image[:, :160] = (image[:, :160] * 0.8).astype(np.uint8)
    other = landmarks.copy()
    other[:VERTICES] = landmarks[MIRROR]
    other[468:] = landmarks[[473, 476, 475, 474, 477, 468, 471, 470, 469, 472]]
    other[:, 0] = image.shape[1] - 1 - other[:, 0]
    one, two = eyes.take(image, landmarks, pose), eyes.take(image[:, ::-1].copy(), other, fit(other))
    for eye in range(2):
        np.testing.assert_allclose(two.white[1 - eye][:, ::-1].astype(int), one.white[eye], atol=10)
        assert np.abs(two.iris[1 - eye][:, ::-1].astype(int) - one.iris[eye]).mean() < 3
    np.testing.assert_allclose(two.bright, one.bright, atol=2)


def test_red_skin_in_the_lids_shadow_is_not_taken_for_an_eyeball() -> None:
    landmarks, pose = straight()
    taken = eyes.take(photo(landmarks, pose, white=(25, 36, 110)), landmarks, pose)
    np.testing.assert_array_equal(np.unique(taken.white), [160])
    np.testing.assert_array_equal(taken.bright, 160)
    warm = (110, 150, 200)
    np.testing.assert_allclose(eyes.take(photo(landmarks, pose, white=warm), landmarks, pose).bright, warm, atol=1)


def test_an_eye_that_is_shut_gets_the_other_ones_white() -> None:
    landmarks, pose = straight()
    landmarks[EYES[1]] = straight(looking(opened=0.0))[0][EYES[1]]
    taken = eyes.take(photo(landmarks, pose), landmarks, pose)
    for eye in range(2):
        np.testing.assert_allclose(np.median(taken.white[eye].reshape(-1, 3), axis=0), WHITE, atol=2)


@pytest.mark.parametrize("name", ["hopper", "collins"])
def test_the_irises_of_real_portraits_are_darker_than_the_whites(
    name: str, request: pytest.FixtureRequest, detector: Detector, landmarker: Landmarker
) -> None:
    image = larger(request.getfixturevalue(name), 2.0)
    landmarks = find(image, detector, landmarker)
    pose = fit(landmarks)
    taken = eyes.take(image, landmarks, pose)
    assert (taken.radius > 0.17).all()
    assert (taken.radius < 0.25).all()
    assert abs(float(taken.radius[0] - taken.radius[1])) < 0.02
    assert 0.1 < eyes.openness(landmarks, pose) < 0.4
    for eye in range(2):
        middle = taken.iris[eye][10:30, 10:30, :3].astype(float)
        white = taken.white[eye].reshape(-1, 3).astype(float)
        assert np.median(middle) < 0.6 * np.median(white)
        assert np.median(white, axis=0).min() > 0.5 * np.median(white, axis=0).max()


def test_sclera_finds_the_painted_colour() -> None:
    for across in (-0.15, 0.0, 0.15):
        landmarks, pose = straight(looking(across))
        found = eyes.sclera(photo(landmarks, pose), landmarks, pose)
        assert found is not None
        np.testing.assert_allclose(found, WHITE, atol=1)


def test_sclera_leaves_out_what_lies_in_a_shadow() -> None:
    landmarks, pose = straight()
    image = photo(landmarks, pose)
    shadow = (image == WHITE).all(axis=2)
    third = np.zeros_like(shadow)
    for eye in range(2):
        left, right = landmarks[EYES[eye][[0, 8]], 0]
        third[:, int(left) : round(float(left + 0.35 * (right - left)))] = True
    shadow &= third
    image[shadow] = (70, 80, 90)
    assert shadow.sum() > 60
    found = eyes.sclera(image, landmarks, pose)
    assert found is not None
    np.testing.assert_allclose(found, WHITE, atol=5)


def test_sclera_needs_open_eyes_within_the_picture() -> None:
    landmarks, pose = straight(looking(opened=0.1))
    assert eyes.sclera(photo(landmarks, pose), landmarks, pose) is None
    landmarks, pose = straight()
    image = photo(landmarks, pose)
    away = np.array([1000, 0, 0], np.float32)
    assert eyes.sclera(image, landmarks + away, pose) is None
    assert eyes.sclera(image, landmarks - away, pose) is None
    # One eye outside leaves the other one.
    half = np.ascontiguousarray(image[:, :160])
    found = eyes.sclera(half, landmarks, pose)
    assert found is not None
    np.testing.assert_allclose(found, WHITE, atol=1)


def test_an_eye_is_painted_between_the_lids_and_nowhere_else() -> None:
    outline, matrix = almond()
    picture, mask = drawn(outline, matrix)
    within, near = np.zeros(mask.shape, np.uint8), np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(within, [np.rint(outline).astype(np.int32)], 1)
    near[:] = cv2.dilate(within, np.ones((5, 5), np.uint8))
    assert (mask[cv2.erode(within, np.ones((5, 5), np.uint8)) > 0] == 255).all()
    assert (mask[near == 0] == 0).all()
    assert (picture[near == 0] == 0).all()
    np.testing.assert_array_equal(picture[80, 65], 200)


def test_over_an_open_hole_the_rim_is_not_mixed_with_black() -> None:
    """The mask fades the eye there; its colour is at least that of the lid's shadow."""
    picture, mask = drawn(*almond())
    assert ((mask > 0) & (mask < 255)).any()
    assert picture[mask > 0].max(axis=1).min() > 0.5 * 100
    outside = cv2.dilate((mask > 0).astype(np.uint8), np.ones((3, 3), np.uint8)) == 0
    assert (picture[outside] == 0).all()


@pytest.mark.parametrize("middle", [(0.0, 0.0), (0.2, 0.0), (-0.15, 0.1)])
def test_the_iris_is_where_it_was_asked_for(middle: tuple[float, float]) -> None:
    outline, matrix = almond(high=98)
    picture, _ = drawn(outline, matrix, middle)
    y, x = np.nonzero((picture[..., 0] < 60) & (picture[..., 2] > 80))
    np.testing.assert_allclose([x.mean(), y.mean()], matrix @ [*middle, 1], atol=0.3)
    assert np.sqrt(len(x) / np.pi) == pytest.approx(RADIUS * 100, abs=1.2)


def test_strength_mixes_the_eye_with_what_was_there() -> None:
    outline, matrix = almond()
    none, mask = drawn(outline, matrix, strength=0.0, covered=255)
    assert (none == 90).all()
    assert (mask == 255).all()
    half, _ = drawn(outline, matrix, strength=0.5, covered=255)
    whole, _ = drawn(outline, matrix, strength=1.0, covered=255)
    np.testing.assert_allclose(half, (none.astype(float) + whole) / 2, atol=1)
    assert (whole[80, 65] == 200).all()
    _, mask = drawn(outline, matrix, strength=0.5)
    assert mask.max() == 128


def test_the_gain_lights_the_eye() -> None:
    outline, matrix = almond()
    picture, mask = np.zeros((160, 200, 3), np.uint8), np.zeros((160, 200), np.uint8)
    eyes.draw(plain(), 0, outline, matrix, np.zeros(2), np.array([0.5, 1.0, 1.5], np.float32), picture, mask, 1.0)
    np.testing.assert_array_equal(picture[80, 65], [100, 200, 255])


@pytest.mark.parametrize(
    "move",
    [
        lambda outline: outline + 500,
        lambda outline: outline - 500,
        lambda outline: outline * [1e5, 1e5],
        lambda outline: outline * 0 + 50,
        lambda outline: outline * [1, 0] + [0, 80],
        lambda outline: outline * [0, 1] + [100, 0],
        lambda outline: outline - [100, 0],
    ],
    ids=["right", "left", "huge", "point", "shut", "edge-on", "half out"],
)
def test_outlines_of_any_kind_are_survived(move: object) -> None:
    outline, matrix = almond()
    moved = np.asarray(move(outline), np.float32)  # type: ignore[operator]
    for frame in (matrix, matrix * 0, np.full((2, 3), 1e6)):
        picture, mask = drawn(moved, frame)
        assert mask[0, 199] in (0, 255)
        assert picture.shape[:2] == mask.shape


def test_an_outline_outside_the_patch_paints_nothing() -> None:
    outline, matrix = almond()
    for away in (500, -500):
        picture, mask = drawn(outline + np.float32(away), matrix + np.array([[0, 0, away], [0, 0, away]]))
        assert not mask.any()
        assert not picture.any()


def test_the_whites_follow_the_light_and_are_held_in_bounds() -> None:
    own = plain((100, 100, 100))
    seen = np.array([60, 100, 140], np.float32)
    first = eyes.follow(None, seen, own, 0.0)
    np.testing.assert_allclose(first, [0.6, 1.0, 1.4], rtol=1e-5)
    known = np.ones(3, np.float32)
    half = eyes.follow(known, seen, own, 0.5)
    np.testing.assert_allclose(half, [0.8, 1.0, 1.2], rtol=1e-5)
    for _ in range(60):
        known = eyes.follow(known, seen, own, 0.2)
    np.testing.assert_allclose(known, [0.6, 1.0, 1.4], atol=1e-4)
    clipped = eyes.follow(None, np.array([1, 100, 255], np.float32), plain((100, 100, 50)), 1.0)
    np.testing.assert_allclose(clipped, [0.25, 1, 1.8], rtol=1e-6)
    np.testing.assert_array_equal(eyes.follow(known, None, own, 1.0), known)
    np.testing.assert_array_equal(eyes.follow(None, None, own, 1.0), 1)


def test_eyes_survive_being_stored() -> None:
    own = plain()
    arrays = own.arrays()
    assert all(name.startswith("eyes_") for name in arrays)
    again = Eyes.from_arrays({**arrays, "texture": np.zeros(3)})
    assert again is not None
    for name, kept in arrays.items():
        np.testing.assert_array_equal(again.arrays()[name], kept)
    assert Eyes.from_arrays({"texture": np.zeros(3)}) is None


@pytest.mark.parametrize(
    ("name", "wrong", "says"),
    [
        ("eyes_white", np.zeros((2, 48, 96), np.uint8), r"got eyes_white \(2, 48, 96\) uint8, expected \(2, 48, 96, 3\) uint8"),
        ("eyes_iris", np.zeros((2, 40, 40, 4), np.float32), "got eyes_iris .* float32, expected .* uint8"),
        ("eyes_radius", np.zeros(3, np.float32), r"got eyes_radius \(3,\)"),
        ("eyes_bright", None, "got eyes_bright none"),
        ("eyes_radius", np.array([0.2, np.nan], np.float32), "got eyes_radius with NaN or infinity"),
    ],
)
def test_wrong_arrays_are_refused(name: str, wrong: NDArray[np.generic] | None, says: str) -> None:
    arrays = plain().arrays()
    if wrong is None:
        del arrays[name]
    else:
        arrays[name] = wrong
    with pytest.raises(ValueError, match=says):
        Eyes.from_arrays(arrays)


def test_the_whites_are_never_brighter_than_what_they_are_measured_by(
    hopper: Bytes, collins: Bytes, detector: Detector, landmarker: Landmarker
) -> None:
    """Or eyes would glare out of a target whose own whites are matched."""
    for photo in (hopper, collins):
        landmarks = find(photo, detector, landmarker)
        taken = eyes.take(photo, landmarks, fit(landmarks))
        rows, columns = taken.white.shape[1:3]
        middle = taken.white[:, rows // 3 : 2 * rows // 3, columns // 4 : 3 * columns // 4]
        assert (taken.bright >= middle.reshape(-1, 3).mean(axis=0) - 1).all()
