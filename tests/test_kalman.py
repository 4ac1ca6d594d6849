"""The vectorised Kalman filter against filterpy, and the landmark filters on motion whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter
from numpy.typing import NDArray

from benchmarks.tracking import error, lag
from realtime.stages.kalman import BoxFilter, Kalman
from realtime.stages.one_euro import OneEuro
from realtime.stages.steady import Steady, Unfiltered

Array = NDArray[np.float64]
_RATE = 30.0


def _reference(position: float, variance: float, speed: float) -> KalmanFilter:
    filter = KalmanFilter(dim_x=2, dim_z=1)
    filter.x = np.array([[position], [0.0]])
    filter.P = np.diag([variance, speed])
    filter.H = np.array([[1.0, 0.0]])
    return filter


def _reference_step(filter: KalmanFilter, seconds: float, process: float, measured: float | None, variance: float) -> None:
    filter.F = np.array([[1.0, seconds], [0.0, 1.0]])
    filter.Q = process * np.array([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]])
    filter.predict()
    if measured is not None:
        filter.R = np.array([[variance]])
        filter.update(np.array([[measured]]))


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_equal_to_filterpy(seed: int, each: bool) -> None:
    """Random time steps, missing measurements and changing noise; gains for all points together or for each."""
    draw = np.random.default_rng(seed)
    points, process = 12, 40.0
    start = draw.normal(300, 100, (points, 3))
    variance = draw.uniform(0.1, 4, points) if each else np.full(points, 1.7)
    ours = Kalman(start, variance if each else 1.7, 900.0, process)
    theirs = [[_reference(start[i, k], variance[i], 900.0) for k in range(3)] for i in range(points)]
    for _ in range(200):
        seconds = float(draw.choice([0.0, 1 / 30, 1 / 15, draw.uniform(0.001, 0.5)]))
        missing = draw.random() < 0.2
        measured = start + draw.normal(0, 20, start.shape)
        noise = draw.uniform(0.05, 9, points) if each else np.full(points, draw.uniform(0.05, 9))
        ours.predict(seconds)
        if not missing:
            ours.update(measured, noise if each else float(noise[0]))
        for i in range(points):
            for k in range(3):
                _reference_step(theirs[i][k], seconds, process, None if missing else measured[i, k], noise[i])
        states = np.array([[theirs[i][k].x[:, 0] for k in range(3)] for i in range(points)])
        covariances = np.array([theirs[i][0].P for i in range(points)])
        assert np.abs(ours.position - states[..., 0]).max() < 1e-9
        assert np.abs(ours.velocity - states[..., 1]).max() < 1e-9
        ones = np.ones(points)
        assert np.abs(ours.place * ones - covariances[:, 0, 0]).max() < 1e-9
        assert np.abs(ours.cross * ones - covariances[:, 0, 1]).max() < 1e-9
        assert np.abs(ours.pace * ones - covariances[:, 1, 1]).max() < 1e-9


def test_covariance_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"variance: got shape \(3,\)"):
        Kalman(np.zeros((4, 3)), np.ones(3), 1.0, 1.0)


def test_widening_follows_a_jump_at_once_and_leaves_noise_alone() -> None:
    calm = Kalman(np.zeros((5, 2)), 0.01, 0.0, 1e-4)
    for _ in range(50):
        calm.predict(1 / _RATE)
        calm.update(np.zeros((5, 2)), 1.0)
    before = calm.place.copy()
    calm.widen(np.array([1.5]), 1.0, 6.0)
    assert calm.place == before
    calm.widen(np.array([400.0]), 1.0, 6.0)
    calm.update(np.full((5, 2), 20.0), 1.0)
    assert np.all(calm.position > 19.9)


def test_box_filter_carries_on_and_grows_unsure() -> None:
    box = np.array([100.0, 100.0, 180.0, 200.0])
    filter = BoxFilter(box)
    for step in range(1, 31):
        filter.predict(1 / _RATE)
        filter.update(np.add(box, [3 * step, 0, 3 * step, 0]))
    assert np.abs(filter.box - np.add(box, [90, 0, 90, 0])).max() < 1
    sure = filter.doubt
    for _ in range(5):
        filter.predict(1 / _RATE)
    assert np.abs(filter.box - np.add(box, [105, 0, 105, 0])).max() < 3
    assert filter.doubt > 2 * sure
    for _ in range(300):
        filter.predict(1 / _RATE, 0.87)
    assert filter.box[0] < 300, "a fading velocity ends somewhere"


def _face(draw: np.random.Generator) -> Array:
    """478 points about like a face 200 px wide at (600, 300)."""
    return draw.uniform(-1, 1, (478, 3)) * [100, 120, 50] + [600, 300, 0]


def _filtered(kind: type, measured: Array, smoothing: float = 1.0, seconds: float = 1 / _RATE) -> Array:
    filter = kind(measured[0].astype(np.float32), smoothing)
    result = [measured[0]]
    for landmarks in measured[1:]:
        filter.predict(seconds)
        result.append(filter.update(landmarks.astype(np.float32)))
    return np.array(result, np.float64)


@pytest.mark.parametrize(("kind", "most"), [(Steady, 0.4), (OneEuro, 0.4), (Unfiltered, 1.0)])
@pytest.mark.parametrize("noise", [0.1, 0.25, 0.5])
def test_a_still_face_is_held_still(kind: type, most: float, noise: float) -> None:
    draw = np.random.default_rng(1)
    truth = np.broadcast_to(_face(draw), (150, 478, 3))
    measured = truth + draw.normal(0, noise, truth.shape)
    calm = error(_filtered(kind, measured)[30:, :, :2], truth[30:, :, :2])
    assert calm <= most * error(measured[30:, :, :2], truth[30:, :, :2]) + 1e-4


@pytest.mark.parametrize("size", [0.2, 1.0, 4.0])
def test_a_moving_face_has_no_lag(size: float) -> None:
    """Swaying, turning and coming nearer, for faces 40 to 800 px wide."""
    draw = np.random.default_rng(2)
    face = _face(draw) - [600, 300, 0]
    moments = np.arange(180) / _RATE
    angle, scale = 0.2 * np.sin(3 * moments), 1 + 0.1 * np.sin(2 * moments)
    turned = scale[:, None] * np.exp(1j * angle)[:, None] * (face[:, 0] + 1j * face[:, 1])
    turned = turned + (90 * np.sin(4 * moments) + 1j * 40 * np.cos(3 * moments))[:, None]
    truth = size * np.stack([turned.real, turned.imag, np.broadcast_to(face[:, 2], turned.shape)], axis=2)
    measured = truth + draw.normal(0, 0.2 * size, truth.shape)
    found = _filtered(Steady, measured)
    assert abs(lag(found[..., :2], truth[..., :2])) < 0.1
    assert error(found[10:, :, :2], truth[10:, :, :2]) < 2 * 0.28 * size
    assert lag(_filtered(OneEuro, measured)[..., :2], truth[..., :2]) < 0.8


def test_a_blink_is_followed_while_the_head_stays_smooth() -> None:
    draw = np.random.default_rng(3)
    truth = np.repeat(_face(draw)[None], 120, axis=0)
    lid = np.argsort(np.hypot(truth[0, :, 0] - 560, truth[0, :, 1] - 260))[:30]
    rest = np.hypot(truth[0, :, 0] - 560, truth[0, :, 1] - 260) > 80
    for start in (50, 80):
        truth[start : start + 6, lid, 1] += np.array([2, 5, 8, 8, 5, 2])[:, None]
    measured = truth + draw.normal(0, 0.2, truth.shape)
    found = _filtered(Steady, measured)
    closed = [52, 53, 82, 83]
    assert np.abs((found - truth)[closed][:, lid, 1].mean(axis=1)).max() < 1.0
    assert error(found[40:, rest, :2], truth[40:, rest, :2]) < 0.6 * error(measured[40:, rest, :2], truth[40:, rest, :2])


@pytest.mark.parametrize("kind", [Steady, OneEuro, Unfiltered])
def test_no_smoothing_passes_everything(kind: type) -> None:
    draw = np.random.default_rng(4)
    measured = np.stack([_face(draw)] * 40) + draw.normal(0, 2, (40, 478, 3))
    assert np.abs(_filtered(kind, measured, smoothing=0.0) - measured).max() < 0.05


@pytest.mark.parametrize("kind", [Steady, OneEuro, Unfiltered])
@pytest.mark.parametrize("seconds", [0.0, 1e-9, 0.5])
def test_strange_time_steps_and_a_point_face_stay_finite(kind: type, seconds: float) -> None:
    draw = np.random.default_rng(5)
    for measured in (np.stack([_face(draw)] * 20) + draw.normal(0, 1, (20, 478, 3)), np.zeros((20, 478, 3))):
        assert np.isfinite(_filtered(kind, measured, seconds=seconds)).all()


@pytest.mark.parametrize("shift", [-0.5, 0.0, 0.3, 1.0, 2.4])
def test_lag_and_error_measure_what_they_say(shift: float) -> None:
    moments = np.arange(200)[:, None, None]
    phases = np.random.default_rng(6).uniform(0, 6, (1, 10, 2))
    truth = 50 * np.sin(moments / 9 + phases)
    late = 50 * np.sin((moments - shift) / 9 + phases) + 7.0
    assert lag(late, truth) == pytest.approx(shift, abs=0.03)
    assert error(truth + 5.0, truth) == pytest.approx(0.0, abs=1e-9)
    assert error(truth + np.where(moments % 2, 1.0, -1.0), truth) == pytest.approx(2**0.5)


def test_a_face_that_turns_and_talks_for_minutes_keeps_head_and_shape_apart() -> None:
    """Size used to flow from the head to the shape until one overflowed, after half a minute of a moving face."""
    random = np.random.default_rng(4)
    face = random.normal(0, 60, (478, 3))
    filtered = Steady(face.astype(np.float32))
    for index in range(1, 6000):
        time = index / 30
        wide = 1 + 0.25 * np.sin(1.3 * time)
        mouth = np.where(face[:, 1:2] > 40, 12 * np.abs(np.sin(4 * time)), 0) * [[0, 1, 0]]
        truth = face * [wide, 1, 1] * (1 + 0.2 * np.sin(0.7 * time)) + mouth + [640 + 200 * np.sin(time), 360, 0]
        filtered.predict(1 / 30)
        shown = filtered.update((truth + random.normal(0, 0.2, truth.shape)).astype(np.float32))
        assert np.abs(shown - truth).mean() < 3
    assert 0.2 < filtered._head.position[0, 2] < 5
