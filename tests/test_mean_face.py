import numpy as np
from scipy.spatial.transform import Rotation

from models.mesh.mean_face import average, level, mirrored, similar, triangles, upright
from models.mesh.topology import MEAN, MIRROR, TRIANGLES


def people(count: int) -> list[np.ndarray]:
    """The mean face seen from many sides, each a little different."""
    random = np.random.default_rng(5)
    rotations = Rotation.from_euler("yxz", random.normal(0, 8, (count, 3)), degrees=True).as_matrix()
    return [random.uniform(50, 200) * (MEAN + random.normal(0, 0.01, MEAN.shape)) @ turn.T + 300 for turn in rotations]


def test_the_mean_of_many_views_is_the_face_itself() -> None:
    faces = people(40)
    mean = average(faces)
    partner = mirrored(mean)
    np.testing.assert_array_equal(partner, MIRROR)
    found = level(upright(mean, partner), faces)
    np.testing.assert_allclose(found, similar(found, MEAN.astype(float)), atol=0.05)
    np.testing.assert_allclose(found, MEAN, atol=0.12)


def test_triangles_come_back_from_their_edges() -> None:
    edges = {(int(t[i]), int(t[(i + 1) % 3])) for t in TRIANGLES for i in range(3)}
    found = triangles(edges, MEAN.astype(float))
    assert {tuple(sorted(map(int, t))) for t in found} == {tuple(sorted(map(int, t))) for t in TRIANGLES}
