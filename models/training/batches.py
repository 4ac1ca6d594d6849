"""Batches to train on: pairs of every kind, augmented, as the generator will see them."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.generator.view import EDGE, FEATURE, LIGHT_BLUR, LIGHT_FLOOR, LIGHT_SIDE, OUTSIDE, SIDE, SKIN
from models.training import shards
from models.training.settings import Shares

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """view (n, 7, s, s); target (n, 3, s, s) RGB 0..1, the truth where `true` (n,) is 1; itself (n,): source and target are one photo.

    skin, feature, mask: (n, 1, s, s) 0..1.  source: (n,) rows of photos.  landmarks: (n, 478, 3) px of `target`, not mirrored.
    mirrored: (n,) bool.
    """

    view: Tensor
    target: Tensor
    true: Tensor
    itself: Tensor
    skin: Tensor
    feature: Tensor
    mask: Tensor
    source: Numbers
    landmarks: Tensor
    mirrored: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        moved = {field.name: getattr(self, field.name) for field in fields(self)}
        return Batch(**{name: value.to(device) if isinstance(value, Tensor) else value for name, value in moved.items()})


class Batches:
    """The pairs of a prepared set.  Raises ValueError where the set is missing or broken."""

    def __init__(self, folder: Path, shares: Shares, limit: int | None = None) -> None:
        self.photos = shards.open_rows(folder / "photos", shards.PHOTOS)
        self._pairs = shards.open_rows(folder / "pairs", shards.PAIRS)
        self._source = self._pairs.column("source").astype(np.int64)
        self._target = self._pairs.column("target").astype(np.int64)
        person = self.photos.column("person")
        itself = self._source == self._target
        same = ~itself & (person[self._source] == person[self._target]) & (person[self._source] >= 0)
        kinds = [np.flatnonzero(rows)[:limit] for rows in (itself, same, ~itself & ~same)]
        parts = [shares.itself, shares.same, max(0.0, 1 - shares.itself - shares.same)]
        there = [(rows, part) for rows, part in zip(kinds, parts, strict=True) if len(rows) and part > 0]
        self._kinds = [rows for rows, _ in there]
        self._parts = np.array([part for _, part in there]) / sum(part for _, part in there)
        self._true = itself | same
        self._itself = itself

    def __len__(self) -> int:
        return len(self._pairs)

    def rows(self, seed: tuple[int, ...], size: int) -> Numbers:
        """Numbers of the pairs of one batch; the same seed gives the same ones."""
        random = np.random.default_rng(seed)
        kinds = random.choice(len(self._kinds), size, p=self._parts)
        return np.array([self._kinds[kind][random.integers(len(self._kinds[kind]))] for kind in kinds], np.int64)

    def __call__(self, rows: Numbers, side: int, seed: int | None) -> Batch:
        """The batch of these pairs at `side` px; seed: of the augmentation, None for none."""
        target = _pictures(self.photos.take("crop", self._target[rows]))
        guide = self._pairs.take("guide", rows)
        mask = torch.from_numpy(np.ascontiguousarray(guide[..., 3])).float()[:, None] / 255
        drawn = _pictures(guide[..., :3])
        zone = torch.from_numpy(self.photos.take("zone", self._target[rows]))[:, None]
        skin, feature, face = (zone == SKIN).float(), (zone == FEATURE).float(), (zone != OUTSIDE).float()
        parts = [target, drawn, mask, skin, feature, face]
        landmarks = torch.from_numpy(self.photos.take("landmarks", self._target[rows]))
        if side != SIDE:
            parts = [functional.interpolate(part, (side, side), mode="area") for part in parts]
            landmarks = landmarks * (side / SIDE)
        mirrored = torch.zeros(len(rows), dtype=torch.bool)
        if seed is not None:
            random = torch.Generator().manual_seed(seed)
            target, drawn, mask = parts[:3]
            target, drawn = tint(target, random, 0.12, 0.0), tint(drawn, random, 0.06, 0.18)
            drawn = soften(drawn, random)
            mask = mask * (1 - holes(len(rows), side, random))
            noise = torch.rand(len(rows), 1, 1, 1, generator=random) * 0.02
            target = (target + noise * torch.randn(target.shape, generator=random)).clamp(0, 1)
            mirrored = torch.rand(len(rows), generator=random) < 0.5
            parts[:3] = [target, drawn, mask]
        target, drawn, mask, skin, feature, face = (torch.where(mirrored[:, None, None, None], part.flip(-1), part) for part in parts)
        shown = see(target, drawn, mask, skin, face)
        true, itself = (torch.from_numpy(known[rows]).float() for known in (self._true, self._itself))
        return Batch(shown, target, true, itself, skin, feature, mask, self._source[rows], landmarks, mirrored)


def see(target: Tensor, drawn: Tensor, mask: Tensor, skin: Tensor, face: Tensor) -> Tensor:
    """The generator's view (n, 7, s, s), as `models.generator.view.view` makes it live."""
    light = skin_light(target, skin * mask)
    inside = (2 * blur(face, EDGE * face.shape[-1] / SIDE) - 1).clamp(0, 1)
    hidden = torch.lerp(target, light, inside)
    return torch.cat([hidden, torch.lerp(hidden, drawn, mask), mask], dim=1)


def skin_light(picture: Tensor, weight: Tensor) -> Tensor:
    """The smooth light of the skin (n, 3, s, s), everywhere, as `models.generator.view.skin_light`."""
    small = functional.interpolate(torch.cat([picture * weight, weight], dim=1), (LIGHT_SIDE, LIGHT_SIDE), mode="area")
    mean = small[:, :3].sum(dim=(2, 3), keepdim=True) / small[:, 3:].sum(dim=(2, 3), keepdim=True).clamp_min(1e-6)
    small = blur(small, LIGHT_BLUR)
    light = (small[:, :3] + LIGHT_FLOOR * mean) / (small[:, 3:] + LIGHT_FLOOR)
    return functional.interpolate(light, picture.shape[-2:], mode="bilinear", align_corners=False)


def blur(x: Tensor, deviation: float) -> Tensor:
    """Gaussian blur of maps (n, c, h, w), their rims repeated outwards."""
    down, across = (_smoothing(size, deviation).to(x.device, x.dtype) for size in x.shape[-2:])
    return down @ x @ across.T


@functools.lru_cache(maxsize=64)
def _smoothing(size: int, deviation: float) -> Tensor:
    """The blur of a line of pixels as a matrix (size, size): for few channels far faster than a convolution."""
    reach = max(1, round(4 * deviation))
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / deviation) ** 2)
    taps = torch.arange(size)[:, None] + torch.arange(-reach, reach + 1)[None]
    return torch.zeros(size, size).scatter_add_(1, taps.clamp(0, size - 1), (line / line.sum()).expand(size, -1))


def tint(pictures: Tensor, random: torch.Generator, colour: float, field: float) -> Tensor:
    """Another light: factors for each colour, and a smooth field of brightness, with these deviations of their logarithm."""
    count = len(pictures)
    factors = colour * torch.randn(count, 3, 1, 1, generator=random) + colour * torch.randn(count, 1, 1, 1, generator=random)
    if field:
        coarse = field * torch.randn(count, 1, 3, 3, generator=random)
        factors = factors + functional.interpolate(coarse, pictures.shape[-2:], mode="bicubic", align_corners=True)
    return (pictures * torch.exp(factors)).clamp(0, 1)


def soften(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Each picture a little softer or sharper, as photos of a source are against the camera."""
    amount = torch.empty(len(pictures), 1, 1, 1).uniform_(-0.6, 0.5, generator=random)
    return (pictures + amount * (blur(pictures, 1.0) - pictures)).clamp(0, 1)


def holes(count: int, side: int, random: torch.Generator) -> Tensor:
    """Where something lies before the face, in every third picture: (n, 1, side, side) 0..1, a soft ellipse that reaches in from its rim."""
    line = torch.linspace(-1, 1, side)
    angle, far, turn = (torch.rand(count, 1, 1, generator=random) for _ in range(3))
    size = 0.1 + 0.25 * torch.rand(count, 2, 1, 1, generator=random)
    angle, turn = angle * 6.2832, turn * 3.1416
    x = line[None, None, :] - torch.cos(angle) * (0.3 + 0.4 * far)
    y = line[None, :, None] - 0.1 - torch.sin(angle) * (0.3 + 0.4 * far)
    across = (x * torch.cos(turn) + y * torch.sin(turn)) / size[:, 0]
    along = (y * torch.cos(turn) - x * torch.sin(turn)) / size[:, 1]
    there = torch.rand(count, 1, 1, generator=random) < 0.33
    return (((1.2 - across**2 - along**2) * 4).clamp(0, 1) * there)[:, None]


def _pictures(images: NDArray[np.uint8]) -> Tensor:
    """RGB 0..1 (n, 3, h, w) of BGR pictures (n, h, w, 3)."""
    return torch.from_numpy(np.ascontiguousarray(images[..., ::-1].transpose(0, 3, 1, 2))).float() / 255


__all__ = ["Batch", "Batches", "blur", "see", "skin_light"]
