"""Measuring the mean face anew: python -m models.mesh.mean_face FOLDER_OF_PORTRAITS OUT.npz."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Reals = NDArray[np.float64]
Indices = NDArray[np.int32]

_EYES = [33, 133, 263, 362]
# Two holes of the edge list that look like triangles, about the nostrils; the real surface has a vertex inside each.
_FALSE = {(49, 64, 129), (279, 294, 358)}


def triangles(edges: Iterable[tuple[int, int]], mean: Reals) -> Indices:
    """The triangles (m, 3) of a mesh given by its edges, each clockwise as the camera sees the mean face."""
    neighbours: dict[int, set[int]] = {}
    for a, b in edges:
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
    found = {
        tuple(sorted((a, b, c))) for a, near in neighbours.items() for b, c in combinations(near, 2) if c in neighbours[b]
    } - _FALSE
    return _one_sided(sorted(found), mean)


def _one_sided(corners: Sequence[tuple[int, ...]], mean: Reals) -> Indices:
    """The triangles turned alike: the one foremost in the picture clockwise, its neighbours so that shared edges run opposite."""
    sharing: dict[frozenset[int], list[int]] = {}
    for i, corner in enumerate(corners):
        for edge in combinations(corner, 2):
            sharing.setdefault(frozenset(edge), []).append(i)
    first = min(range(len(corners)), key=lambda i: float(mean[list(corners[i]), 2].sum()))
    a, b, c = mean[list(corners[first]), :2]
    clockwise = (b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0] > 0
    turned = {first: corners[first] if clockwise else corners[first][::-1]}
    waiting = [first]
    while waiting:
        known = turned[waiting.pop()]
        for start, end in zip(known, (*known[1:], known[0]), strict=True):
            for i in sharing[frozenset((start, end))]:
                if i not in turned:
                    (other,) = set(corners[i]) - {start, end}
                    turned[i] = (end, start, other)
                    waiting.append(i)
    return np.array([turned[i] for i in range(len(corners))], np.int32)


def similar(points: Reals, like: Reals) -> Reals:
    """Points (n, 3) moved, turned and scaled as near as possible to other points (n, 3) (Umeyama 1991)."""
    centre, goal = points.mean(axis=0), like.mean(axis=0)
    spread = points - centre
    left, singular, right = np.linalg.svd(spread.T @ (like - goal))
    flip = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    scale = (singular * flip).sum() / (spread**2).sum()
    return np.asarray(spread @ (left * flip) @ right * scale + goal)


def average(faces: Sequence[Reals]) -> Reals:
    """The median shape of many faces, each (n, 3), after fitting them to one another."""
    mean = faces[0] - faces[0].mean(axis=0)
    for _ in range(8):
        mean = np.median([similar(face, mean) for face in faces], axis=0)
        mean = (mean - mean.mean(axis=0)) / np.linalg.norm(mean)
    return np.asarray(mean)


def mirrored(mean: Reals) -> Indices:
    """For each vertex the one on the other side of the face, by matching the face to its mirror image."""
    image = mean * [-1, 1, 1]
    partner = np.arange(len(mean))
    for _ in range(20):
        cost = ((image[:, None] - mean[None]) ** 2).sum(axis=2)
        partner = linear_sum_assignment(cost)[1]
        image = similar(image, mean[partner])
    return partner.astype(np.int32)


def upright(mean: Reals, partner: Indices) -> Reals:
    """The symmetric face in its own units: eyes one apart, origin between them, the plane of symmetry at x = 0."""
    for _ in range(100):
        mean = similar(mean, (mean + (mean * [-1, 1, 1])[partner]) / 2)
    mean = (mean + (mean * [-1, 1, 1])[partner]) / 2
    apart = np.linalg.norm(mean[_EYES[:2]].mean(axis=0) - mean[_EYES[2:]].mean(axis=0))
    return np.asarray((mean - mean[_EYES].mean(axis=0)) / apart)


def level(mean: Reals, faces: Sequence[Reals]) -> Reals:
    """The face nodded so that the measured people look neither up nor down on the whole."""
    nods = []
    for face in faces:
        turned = similar(mean, face)
        tip, base = turned[4] - turned[[234, 454]].mean(axis=0), mean[4] - mean[[234, 454]].mean(axis=0)
        nods.append(np.arctan2(tip[1], -tip[2]) - np.arctan2(base[1], -base[2]))
    angle = -float(np.median(nods))
    nod = np.array([[1, 0, 0], [0, np.cos(angle), np.sin(angle)], [0, -np.sin(angle), np.cos(angle)]])
    mean = mean @ nod.T
    return np.asarray(mean - mean[_EYES].mean(axis=0))


def measure(folder: Path, out: Path) -> int:
    """Write mean, triangles and mirror table of all portraits in a folder; returns how many faces were used.

    Raises ValueError when there are fewer than ten.
    """
    from mediapipe.python.solutions.face_mesh_connections import FACEMESH_TESSELATION

    from models.detector import Detector
    from models.landmarks import Landmarker, region_from_detection

    detector, landmarker, faces = Detector(), Landmarker(), []
    for path in sorted(folder.iterdir()):
        image = cv2.imread(str(path))
        found = detector(image) if image is not None else None
        if image is not None and found is not None and len(found.boxes) == 1:
            landmarks = landmarker(image, [region_from_detection(found.boxes[0], found.points[0])])[0]
            faces += [] if landmarks is None else [landmarks[:468].astype(np.float64)]
    detector.close()
    landmarker.close()
    if len(faces) < 10:
        raise ValueError(f"got {len(faces)} faces in {folder}, expected at least ten portraits")
    mean = average(faces)
    partner = mirrored(mean)
    mean = level(upright(mean, partner), faces)
    np.savez_compressed(out, mean=mean.astype(np.float32), triangles=triangles(FACEMESH_TESSELATION, mean), mirror=partner)
    return len(faces)


if __name__ == "__main__":
    import sys

    measure(Path(sys.argv[1]), Path(sys.argv[2]))
