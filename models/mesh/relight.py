"""Light on a face as second-order spherical harmonics of its normals.

Source: Ramamoorthi and Hanrahan 2001, "An efficient representation for irradiance environment maps": nine numbers
a colour hold nearly all of the shading of a matt surface.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from models.mesh.topology import VERTICES

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

# How strongly each harmonic is pulled to zero: the face shows only half of the sphere of directions.
_DAMPING = np.array([0.0, 0.02, 0.02, 0.03, 0.25, 0.25, 0.25, 0.25, 0.25])
GAIN_LOW, GAIN_HIGH = 0.15, 4.0


def harmonics(normals: Floats) -> Floats:
    """The nine real harmonics, without their constant factors, of unit normals (n, 3) -> (n, 9) float32."""
    x, y, z = normals.T
    columns = [np.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1]
    return np.asarray(np.stack(columns, axis=1), np.float32)


def sample(image: NDArray[np.uint8], points: Floats, radius: int) -> Floats:
    """Mean colours (n, 3) float32 of squares of half-width `radius` about the points (n, 2), clamped to the picture."""
    height, width = image.shape[:2]
    left = np.clip(np.rint(points[:, 0]).astype(np.int64), radius, max(radius, width - 1 - radius))
    top = np.clip(np.rint(points[:, 1]).astype(np.int64), radius, max(radius, height - 1 - radius))
    offsets = np.array([-radius, 0, radius]) if radius else np.array([0])
    rows = np.clip(top[:, None, None] + offsets[None, :, None], 0, height - 1)
    columns = np.clip(left[:, None, None] + offsets[None, None, :], 0, width - 1)
    return np.asarray(image[rows, columns].mean(axis=(1, 2)), np.float32)


def fit(colours: Floats, tone: Floats, basis: Floats, weights: Floats) -> Floats:
    """Light (9, 3) that makes skin of one colour `tone` (3,) look like `colours` (n, 3) on a surface with harmonics (n, 9).

    weights: (n,) 0..1.  The form of the light is one for all colours: nine numbers a colour would make the rim of the
    face, where little is seen squarely, drift in hue.  Points that no smooth light explains (hair, shadow edges, a hand)
    lose their say in three rounds of reweighting (Huber).  Without any weight the light is neutral: it changes nothing.
    """
    light = np.zeros((9, 3), np.float64)
    light[0] = 1.0
    if weights.sum() < 8:
        return light.astype(np.float32)
    bright = colours.mean(axis=1).astype(np.float64)
    form, say = _form(basis.astype(np.float64), bright, weights.astype(np.float64))
    shading = np.maximum(basis @ form, 1.0)[:, None]
    hue = (say[:, None] * colours / shading).sum(axis=0) / say.sum()
    return np.asarray(form[:, None] * hue / tone, np.float32)


@numba.njit(cache=True, nogil=True)
def _form(basis: Reals, bright: Reals, weights: Reals) -> tuple[Reals, Reals]:
    """The form (9,) of the light that makes brightness (n,) of harmonics (n, 9), and what say (n,) each point had in the end."""
    seen = weights > 0
    # The first round must not be led by what is far too dark or bright to be lit skin, or the later ones never recover.
    ratio = np.log(np.maximum(bright, 1.0))
    say = weights / (1.0 + ((ratio - np.median(ratio[seen])) / 0.6) ** 4)
    form = np.zeros(9)
    for _ in range(3):
        weighted = np.ascontiguousarray((basis * say.reshape(-1, 1)).T)
        normal = weighted @ basis
        for k in range(9):
            normal[k, k] += _DAMPING[k] * say.sum() + 1e-6
        form = np.linalg.solve(normal, weighted @ bright)
        error = np.abs(bright - basis @ form)
        scale = 1.5 * np.median(error[seen]) + 2.0
        say = weights * np.minimum(1.0, scale / np.maximum(error, 1e-6)) ** 2
    return form, say


def unevenness(colours: Floats, smooth: Floats, weights: Floats) -> float:
    """How far skin colours (n, 3) depart from what is `smooth` (n, 3): median relative deviation of brightness."""
    expected = np.maximum(smooth.mean(axis=1), 1.0)
    seen = weights > 0.3
    return float(np.median(np.abs(colours.mean(axis=1) / expected - 1.0)[seen])) if seen.any() else 0.0


def gain(light: Floats, basis: Floats) -> Floats:
    """Brightness factors (n, 3) of the light, kept within what a camera could have seen."""
    return np.clip(basis @ light, GAIN_LOW, GAIN_HIGH).astype(np.float32)


def facing(normals: Floats) -> Floats:
    """How squarely each vertex (468,) is seen by the camera, 0..1."""
    return np.clip(-normals[:VERTICES, 2], 0.0, 1.0)
