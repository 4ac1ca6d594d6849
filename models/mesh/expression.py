"""How faces move at rest and in speech: a small basis, and what of a face's shape is expression rather than bone.

Measured on clips of twelve people with `python -m models.mesh.expressions`; geometry only.
"""

from __future__ import annotations

from importlib import resources

import numpy as np
from numpy.typing import NDArray

from models.mesh.topology import VERTICES

Floats = NDArray[np.float32]

# How much wider and higher than at rest a broad smile makes the mouth (mean-face units).
_WIDER, _HIGHER = 0.22, 0.08
# Smiles up to this are how some people look at rest; lips apart by this are speech or a smile.
_CALM, _OPEN = 0.3, 0.06
_CORNERS, _MIDDLE = [61, 291], [13, 14]


def _load() -> tuple[Floats, Floats, Floats]:
    with resources.as_file(resources.files(__package__) / "expression.npz") as path, np.load(path, allow_pickle=False) as data:
        return data["neutral"].astype(np.float32), data["basis"].astype(np.float32), data["share"].astype(np.float32)


NEUTRAL, BASIS, SHARE = _load()


def relaxed(shape: Floats) -> Floats:
    """The face (468, 3), mean-face units, at rest: less what its expression most probably adds.

    Both people and expressions differ along the basis; what each has of a difference to the neutral mean is told by how
    much people and expressions vary along it (the mean of one Gaussian given its sum with another).
    """
    away = (shape[:VERTICES] - NEUTRAL).reshape(-1)
    coordinates = SHARE @ (BASIS.reshape(len(BASIS), -1) @ away)
    return np.asarray(shape[:VERTICES] - np.tensordot(coordinates, BASIS, axes=1), np.float32)


def rested(shape: Floats) -> Floats:
    """The face (468, 3) as `relaxed` has it where it smiles or speaks, and as it is where it already rests.

    What is most probable of a resting face is that some of what makes it somebody's is expression, and that would be lost.
    """
    gap = float(np.diff((shape[_MIDDLE] - NEUTRAL[_MIDDLE])[:, 1])[0])
    moved = float(np.clip(max((smile(shape) - _CALM) / _CALM, gap / _OPEN), 0.0, 1.0))
    return np.asarray(shape[:VERTICES] + np.float32(moved) * (relaxed(shape) - shape[:VERTICES]), np.float32)


def smile(shape: Floats) -> float:
    """How broadly a face (468, 3) smiles, 0..1, against the same face at rest."""
    rest = relaxed(shape)
    (wide, high), (wide_rest, high_rest) = (_mouth(face) for face in (shape, rest))
    return float(np.clip(0.6 * (wide - wide_rest) / _WIDER + 0.4 * (high - high_rest) / _HIGHER, 0.0, 1.0))


def _mouth(face: Floats) -> tuple[float, float]:
    """Width of the mouth, and how far its corners lie above its middle."""
    corners, middle = face[_CORNERS], face[_MIDDLE]
    return float(np.linalg.norm(corners[1] - corners[0])), float(middle[:, 1].mean() - corners[:, 1].mean())
