"""A person's face unwrapped: texture without light, and shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.fill import push_pull
from models.mesh import eyes as eye_pictures
from models.mesh import relight
from models.mesh.even import even
from models.mesh.expression import rested, smile
from models.mesh.eyes import Eyes
from models.mesh.glasses import glasses
from models.mesh.merge import merge
from models.mesh.pose import fit as fit_pose
from models.mesh.skin import plain_zone, skin_confidence
from models.mesh.topology import EYES, PLAIN_SKIN, TEXTURE_SIZE, UV, VERTICES, normals
from models.mesh.unwrap import sample_texture, spread_many

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Atlas:
    """texture: (512, 512, 3) uint8 BGR, shading divided out, filled where no photo saw it.

    shape: (468, 3) float32 in mean-face units (`topology.MEAN`), averaged over the photos, without the expression in them.
    eyes: of the photo that shows them best; None keeps the target's own.
    """

    texture: Bytes
    shape: Floats
    eyes: Eyes | None = None

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What must be stored to make this atlas again."""
        seen = self.eyes.arrays() if self.eyes else {}
        return {"texture": self.texture, "shape": self.shape, **seen}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Atlas:
        """The atlas that `arrays()` described.  Raises ValueError on missing or wrongly shaped arrays."""
        expected = {
            "texture": ((TEXTURE_SIZE, TEXTURE_SIZE, 3), np.uint8),
            "shape": ((VERTICES, 3), np.float32),
        }
        for name, (shape, kind) in expected.items():
            if name not in arrays:
                raise ValueError(f"got arrays {sorted(arrays)}, expected one named {name!r}")
            if arrays[name].shape != shape or arrays[name].dtype != kind:
                raise ValueError(f"got {name} {arrays[name].shape} {arrays[name].dtype}, expected {shape} {np.dtype(kind)}")
        if not np.isfinite(arrays["shape"]).all():
            raise ValueError("got a shape with NaN or infinity, expected finite coordinates")
        whole = (np.ascontiguousarray(arrays[name]) for name in expected)
        return cls(*whole, eyes=Eyes.from_arrays(arrays))  # type: ignore[arg-type, misc]


def unwrap(image: Bytes, landmarks: Floats) -> tuple[Floats, Floats]:
    """One photo in texture space: colours (512, 512, 3) float32 with the light divided out, and weight (512, 512) 0..1."""
    points = np.ascontiguousarray(landmarks[:VERTICES], np.float32)
    directions = normals(points)
    colours, inside = sample_texture(image, points[:, :2], TEXTURE_SIZE)
    square = spread_many(relight.facing(directions)[:, None], TEXTURE_SIZE)[..., 0]
    weight = np.where(inside & (square > 0.12), np.clip((square - 0.12) / 0.6, 0.02, 1.0), 0.0).astype(np.float32)
    # Rims are thicker than their lines, and throw shadows; above them are the brows.
    rims = glasses(colours, inside)
    if rims.any():
        narrow, wide = (cv2.dilate(rims, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))) for size in (9, 19))
        level = round(float(UV[EYES[0], 1].mean()) * TEXTURE_SIZE)
        rims = np.concatenate([narrow[:level], wide[level:]])
    weight *= 1 - np.minimum(1.0, 1.5 * rims)
    weight *= skin_confidence(colours, weight)
    light = spread_many(_light(image, points, directions), TEXTURE_SIZE)
    return np.asarray(colours / np.clip(light, relight.GAIN_LOW, relight.GAIN_HIGH), np.float32), weight


def _light(image: Bytes, points: Floats, directions: Floats) -> Floats:
    """Brightness (468, 3) that the photo's light adds to an evenly coloured skin, one factor for all colours, mean 1."""
    basis = relight.harmonics(directions)
    radius = max(1, round(float(np.ptp(points[:, 0])) / 60))
    colours = relight.sample(image, points[PLAIN_SKIN, :2], radius)
    brightness = colours.mean(axis=1, keepdims=True).repeat(3, axis=1)
    even = np.median(brightness, axis=0)
    light = relight.fit(brightness, even, basis[PLAIN_SKIN], relight.facing(directions)[PLAIN_SKIN])
    # What is not seen squarely is extrapolated by the harmonics; a little too weak is safer than a little too strong.
    factors = relight.gain(light, basis) ** 0.9
    return np.asarray(np.clip(factors / np.median(factors[PLAIN_SKIN]), 0.5, 1.6), np.float32)


def build_atlas(photos: Sequence[tuple[Bytes, Floats]]) -> Atlas:
    """One atlas from photos of the same person, each with its landmarks (468+, 3) in pixels; better views count more.

    Raises ValueError without photos or when no photo shows any of the face.
    """
    if not photos:
        raise ValueError("got no photo, expected at least one")
    views = [unwrap(image, landmarks) for image, landmarks in photos]
    if not any((weight > 0.5).any() for _, weight in views):
        raise ValueError("got photos in which nothing of the face can be seen, expected at least one clear view")
    poses = [fit_pose(landmarks) for _, landmarks in photos]
    shapes = [pose.remove(landmarks[:VERTICES]) for pose, (_, landmarks) in zip(poses, photos, strict=True)]
    squarely = [max(0.05, float(np.cos(np.radians(pose.yaw)))) ** 4 for pose in poses]
    smiles = [smile(shape) for shape in shapes]
    # Who is calm in one of the photos need not have the others' folds.
    calm = [float(np.exp(-2.0 * broad)) for broad in smiles]
    texture, best = merge(views, calm)
    looks = [
        square * min(pose.scale, 200.0) * eye_pictures.openness(landmarks, pose)
        for square, pose, (_, landmarks) in zip(squarely, poses, photos, strict=True)
    ]
    image, landmarks = photos[int(np.argmax(looks))]
    seen_eyes = eye_pictures.take(image, landmarks, poses[int(np.argmax(looks))]) if max(looks) > 0 else None
    shape = rested(np.average(shapes, axis=0, weights=np.multiply(squarely, calm)).astype(np.float32))
    return _finish(texture, best, shape, float(np.average(smiles, weights=calm)), seen_eyes)


def _finish(texture: Floats, best: Floats, shape: Floats, broad: float, seen_eyes: Eyes | None) -> Atlas:
    """Fill what no photo saw: first from the other half of the face, then from the surroundings."""
    known = np.clip((best - 0.3) / 0.3, 0.0, 1.0)
    other = known[:, ::-1] * (1 - known) * 0.7
    both = known + other
    merged = (texture * known[..., None] + texture[:, ::-1] * other[..., None]) / np.maximum(both, 1e-6)[..., None]
    filled = push_pull(merged, both)
    filled = np.clip(filled + _pores(filled, both) * (1 - both)[..., None], 0, 255)
    return Atlas(even(np.rint(filled).astype(np.uint8), broad), np.ascontiguousarray(shape, np.float32), seen_eyes)


def _pores(texture: Floats, known: Floats) -> Floats:
    """Grain (512, 512, 1) as fine and as strong as the known skin's, always the same: filled places must not look like plastic."""
    grey = texture.mean(axis=2)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 2)
    skin = plain_zone() & (known > 0.99)
    strength = 1.48 * float(np.median(np.abs(fine[skin]))) if skin.any() else 0.0
    noise = np.random.default_rng(0).normal(0, 1, grey.shape).astype(np.float32)
    grain = cv2.GaussianBlur(noise, (0, 0), 1.0)
    grain -= cv2.GaussianBlur(grain, (0, 0), 2)
    return np.asarray(grain[..., None] * np.float32(strength / max(float(grain.std()), 1e-6)), np.float32)
