import numpy as np
import pytest

from models.mesh import relight
from models.mesh.topology import MEAN, PLAIN_SKIN, normals

BASIS = relight.harmonics(normals(MEAN))[PLAIN_SKIN]
SKIN = np.array([90, 110, 150], np.float32)
EVEN = np.ones(len(PLAIN_SKIN), np.float32)


def lamp(strength: float) -> np.ndarray:
    """A bluish light from the side."""
    light = np.zeros((9, 3), np.float32)
    light[0], light[1], light[3] = 1.1, strength, -0.2
    return light * np.array([1.2, 0.9, 0.7], np.float32)


def test_a_known_light_is_found_again() -> None:
    colours = SKIN * (BASIS @ lamp(0.3))
    found = relight.fit(colours, SKIN, BASIS, EVEN)
    np.testing.assert_allclose(BASIS @ found, BASIS @ lamp(0.3), atol=0.06)


def test_a_hand_over_a_quarter_of_the_face_hardly_moves_the_light() -> None:
    colours = SKIN * (BASIS @ lamp(0.2))
    hidden = MEAN[PLAIN_SKIN, 0] < np.quantile(MEAN[PLAIN_SKIN, 0], 0.25)
    spoilt = np.where(hidden[:, None], 15.0, colours).astype(np.float32)
    clean = BASIS @ relight.fit(colours, SKIN, BASIS, EVEN)
    found = BASIS @ relight.fit(spoilt, SKIN, BASIS, EVEN)
    assert np.abs(found - clean)[~hidden].mean() < 0.05


def test_without_skin_in_sight_the_light_is_neutral() -> None:
    light = relight.fit(np.broadcast_to(SKIN, (len(EVEN), 3)), SKIN, BASIS, np.zeros_like(EVEN))
    np.testing.assert_allclose(relight.gain(light, BASIS), 1)


def test_gain_stays_within_what_a_camera_could_see() -> None:
    light = np.zeros((9, 3), np.float32)
    light[0] = [-5, 1, 50]
    gain = relight.gain(light, BASIS)
    assert gain.min() == pytest.approx(relight.GAIN_LOW)
    assert gain.max() == pytest.approx(relight.GAIN_HIGH)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (40, 30)])
def test_sampling_outside_any_picture_takes_its_border(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 60, np.uint8)
    points = np.array([[-100, -100], [1e6, 1e6], [0, 0]], np.float32)
    np.testing.assert_array_equal(relight.sample(image, points, 2), 60)
