"""Taking a photo's light out of a texture and leaving the person in it: lips, brows, beard and moles stay as they are."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from models.fill import push_pull
from models.mesh.skin import features, plain_zone
from models.mesh.topology import TEXTURE_SIZE, UV

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

# Lightness (Lab, 0..100) above the skin tone that is still matt skin; the share of gloss,
# of one-sided light and of slow drifts (L, a, b) taken out.
_MATT = 6.0
_GLOSS = 0.6
_ONE_SIDED = 0.9
_DRIFT = np.array([0.75, 0.85, 0.85], np.float32)
_FOLD = 0.75


def even(texture: Bytes, smile: float = 0.0) -> Bytes:
    """The texture (512, 512, 3) uint8 BGR with gloss, shadows, a coloured wall's light and the folds of a smile taken out.

    smile: 0..1, how far the folds that a smile makes are in it.
    What the harmonics could not explain belongs to neither person nor target.
    """
    lab = cv2.cvtColor(texture.astype(np.float32) / 255.0, cv2.COLOR_BGR2LAB)
    tone = np.median(lab[plain_zone()], axis=0)
    own = np.maximum(features(), beard(lab))
    skin = 1.0 - own
    lab[..., 0] -= np.maximum(lab[..., 0] - tone[0] - _MATT, 0.0) * _GLOSS * skin
    # Faces are nearly symmetric, lamps are not: of two mirror places the one further from the skin tone gives way.
    coarse = _smooth(lab, skin, TEXTURE_SIZE / 50)
    off = np.abs(coarse - tone).sum(axis=2)
    worse = cv2.GaussianBlur(np.clip((off - off[:, ::-1]) / 8.0, 0.0, 1.0), (0, 0), TEXTURE_SIZE / 50)
    lab -= (_ONE_SIDED * worse)[..., None] * (coarse - coarse[:, ::-1])
    lab -= (_smooth(lab, skin, TEXTURE_SIZE / 20) - tone) * _DRIFT
    if smile > 0:
        lab[..., 0] += _folds(lab[..., 0]) * smile * _FOLD * _smile_zone() * skin
    return np.asarray(np.rint(np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2BGR), 0, 1) * 255), np.uint8)


def _smooth(values: Floats, say: Floats, sigma: float) -> Floats:
    """Means (512, 512, 3) over surroundings of width `sigma` of what has a say; what has none takes its neighbours'."""
    size = TEXTURE_SIZE // 4
    small = cv2.resize(np.dstack([values * say[..., None], say]), (size, size), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), sigma / 4)
    weight = blurred[..., 3]
    mean = blurred[..., :3] / np.maximum(weight, 1e-4)[..., None]
    known = np.clip((weight - 0.02) / 0.25, 0.0, 1.0).astype(np.float32)
    field = cv2.GaussianBlur(push_pull(np.asarray(mean, np.float32), known), (0, 0), 1.5)
    return np.asarray(cv2.resize(field, (TEXTURE_SIZE, TEXTURE_SIZE), interpolation=cv2.INTER_CUBIC), np.float32)


def beard(lab: Floats) -> Floats:
    """How sure it is that a texel is beard, (512, 512) float32 0..1.  lab: (512, 512, 3) float32, L 0..100.

    Hair is rougher than skin and less colourful for its lightness; a shadow is neither.
    """
    fine = np.abs(lab[..., 0] - cv2.GaussianBlur(lab[..., 0], (0, 0), 2.5))
    rough = cv2.GaussianBlur(fine, (0, 0), TEXTURE_SIZE / 64)
    colour = cv2.GaussianBlur(lab, (0, 0), TEXTURE_SIZE / 128)
    vivid = np.hypot(colour[..., 1], colour[..., 2]) / np.maximum(colour[..., 0], 8.0)
    bare = plain_zone() & (_beard_zone() == 0)
    rougher = np.clip((rough / max(float(np.median(rough[bare])), 0.3) - 1.8) / 1.2, 0.0, 1.0)
    paler = np.clip((0.8 - vivid / max(float(np.median(vivid[bare])), 1e-3)) / 0.2, 0.0, 1.0)
    found = np.maximum(rougher, paler) * _beard_zone()
    # Single spots are moles and gloss, gaps within are skin between hairs.
    found = cv2.GaussianBlur(found, (0, 0), TEXTURE_SIZE / 64)
    return np.asarray(np.clip((found - 0.25) / 0.35, 0.0, 1.0), np.float32)


@functools.cache
def _beard_zone() -> Floats:
    """(512, 512), 1 where beards grow: below the nose, along jaw and cheeks below the ear lobes."""
    v, u = np.mgrid[0:TEXTURE_SIZE, 0:TEXTURE_SIZE].astype(np.float32) / (TEXTURE_SIZE - 1)
    base, corner = float(UV[2, 1]), float(UV[61, 1])
    # From under the nose the upper edge of a beard rises towards the ears at the sides only.
    edge = np.where(np.abs(u - 0.5) < 0.16, base, corner - 0.35 * np.clip(np.abs(u - 0.5) - 0.25, 0, 1))
    return np.asarray(cv2.GaussianBlur(np.clip((v - edge) / 0.03, 0.0, 1.0), (0, 0), 5), np.float32)


@functools.cache
def _smile_zone() -> Floats:
    """(512, 512), 1 along the lines that a smile folds: nose wing to mouth corner and beyond, and outside the eyes."""
    zone = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE), np.uint8)
    for lines in (([129, 203, 206, 216, 212], [358, 423, 426, 436, 432]), ([130, 226, 31, 228], [359, 446, 261, 448])):
        for line in lines:
            points = np.rint(UV[line] * (TEXTURE_SIZE - 1)).astype(np.int32)
            cv2.polylines(zone, [points], False, 255, 46 if lines[0][0] == 129 else 34)
    return np.asarray(cv2.GaussianBlur(zone.astype(np.float32) / 255, (0, 0), 9), np.float32)


def _folds(light: Floats) -> Floats:
    """How much darker than its sides a line is (512, 512), L."""
    closed = cv2.morphologyEx(cv2.GaussianBlur(light, (0, 0), 1.5), cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (33, 33)))
    return np.asarray(np.maximum(cv2.GaussianBlur(closed, (0, 0), 5) - cv2.GaussianBlur(light, (0, 0), 2), 0.0), np.float32)
