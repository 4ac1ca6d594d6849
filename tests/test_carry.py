"""What shows through the mouth, carried along with a rim that moved in a known way."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meshes import placed, turn
from numpy.typing import NDArray

from models.mesh.carry import LIDS, MOUTH, carry
from models.mesh.topology import EYES, INNER_MOUTH, MEAN, VERTICES

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

SIZE = (300, 340)
HOLES = {
    "mouth": (MOUTH, [INNER_MOUTH]),
    "lids": (np.concatenate(LIDS), list(EYES)),
    "all": (np.concatenate([MOUTH, *LIDS]), [INNER_MOUTH, *EYES]),
}


def speaking(wide: float = 3.0) -> Floats:
    """The mean face (468, 2) in pixels with its mouth open."""
    face = MEAN[:VERTICES].astype(np.float64)
    half = len(INNER_MOUTH) // 2
    for a, b in zip(INNER_MOUTH[1:half], INNER_MOUTH[:half:-1], strict=True):
        middle = (face[a, 1] + face[b, 1]) / 2
        face[[a, b], 1] = middle + wide * (face[[a, b], 1] - middle)
    return np.ascontiguousarray(placed(face, turn(), 110.0, 165, 50)[:, :2])


def gradient() -> Bytes:
    """A picture that tells by its colours where a pixel was: blue is x / 2, green y / 2, red 77."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    return np.dstack([x / 2, y / 2, np.full(SIZE, 77)]).astype(np.uint8)


def noise() -> Bytes:
    return np.random.default_rng(1).integers(0, 256, (*SIZE, 3)).astype(np.uint8)


def carried(
    image: Bytes, points: Floats, drawn: Floats, triangles: NDArray[np.int32] = MOUTH, under: int = 0, size: tuple[int, int] = SIZE
) -> tuple[Bytes, Bytes]:
    """Picture and mask, both of one colour before (`under` > 0: skin everywhere)."""
    picture, mask = np.full((*size, 3), under, np.uint8), np.full(size, 255 if under else 0, np.uint8)
    carry(image, points, drawn, triangles, picture, mask)
    return picture, mask


def hole(drawn: Floats, rings: list[NDArray[np.int32]], grow: int) -> NDArray[np.bool_]:
    """The inside of the rings, so many pixels larger or smaller."""
    inside = np.zeros(SIZE, np.uint8)
    for ring in rings:
        cv2.fillPoly(inside, [np.rint(drawn[ring] * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    kernel = np.ones((2 * abs(grow) + 1,) * 2, np.uint8)
    return np.asarray((cv2.dilate if grow > 0 else cv2.erode)(inside, kernel) > 0)


@pytest.mark.parametrize("name", HOLES)
def test_an_unmoved_hole_shows_exactly_the_frame(name: str) -> None:
    triangles, rings = HOLES[name]
    image, points = noise(), speaking()
    picture, mask = carried(image, points, points.copy(), triangles)
    assert (mask > 0).sum() > 300
    np.testing.assert_array_equal(picture[mask > 0], image[mask > 0])
    assert set(np.unique(mask)) == {0, 255}
    assert (mask[hole(points, rings, -1)] == 255).all()


@pytest.mark.parametrize("name", HOLES)
def test_nothing_is_drawn_beside_the_triangles(name: str) -> None:
    triangles, rings = HOLES[name]
    for under in (0, 120):
        picture, mask = carried(noise(), speaking(), speaking(), triangles, under)
        beside = ~hole(speaking(), rings, 1)
        np.testing.assert_array_equal(picture[beside], under)
        np.testing.assert_array_equal(mask[beside], 255 if under else 0)
        # Black where nothing was drawn, right up to the rim.
        np.testing.assert_array_equal(picture[mask == 0], 0)


@settings(max_examples=40, deadline=None)
@given(
    a=st.floats(0.7, 1.3), b=st.floats(-0.2, 0.2), c=st.floats(-0.2, 0.2), d=st.floats(0.7, 1.3), x=st.floats(-30, 30), y=st.floats(-20, 20)
)
def test_a_moved_rim_takes_the_picture_along(a: float, b: float, c: float, d: float, x: float, y: float) -> None:
    """An affine move of the rim is an affine move of all within: every pixel tells where it came from."""
    points = speaking()
    matrix, centre = np.array([[a, b], [c, d]]), points[INNER_MOUTH].mean(axis=0)
    drawn = ((points - centre) @ matrix.T + centre + [x, y]).astype(np.float32)
    picture, mask = carried(gradient(), points, drawn)
    inside = hole(drawn, [INNER_MOUTH], -1)
    assert inside.sum() > 100
    assert (mask[inside] == 255).all()
    rows, columns = np.nonzero(inside)
    came = (np.stack([columns, rows], axis=1) - centre - [x, y]) @ np.linalg.inv(matrix).T + centre
    np.testing.assert_allclose(picture[inside][:, :2], came / 2, atol=1.5)
    assert (picture[inside][:, 2] == 77).all()


def test_only_the_corners_moving_apart_stretches_what_is_between() -> None:
    """Each pair of rim points keeps what lay between them, whatever the others do."""
    points = speaking()
    drawn = points.copy()
    centre = points[INNER_MOUTH].mean(axis=0)
    drawn[:, 0] += 0.3 * (points[:, 0] - centre[0]) * np.abs(points[:, 0] - centre[0]) / 40
    picture, _ = carried(gradient(), points, drawn)
    for upper, lower in ((81, 178), (13, 14), (311, 402)):
        x, y = np.rint((drawn[upper] + drawn[lower]) / 2).astype(int)
        np.testing.assert_allclose(picture[y, x, :2], (points[upper] + points[lower]) / 4, atol=2)


@pytest.mark.parametrize("flat", [0.0, 1e-7])
def test_a_closed_mouth_draws_nothing(flat: float) -> None:
    points = speaking()
    drawn = points.copy()
    drawn[INNER_MOUTH, 1] = 170 + flat * drawn[INNER_MOUTH, 1]
    for under in (0, 120):
        picture, mask = carried(noise(), points, drawn, under=under)
        assert (picture == under).all()
        assert (mask == (255 if under else 0)).all()
    drawn[INNER_MOUTH] = 170
    assert not carried(noise(), points, drawn)[1].any()


def test_over_skin_the_rim_is_soft() -> None:
    image, points = np.full((*SIZE, 3), 220, np.uint8), speaking()
    picture, mask = carried(image, points, points, under=20)
    values = picture[..., 0]
    assert (values[hole(points, [INNER_MOUTH], -2)] == 220).all()
    assert ((values > 60) & (values < 200)).sum() > 40
    assert (mask == 255).all()


@pytest.mark.parametrize("away", [(1000, 0), (-1000, 0), (0, 1000), (0, -1000), (1e6, 1e6)])
def test_outside_the_patch_nothing_happens(away: tuple[float, float]) -> None:
    points = speaking()
    picture, mask = carried(noise(), points, (points + np.array(away)).astype(np.float32))
    assert not picture.any()
    assert not mask.any()


@pytest.mark.parametrize("move", [(-165, 0), (140, 0), (0, -170), (0, 130), (-160, -170)])
def test_half_outside_the_patch_the_rest_is_right(move: tuple[float, float]) -> None:
    image, points = noise(), speaking()
    picture, mask = carried(image, points, (points + np.array(move)).astype(np.float32))
    shifted = cv2.warpAffine(image, np.array([[1.0, 0, move[0]], [0, 1, move[1]]]), SIZE[::-1])
    np.testing.assert_array_equal(picture[mask > 0], shifted[mask > 0])
    assert 0 < (mask > 0).sum() < (carried(image, points, points)[1] > 0).sum()


def test_a_mouth_at_the_frames_edge_repeats_the_edge() -> None:
    image, points = np.full((*SIZE, 3), 50, np.uint8), speaking()
    picture, mask = carried(image, (points - np.array([points[INNER_MOUTH, 0].mean(), 0])).astype(np.float32), points)
    assert (mask > 0).any()
    assert (picture[mask > 0] == 50).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 340), (2, 2), (205, 3)])
def test_tiny_patches_are_survived(size: tuple[int, int]) -> None:
    _, mask = carried(noise(), speaking(), speaking(), HOLES["all"][0], size=size)
    assert mask.shape == size


@pytest.mark.parametrize("name", ["mouth", "lids"])
def test_the_triangles_cover_each_hole_once_from_either_side(name: str) -> None:
    triangles, rings = HOLES[name]
    points = MEAN[:, :2].astype(np.float64)
    a, b, c = (points[triangles[:, i]] for i in range(3))
    area = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    expected = sum(abs(cv2.contourArea(points[ring].astype(np.float32))) for ring in rings)
    assert area[area > 0].sum() == pytest.approx(expected, rel=1e-3)
    assert area[area < 0].sum() == pytest.approx(-expected, rel=1e-3)
    assert set(triangles.ravel()) == {int(vertex) for ring in rings for vertex in ring}
