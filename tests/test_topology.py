import numpy as np
from faces import find

from models.mesh import topology
from models.mesh.topology import EYES, INNER_MOUTH, IRISES, LEFT_EYE, MEAN, MIRROR, OVAL, RIGHT_EYE, TRIANGLES, UV, VERTICES, normals


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


def test_each_eye_runs_from_the_corner_on_the_left_along_the_lower_lid() -> None:
    edges = {frozenset(map(int, pair)) for triangle in TRIANGLES for pair in zip(triangle, np.roll(triangle, 1), strict=True)}
    for ring, whole in zip(EYES, (RIGHT_EYE, LEFT_EYE), strict=True):
        assert sorted(ring) == sorted(whole)
        assert all(frozenset((int(a), int(b))) in edges for a, b in zip(ring, np.roll(ring, -1), strict=True))
        x, y = MEAN[ring, 0], MEAN[ring, 1]
        assert (np.diff(x[:9]) > 0).all()
        assert (np.diff(np.append(x[8:], x[0])) < 0).all()
        assert (y[1:8] > y[:8:-1]).all()
    assert MEAN[EYES[0], 0].max() < 0 < MEAN[EYES[1], 0].min()
    # Mirrored, one eye is the other one: corners change places, lids stay lids.
    np.testing.assert_array_equal(MIRROR[EYES[0]], EYES[1][(8 - np.arange(16)) % 16])


def test_each_iris_lies_in_its_own_eye(collins, hopper, detector, landmarker) -> None:
    for image in (collins, hopper):
        landmarks = find(image, detector, landmarker)[:, :2]
        for eye, iris in zip(EYES, IRISES, strict=True):
            low, high = landmarks[eye].min(axis=0), landmarks[eye].max(axis=0)
            assert (landmarks[iris[0]] > low).all()
            assert (landmarks[iris[0]] < high).all()
            ring = landmarks[iris[1:]] - landmarks[iris[0]]
            # The ring goes round the centre in steps of a quarter turn, at one distance.
            np.testing.assert_allclose(np.linalg.norm(ring, axis=1) / np.linalg.norm(ring, axis=1).mean(), 1, atol=0.25)
            turns = np.diff(np.unwrap(np.arctan2(ring[:, 1], ring[:, 0])))
            np.testing.assert_allclose(np.abs(turns), np.pi / 2, atol=0.5)
            assert len(set(np.sign(turns))) == 1
            assert list(np.sort(iris)) == list(range(iris[0], iris[0] + 5))
