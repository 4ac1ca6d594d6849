"""Measuring how faces move anew: python -m models.mesh.expressions FOLDER_OF_CLIPS OUT.npz."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh.pose import fit
from models.mesh.topology import MIRROR, VERTICES

Reals = NDArray[np.float64]

_FRAMES, _EVERY = 70, 4
_SQUARELY = 20.0
_COMPONENTS = 6
# Photos show broader smiles than talking people, but more than this would take bones along.
_BROADER = 1.0


def resting(faces: Reals) -> Reals:
    """The face (468, 3) that a person (n, 468, 3) comes back to: the median of where the mouth is least open and wide."""
    wide = np.linalg.norm(faces[:, 61] - faces[:, 291], axis=1)
    least = np.argsort(faces[:, 14, 1] - faces[:, 13, 1] + 0.5 * wide)[: max(4, len(faces) // 3)]
    return np.asarray(np.median(faces[least], axis=0))


def basis(people: Sequence[Reals]) -> tuple[Reals, Reals, Reals]:
    """Neutral mean (468, 3), basis (k, 468, 3) of how they move, and share (k, k) of a difference that is expression.

    people: each (n, 468, 3), one person's faces without their pose; each is taken with its mirror image.
    """
    both = [faces for person in people for faces in (person, mirrored(person))]
    rests = np.stack([resting(faces) for faces in both])
    neutral = rests.mean(axis=0)
    # Everybody counts alike, however long they were filmed.
    moves = np.concatenate([(faces - rest) / np.sqrt(len(faces)) for faces, rest in zip(both, rests, strict=True)])
    flat = moves.reshape(len(moves), -1)
    components = np.linalg.svd(flat, full_matrices=False)[2][:_COMPONENTS]
    within = (flat @ components.T).T @ (flat @ components.T) / len(both)
    between = np.cov((rests - neutral).reshape(len(rests), -1) @ components.T, rowvar=False)
    # Few people were measured: their differences are taken to be a little rounder than they seem.
    between = 0.7 * between + 0.3 * np.diag(np.diag(between))
    expression = _BROADER * within
    return neutral, components.reshape(-1, VERTICES, 3), expression @ np.linalg.inv(expression + between)


def mirrored(faces: Reals) -> Reals:
    """Faces (n, 468, 3) with left and right exchanged."""
    return np.asarray((faces * [-1, 1, 1])[:, MIRROR[:VERTICES]])


def watch(path: Path) -> Reals:
    """The largest face of a clip without its pose, (n, 468, 3), every fourth frame that shows it squarely."""
    from models.detector import Detector
    from models.finding import faces, height
    from models.landmarks import Landmarker

    detector, landmarker = Detector(), Landmarker()
    clip = cv2.VideoCapture(str(path))
    found: list[Reals] = []
    while len(found) < _FRAMES and clip.grab():
        for _ in range(_EVERY - 1):
            clip.grab()
        _, image = clip.retrieve()
        seen = faces(np.asarray(image, np.uint8), detector, landmarker) if image is not None else []
        if seen:
            largest = max(seen, key=height)
            pose = fit(largest)
            if max(abs(pose.yaw), abs(pose.pitch)) < _SQUARELY:
                found.append(pose.remove(largest[:VERTICES]).astype(np.float64))
    detector.close()
    landmarker.close()
    return np.array(found).reshape(-1, VERTICES, 3)


def measure(folder: Path, out: Path) -> int:
    """Write neutral mean, basis and shares of all clips in a folder; returns how many people were used.

    Raises ValueError when there are fewer than five.
    """
    people = [person for path in sorted(folder.glob("*.mp4")) if len(person := watch(path)) >= 15]
    if len(people) < 5:
        raise ValueError(f"got {len(people)} people in {folder}, expected at least five, each filmed from the front")
    neutral, components, share = basis(people)
    np.savez_compressed(out, neutral=neutral.astype(np.float32), basis=components.astype(np.float16), share=share.astype(np.float32))
    return len(people)


if __name__ == "__main__":
    import sys

    measure(Path(sys.argv[1]), Path(sys.argv[2]))
