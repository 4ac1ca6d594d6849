"""Another landmark model moves the crop to where it constantly sees a face, and never makes it tremble."""

from __future__ import annotations

import numpy as np
import pytest
from meshes import head, placed, turn
from numpy.typing import NDArray

from models import align
from models.neural.bias import Bias

BIAS = np.array([[3, -2], [-2, -1], [0, 4], [1, 2], [-1, 3]], np.float64)
EYES = 80.0


def seen(time: float = 0.0, roll: float = 0.0, size: float = EYES) -> NDArray[np.float32]:
    return placed(head(), turn(0, 0, roll), size, 300 + 60 * np.sin(time), 240)


def run(measure, count: int, landmarks=lambda time: seen(), aside: float = 0.0) -> list[NDArray[np.float64]]:
    """The five points of each frame, less those of the mesh."""
    bias, found = Bias(), []
    for index in range(count):
        points = landmarks(index / 30)
        found.append(bias(lambda points=points: measure(points), points, aside, index / 30) - align.five(points))
    return found


def test_without_a_model_the_points_are_the_meshs() -> None:
    points = seen()
    np.testing.assert_array_equal(Bias()(None, points, 0.0, 0.0), align.five(points))


def test_a_constant_bias_enters_at_once_and_stays() -> None:
    for off in run(lambda points: align.five(points) + BIAS, 60):
        np.testing.assert_allclose(off, BIAS, atol=1e-6)


def test_it_moves_turns_and_grows_with_the_face() -> None:
    bias = Bias()
    bias(lambda: align.five(seen()) + BIAS, seen(), 0.0, 0.0)
    rolled, large = seen(roll=30), seen(size=2 * EYES)
    turned = bias(lambda: None, rolled, 0.0, 0.01) - align.five(rolled)
    angle = np.radians(30)
    np.testing.assert_allclose(turned, BIAS @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]), atol=0.05)
    np.testing.assert_allclose(bias(lambda: None, large, 0.0, 0.02) - align.five(large), 2 * BIAS, atol=0.05)


def test_the_models_noise_does_not_reach_the_points() -> None:
    """It trembles by 2 px; what is shown moves by a thirtieth of that a frame, and ends near the truth."""
    random = np.random.default_rng(0)
    found = np.array(run(lambda points: align.five(points) + BIAS + random.normal(0, 2, (5, 2)), 240))
    steps = np.diff(found[15:], axis=0)
    assert np.sqrt((steps**2).mean()) < 0.07
    assert np.abs(steps).max() < 0.3
    np.testing.assert_allclose(found[-1], BIAS, atol=1.6)


def test_it_is_asked_seldom_and_only_from_the_front() -> None:
    calls: list[int] = []
    run(lambda points: (calls.append(1), align.five(points))[1], 300)
    assert len(calls) < 20
    calls.clear()
    run(lambda points: (calls.append(1), align.five(points))[1], 60, aside=50.0)
    assert not calls


@pytest.mark.parametrize("wrong", [lambda points: None, lambda points: align.five(points) * np.nan, lambda points: align.five(points) + 60])
def test_what_is_no_measurement_is_left_out(wrong) -> None:
    for off in run(wrong, 30):
        np.testing.assert_allclose(off, 0, atol=1e-9)


def test_landmarks_in_one_place_are_refused() -> None:
    with pytest.raises(ValueError, match="expected a finite face"):
        Bias()(lambda: None, np.ones((478, 3), np.float32), 0.0, 0.0)
