import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.mesh.rasterise import rasterise, relit


def draw(points: list[tuple[float, float]], depth: list[float], triangles: list[tuple[int, int, int]], values: np.ndarray, size: int = 32):
    first, second, nearest = (np.empty((size, size), np.float32) for _ in range(3))
    corners, order = np.array(points, np.float32), np.array(triangles, np.int32)
    rasterise(corners, np.array(depth, np.float32), order, values.astype(np.float32), first, second, nearest)
    return first, second, nearest


coordinates = st.floats(-10, 42)


@settings(max_examples=300, deadline=None)
@example([(18.566260953981875, 0.0), (0.0, 7.0), (0.0, 7.0)])
@given(st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=3))
def test_attributes_are_interpolated_where_the_pixel_centre_is_inside(points: list[tuple[float, float]]) -> None:
    corners = np.array(points, np.float32).astype(float)
    edge = corners[1:] - corners[0]
    area = edge[0, 0] * edge[1, 1] - edge[0, 1] * edge[1, 0]
    first, second, nearest = draw(points, [1, 1, 1], [(0, 1, 2)], corners)
    drawn = nearest < 1e30
    if area <= 0:
        assert not drawn.any()
        return
    # Attributes are the coordinates themselves, so a covered pixel must hold its own position.
    y, x = np.nonzero(drawn)
    np.testing.assert_allclose(first[drawn], x, atol=0.05)
    np.testing.assert_allclose(second[drawn], y, atol=0.05)
    grid = np.stack(np.meshgrid(np.arange(32), np.arange(32)), axis=2).astype(float)
    distance = np.full((32, 32), np.inf)
    for i in range(3):
        along = corners[(i + 1) % 3] - corners[i]
        away = grid - corners[i]
        distance = np.minimum(distance, (along[0] * away[..., 1] - along[1] * away[..., 0]) / max(np.hypot(*along), 1e-9))
    if area > 1:
        assert drawn[distance > 0.01].all()
    assert not drawn[distance < -0.01].any()


def test_the_nearer_triangle_hides_the_farther_one_in_any_order() -> None:
    points = [(0, 0), (31, 0), (0, 31)] * 2
    values = np.array([[1, 1]] * 3 + [[2, 2]] * 3)
    for triangles in ([(0, 1, 2), (3, 4, 5)], [(3, 4, 5), (0, 1, 2)]):
        first, _, nearest = draw(points, [5, 5, 5, 3, 3, 3], triangles, values)
        assert set(np.unique(first)) == {-1, 2}
        assert nearest[2, 2] == 3


def test_neighbours_leave_no_crack() -> None:
    points = [(0.3, 0.2), (30.7, 1.1), (29.9, 30.4), (1.2, 29.6), (14.7, 16.1)]
    first, _, _ = draw(points, [0] * 5, [(0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4)], np.ones((5, 2)))
    assert (first[3:28, 3:28] == 1).all()


def test_broken_coordinates_draw_nothing() -> None:
    first, _, _ = draw([(np.nan, 0), (31, 0), (0, 31)], [0] * 3, [(0, 1, 2)], np.ones((3, 2)))
    assert (first == -1).all()


def test_relit_gives_brightness_the_lights_hue_and_does_not_light_differences_of_hue_up() -> None:
    tone = np.array([100, 100, 100], np.float32)
    texture = np.array([[[120, 120, 120, 77], [90, 100, 110, 255], [255, 255, 255, 1]]], np.uint8)
    light = np.array([[[0.5, 1.0, 2.0, 0.5], [0.5, 1.0, 2.0, 0.5], [1.0, 3.0, 1.0, 0.1]]], np.float32)
    out = np.empty_like(texture)
    relit(texture, tone, light, out)
    np.testing.assert_array_equal(out, [[[110, 220, 55, 77], [95, 200, 53, 255], [255, 255, 26, 1]]])
