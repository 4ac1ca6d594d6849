import numpy as np

from models.mesh import topology
from models.mesh.topology import INNER_MOUTH, LEFT_EYE, MEAN, MIRROR, OVAL, RIGHT_EYE, TRIANGLES, UV, VERTICES, normals


def test_mesh_is_one_sheet_with_holes_for_eyes_and_mouth() -> None:
    edges: dict[frozenset[int], int] = {}
    for a, b, c in TRIANGLES:
        for edge in ((a, b), (b, c), (c, a)):
            edges[frozenset(map(int, edge))] = edges.get(frozenset(map(int, edge)), 0) + 1
    assert set(edges.values()) == {1, 2}
    rims = {vertex for edge, count in edges.items() if count == 1 for vertex in edge}
    assert rims == {*OVAL, *LEFT_EYE, *RIGHT_EYE, *INNER_MOUTH}
    assert len(np.unique(TRIANGLES)) == VERTICES


def test_texture_coordinates_fold_nowhere() -> None:
    a, b, c = (UV[TRIANGLES[:, i]] for i in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    assert (area > 0).all()
    assert UV.min() >= 0
    assert UV.max() <= 1


def test_mean_face_and_texture_are_symmetric() -> None:
    assert (MIRROR[MIRROR] == np.arange(VERTICES)).all()
    np.testing.assert_allclose(MEAN[MIRROR] * [-1, 1, 1], MEAN[:VERTICES], atol=1e-5)
    np.testing.assert_allclose(1 - UV[MIRROR, 0], UV[:, 0], atol=1e-4)


def test_normals_point_at_the_camera_on_the_nose_and_aside_on_the_cheeks() -> None:
    directions = normals(MEAN)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, atol=1e-5)
    assert directions[4, 2] < -0.9
    assert directions[234, 0] < -0.9
    assert directions[454, 0] > 0.9


def test_plain_skin_avoids_brows_lids_and_lips() -> None:
    assert not {*topology.BROWS, *LEFT_EYE, *RIGHT_EYE, *topology.OUTER_LIPS, *INNER_MOUTH, *OVAL} & {*topology.PLAIN_SKIN}
    assert len(topology.PLAIN_SKIN) > 100
