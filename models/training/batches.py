"""Batches to train on: pairs of every kind, augmented, as the generator will see them.

What is random comes from a seed or a torch.Generator alone, and whatever takes pictures works on their device.
"""

from __future__ import annotations

import functools
import zlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.generator.view import EDGE, FEATURE, LIGHT_BLUR, LIGHT_FLOOR, LIGHT_SIDE, OUTSIDE, SIDE, SKIN
from models.training.data import shards
from models.training.smooth import blur
from models.training.vary import vary

if TYPE_CHECKING:
    # Not needed to run: a machine that only trains has no pydantic.
    from models.training.settings import Shares

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Batch:
    """view (n, 7, s, s); target (n, 3, s, s) RGB 0..1, the truth where `true` (n,) is 1; itself (n,): source and target are one photo.

    skin, feature, mask: (n, 1, s, s) 0..1.  source: (n,) rows of photos.  landmarks: (n, 478, 3) px of `target`, not mirrored.
    mirrored: (n,) bool, whether the pictures are.
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
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        values |= {name: value.to(device) for name, value in values.items() if isinstance(value, Tensor)}
        return Batch(**values)


class Pieces(NamedTuple):
    """What batches are made of: target, guide (n, 3, 128, 128) RGB 0..1, mask (n, 1, 128, 128) 0..1, zone (n, 1, 128, 128) uint8.

    landmarks (n, 478, 3) px of the target.  true, itself (n,) float.  source (n,) rows of photos.
    """

    target: Tensor
    guide: Tensor
    mask: Tensor
    zone: Tensor
    landmarks: Tensor
    true: Tensor
    itself: Tensor
    source: Numbers


class Kinds:
    """Which pairs there are of every kind, and how they are drawn.  true, itself: (pairs,) bool, as a batch has them.

    limit: no more than so many of each.  Raises ValueError where there is no pair of a kind asked for.
    """

    def __init__(self, true: Flags, itself: Flags, shares: Shares, limit: int | None = None) -> None:
        kinds = [np.flatnonzero(rows)[:limit] for rows in (itself, true & ~itself, ~true)]
        parts = [shares.itself, shares.same, max(0.0, 1 - shares.itself - shares.same)]
        there = [(rows, part) for rows, part in zip(kinds, parts, strict=True) if len(rows) and part > 0]
        if not there:
            raise ValueError(f"got {len(true)} pairs, none of a kind that shares ask for ({shares})")
        self._kinds = [rows for rows, _ in there]
        self._parts = np.array([part for _, part in there]) / sum(part for _, part in there)

    def rows(self, seed: tuple[int, ...], size: int) -> Numbers:
        """Numbers of the pairs of one batch; the same seed gives the same ones."""
        random = np.random.default_rng(seed)
        kinds = random.choice(len(self._kinds), size, p=self._parts)
        return np.array([self._kinds[kind][random.integers(len(self._kinds[kind]))] for kind in kinds], np.int64)

    def even(self, seed: tuple[int, ...], size: int) -> Numbers:
        """The same with as many of each kind in every batch, so that what is compiled for one fits all."""
        random = np.random.default_rng(seed)
        ends = np.rint(np.cumsum(self._parts) * size).astype(int)
        counts = np.diff(ends, prepend=0)
        return random.permutation(np.concatenate([random.choice(kind, count) for kind, count in zip(self._kinds, counts, strict=True)]))


class Batches:
    """The pairs of a prepared set.  source, target (pairs,): rows of photos.  true, itself (pairs,) bool, as a batch has them.

    limit: no more than so many of each kind.  Raises ValueError where the set is missing, broken or has no pair of a kind asked for.
    """

    def __init__(self, folder: Path, shares: Shares, limit: int | None = None) -> None:
        shards.check(folder)
        self.photos = shards.open_rows(folder / "photos", shards.PHOTOS)
        self.pairs = shards.open_rows(folder / "pairs", shards.PAIRS)
        self.source = self.pairs.column("source").astype(np.int64)
        self.target = self.pairs.column("target").astype(np.int64)
        person = self.photos.column("person")
        itself = self.source == self.target
        same = ~itself & (person[self.source] == person[self.target]) & (person[self.source] >= 0)
        self.true, self.itself = itself | same, itself
        try:
            self._kinds = Kinds(self.true, itself, shares, limit)
        except ValueError as error:
            raise ValueError(f"{folder}: {error}") from None

    def __len__(self) -> int:
        return len(self.pairs)

    def about(self) -> dict[str, int]:
        """What tells this set from another: how many photos and pairs, and a checksum of who is drawn on whom."""
        columns = (self.source, self.target, self.photos.column("person").astype(np.int64))
        check = functools.reduce(lambda sum_, column: zlib.crc32(column.tobytes(), sum_), columns, 0)
        return {"photos": len(self.photos), "pairs": len(self.pairs), "check": check}

    def rows(self, seed: tuple[int, ...], size: int) -> Numbers:
        """Numbers of the pairs of one batch; the same seed gives the same ones."""
        return self._kinds.rows(seed, size)

    def __call__(self, rows: Numbers, side: int, seed: int | None) -> Batch:
        """The batch of these pairs at `side` px; seed: of the augmentation, None for none."""
        random = None if seed is None else torch.Generator().manual_seed(seed)
        return assemble(self.pieces(rows), side, random)

    def pieces(self, rows: Numbers) -> Pieces:
        """What the batch of these pairs is made of."""
        targets = self.target[rows]
        guide = self.pairs.take("guide", rows)
        return Pieces(
            pictures(self.photos.take("crop", targets)),
            pictures(guide[..., :3]),
            torch.from_numpy(np.ascontiguousarray(guide[..., 3])).float()[:, None] / 255,
            torch.from_numpy(self.photos.take("zone", targets))[:, None],
            torch.from_numpy(self.photos.take("landmarks", targets)),
            torch.from_numpy(self.true[rows]).float(),
            torch.from_numpy(self.itself[rows]).float(),
            self.source[rows],
        )


def assemble(pieces: Pieces, side: int, random: torch.Generator | None) -> Batch:
    """The batch at `side` px; random: what the augmentation draws from, on the pieces' device, None for none."""
    zone, landmarks = pieces.zone, pieces.landmarks
    parts = [pieces.target, pieces.guide, pieces.mask, (zone == SKIN).float(), (zone == FEATURE).float(), (zone != OUTSIDE).float()]
    if side != SIDE:
        parts = [functional.interpolate(part, (side, side), mode="area") for part in parts]
        # Pixels count from their centres.
        landmarks = torch.cat([(landmarks[..., :2] + 0.5) * (side / SIDE) - 0.5, landmarks[..., 2:] * (side / SIDE)], dim=-1)
    mirrored = torch.zeros(len(zone), dtype=torch.bool, device=zone.device)
    if random is not None:
        parts[:3] = vary(parts[0], parts[1], parts[2], random)
        mirrored = torch.rand(len(zone), generator=random, device=zone.device) < 0.5
    target, drawn, mask, skin, feature, face = (torch.where(mirrored[:, None, None, None], part.flip(-1), part) for part in parts)
    shown = see(target, drawn, mask, skin, face)
    return Batch(shown, target, pieces.true, pieces.itself, skin, feature, mask, pieces.source, landmarks, mirrored)


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


def pictures(images: NDArray[np.uint8]) -> Tensor:
    """RGB 0..1 (n, 3, h, w) of BGR pictures (n, h, w, 3)."""
    return torch.from_numpy(np.ascontiguousarray(images[..., ::-1].transpose(0, 3, 1, 2))).float() / 255


__all__ = ["Batch", "Batches", "Kinds", "Pieces", "assemble", "pictures", "see", "skin_light"]
