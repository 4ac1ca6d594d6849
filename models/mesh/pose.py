"""How a head stands: the similarity between a measured mesh and the mean face, and its angles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.mesh.topology import MEAN, RIGID

Floats = NDArray[np.float32]
Reals = Floats | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pose:
    """points = scale * canonical @ rotation.T + translation; rotation (3, 3), translation (3,) in pixels."""

    scale: float
    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]

    def place(self, canonical: Reals) -> Floats:
        """Canonical points (n, 3), mean-face units, as the camera sees them, in pixels."""
        return (self.scale * canonical @ self.rotation.T + self.translation).astype(np.float32)

    def turn(self, offsets: Reals) -> Floats:
        """Canonical offsets (n, 3) as the camera sees them, in pixels: rotated and scaled, not moved."""
        return (self.scale * offsets @ self.rotation.T).astype(np.float32)

    def remove(self, points: Reals) -> Floats:
        """Measured points (n, 3) in pixels, brought back to the canonical frame."""
        return ((points - self.translation) @ self.rotation / self.scale).astype(np.float32)

    @property
    def aside(self) -> float:
        """Degrees between where the face looks and the camera, 0..180."""
        return float(np.degrees(np.arccos(np.clip(self.rotation[2, 2], -1.0, 1.0))))

    @property
    def yaw(self) -> float:
        """Degrees; positive when the face looks towards the right of the picture."""
        return float(np.degrees(np.arctan2(-self.rotation[0, 2], self.rotation[2, 2])))

    @property
    def pitch(self) -> float:
        """Degrees; positive when the face looks down."""
        return float(np.degrees(np.arcsin(np.clip(-self.rotation[1, 2], -1.0, 1.0))))

    @property
    def roll(self) -> float:
        """Degrees; positive when the head leans clockwise in the picture."""
        return float(np.degrees(np.arctan2(self.rotation[1, 0], self.rotation[1, 1])))


def fit(landmarks: Reals, canonical: Reals = MEAN) -> Pose:
    """Least-squares similarity from the canonical face to measured landmarks (468+, 3), over the points that bones hold.

    Source: Umeyama 1991, "Least-squares estimation of transformation parameters between two point patterns".
    Raises ValueError when the landmarks are not finite or all in one place.
    """
    measured = np.asarray(landmarks, np.float64)[RIGID]
    known = np.asarray(canonical, np.float64)[RIGID]
    if not np.isfinite(measured).all() or np.ptp(measured) < 1e-6:
        what = "all in one place" if np.isfinite(measured).all() else "that are not finite"
        raise ValueError(f"got landmarks {what}, expected a finite face")
    measured_mean, known_mean = measured.mean(axis=0), known.mean(axis=0)
    spread = known - known_mean
    seen = measured - measured_mean
    left, singular, right = np.linalg.svd(seen.T @ spread)
    flip = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation = (left * flip) @ right
    scale = float((singular * flip).sum() / (spread**2).sum())
    return Pose(scale, rotation, measured_mean - scale * known_mean @ rotation.T)
