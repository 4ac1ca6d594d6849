from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from faces import find
from numpy.typing import NDArray

from models.detector import Detector
from models.landmarks import Landmarker
from models.mesh.expression import BASIS, NEUTRAL, relaxed, rested, smile
from models.mesh.expressions import basis, mirrored, resting
from models.mesh.pose import fit
from models.mesh.topology import MEAN, VERTICES

Floats = NDArray[np.float32]


def apart(first: Floats, second: Floats) -> float:
    return float(np.linalg.norm(first - second, axis=1).mean())


def test_a_face_at_rest_stays_as_it_is() -> None:
    np.testing.assert_allclose(relaxed(NEUTRAL), NEUTRAL, atol=1e-6)
    assert smile(NEUTRAL) == 0


def test_the_mean_of_smiling_portraits_smiles_no_longer() -> None:
    """All portraits that the mean face was measured on are official ones."""
    assert smile(MEAN[:VERTICES]) > 0.6
    rest = relaxed(MEAN[:VERTICES])
    assert smile(rest) < 0.5 * smile(MEAN[:VERTICES])
    assert abs(rest[13, 1] - rest[14, 1]) < 0.25 * abs(MEAN[13, 1] - MEAN[14, 1])


def test_a_known_expression_is_taken_from_a_face_and_its_bones_are_left() -> None:
    random = np.random.default_rng(4)
    usual = [0.62, 0.53, 0.28, 0.2, 0.16, 0.11]
    # Bones: wider, longer, another nose; no expression looks like that.
    bones = NEUTRAL * np.array([1.06, 0.96, 1.05], np.float32)
    rest = relaxed(bones)
    assert apart(rest, bones) < 0.6 * apart(bones, NEUTRAL)
    for _ in range(4):
        moved = bones + np.tensordot((random.normal(0, 1, len(BASIS)) * usual).astype(np.float32), BASIS, axes=1)
        assert apart(relaxed(moved), rest) < 0.65 * apart(moved, bones)


def test_what_varies_in_people_and_what_in_each_of_them_is_told_apart() -> None:
    random = np.random.default_rng(1)
    mouth = np.zeros((VERTICES, 3))
    mouth[[13, 14], 1] = -1, 1
    nose = np.zeros((VERTICES, 3))
    nose[4, 2] = 1.0
    people = []
    for _ in range(24):
        face = MEAN[:VERTICES] + random.normal(0, 0.05) * nose + random.normal(0, 0.002) * mouth
        people.append(face + np.abs(random.normal(0, 0.05, (40, 1, 1))) * mouth + random.normal(0, 0.0005, (40, 1, 1)) * nose)
    neutral, components, share = basis(people)
    for what, part in ((mouth, 1.0), (nose, 0.0)):
        seen = components.reshape(len(components), -1) @ (0.05 * what).reshape(-1)
        taken = np.tensordot(share @ seen, components, axes=1)
        assert abs(float((taken * what).sum() / (0.05 * what**2).sum()) - part) < 0.15
    assert neutral.shape == (VERTICES, 3)


def test_mirrored_twice_is_the_same() -> None:
    faces = np.random.default_rng(0).normal(0, 1, (3, VERTICES, 3))
    np.testing.assert_array_equal(mirrored(mirrored(faces)), faces)


def test_resting_is_what_a_person_comes_back_to() -> None:
    faces = np.repeat(MEAN[None, :VERTICES].astype(np.float64), 30, axis=0)
    faces[:12, 14, 1] += 0.4
    np.testing.assert_allclose(resting(faces), MEAN[:VERTICES], atol=1e-6)


def test_one_person_smiling_and_calm_is_nearly_one_shape(shared: Path, detector: Detector, landmarker: Landmarker) -> None:
    """obama-480p laughs, obama1 is earnest."""
    shapes = []
    for name in ("obama1", "obama-480p"):
        image = np.asarray(cv2.imread(str(shared / f"photos/hard/{name}.jpg")), np.uint8)
        landmarks = find(image, detector, landmarker)
        shapes.append(fit(landmarks).remove(landmarks[:VERTICES]))
    earnest, laughing = shapes
    assert smile(laughing) > smile(earnest) + 0.3
    assert apart(relaxed(earnest), relaxed(laughing)) < 0.65 * apart(earnest, laughing)


def test_a_face_that_rests_keeps_its_bones_and_a_smile_goes() -> None:
    """Larger bones at rest stay as they are; with a smile or open lips added, what is taken away is what `relaxed` says."""
    bones = (NEUTRAL * [1.02, 0.98, 1.03]).astype(np.float32)
    assert smile(bones) < 0.3
    np.testing.assert_allclose(rested(bones), bones, atol=2e-3)
    moves = [np.float32(sign * size) * part for part in BASIS for sign in (1, -1) for size in (1.5, 3.0)]
    broad = max((bones + move for move in moves), key=smile)
    assert smile(broad) > 0.6
    np.testing.assert_allclose(rested(broad), relaxed(broad), atol=1e-5)
