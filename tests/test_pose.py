import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from models.mesh.pose import Pose, fit
from models.mesh.topology import MEAN

angles = st.floats(-50, 50)


@settings(max_examples=60, deadline=None)
@given(yaw=angles, pitch=angles, roll=angles, scale=st.floats(20, 400), x=st.floats(-500, 2000), y=st.floats(-500, 2000))
def test_fit_finds_a_known_placement(yaw: float, pitch: float, roll: float, scale: float, x: float, y: float) -> None:
    rotation = Rotation.from_euler("zxy", [roll, pitch, yaw], degrees=True).as_matrix()
    placed = scale * MEAN @ rotation.T + [x, y, 0]
    pose = fit(placed)
    np.testing.assert_allclose(pose.rotation, rotation, atol=1e-5)
    assert pose.scale == pytest.approx(scale, rel=1e-5)
    np.testing.assert_allclose(pose.place(MEAN), placed, atol=0.01)
    np.testing.assert_allclose(pose.remove(placed), MEAN, atol=1e-4)


@pytest.mark.parametrize(("axis", "name"), [("y", "yaw"), ("x", "pitch"), ("z", "roll")])
def test_each_angle_is_its_own(axis: str, name: str) -> None:
    pose = fit(100 * MEAN @ Rotation.from_euler(axis, 20, degrees=True).as_matrix().T)
    got = {"yaw": pose.yaw, "pitch": pose.pitch, "roll": pose.roll}
    assert abs(got.pop(name)) == pytest.approx(20, abs=0.1)
    assert max(map(abs, got.values())) < 0.1


def test_angles_have_the_promised_signs() -> None:
    nose = MEAN[4] - MEAN[[234, 454]].mean(axis=0)
    for yaw in (-25, 25):
        rotation = Rotation.from_euler("y", yaw, degrees=True).as_matrix()
        assert np.sign(fit(100 * MEAN @ rotation.T).yaw) == np.sign((rotation @ nose)[0])
    for pitch in (-25, 25):
        rotation = Rotation.from_euler("x", pitch, degrees=True).as_matrix()
        assert np.sign(fit(100 * MEAN @ rotation.T).pitch) == np.sign((rotation @ nose)[1] - nose[1])
    assert fit(100 * MEAN @ Rotation.from_euler("z", 25, degrees=True).as_matrix().T).roll > 0


@pytest.mark.parametrize("bad", [np.full((478, 3), np.nan), np.zeros((478, 3)), np.full((478, 3), np.inf)])
def test_unusable_landmarks_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected a finite face"):
        fit(bad)


@pytest.mark.parametrize(
    ("yaw", "pitch", "expected"), [(0, 0, 0), (40, 0, 40), (-40, 0, 40), (0, 25, 25), (30, 30, np.degrees(np.arccos(0.75)))]
)
def test_aside_is_the_angle_to_the_camera(yaw: float, pitch: float, expected: float) -> None:
    rotation = Rotation.from_euler("yx", [yaw, pitch], degrees=True).as_matrix()
    assert fit(Pose(100.0, rotation, np.zeros(3)).place(MEAN)).aside == pytest.approx(expected, abs=0.01)
