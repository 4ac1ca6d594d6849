"""A small prepared set to train on, made of drawn faces, and batches without a set."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.generator.view import OUTSIDE, SIDE, placing, zones
from models.mesh.topology import MEAN
from models.training.data import shards

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


def mean_landmarks(random: np.random.Generator | None = None) -> Floats:
    """The mean face's landmarks (478, 3) px in an aligned crop, moved a little where random is given."""
    face = np.concatenate([MEAN, np.repeat(MEAN[[33, 263]], 5, axis=0)]).astype(np.float32) * 100
    if random is not None:
        face[:, :2] += random.normal(0, 1.5, (len(face), 2)).astype(np.float32)
    matrix = placing(face)
    placed = face.copy()
    placed[:, :2] = face[:, :2] @ matrix[:, :2].T.astype(np.float32) + matrix[:, 2].astype(np.float32)
    return placed


def drawn_face(random: np.random.Generator, landmarks: Floats) -> Bytes:
    """A picture (128, 128, 3) BGR of no one: a skin of its own colour with detail of its own, before a background."""
    zone = zones(landmarks)
    skin, feature, behind = random.integers(60, 220, (3, 3))
    picture = np.where(zone[..., None] == OUTSIDE, behind, np.where(zone[..., None] == 2, skin, feature)).astype(np.float32)
    coarse = np.asarray(cv2.resize(random.normal(0, 18, (9, 9, 3)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))
    return np.asarray(np.clip(cv2.GaussianBlur(picture, (0, 0), 1.2) + coarse, 0, 255), np.uint8)


def write_set(folder: Path, people: int = 4, photos_each: int = 3, seed: int = 0) -> Path:
    """Write a set: of each person some photos, each drawn on itself, on another of the same person and on a stranger."""
    random = np.random.default_rng(seed)
    count = people * photos_each
    landmarks = np.stack([mean_landmarks(random) for _ in range(count)])
    crops = np.stack([drawn_face(random, points) for points in landmarks])
    zone = np.stack([zones(points) for points in landmarks])
    person = np.repeat(np.arange(people, dtype=np.int32), photos_each)
    half = count // 2 + 1
    for number, rows in enumerate((np.arange(half), np.arange(half, count))):
        part = {"crop": crops[rows], "landmarks": landmarks[rows], "zone": zone[rows], "person": person[rows]}
        shards.write(folder / "photos" / f"{number:04d}", part, {"seed": seed, "counts": {"kept": len(rows)}, "items": []})
    source = np.repeat(np.arange(count, dtype=np.int32), 3)
    target = source.copy()
    target[1::3] = source[1::3] // photos_each * photos_each + (source[1::3] + 1) % photos_each
    target[2::3] = (source[2::3] + photos_each) % count
    covers = [cv2.GaussianBlur((shown != OUTSIDE) * np.uint8(255), (0, 0), 1.5) for shown in zone]
    guide = np.stack([np.dstack([crops[a], covers[b]]) for a, b in zip(source, target, strict=True)])
    drawn_from = (2, shards.fingerprint(folder / "photos"))
    about = {"counts": {"kept": len(source)}, "sources": list(range(count)), "photos": drawn_from}
    shards.write(folder / "pairs" / "0000", {"source": source, "target": target, "guide": guide}, about)
    return folder
