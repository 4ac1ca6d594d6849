"""Guides to train on: one photo's face drawn on another photo by the mesh engine, as it would be live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.generator.view import SIDE
from models.mesh.atlas import Atlas, build_atlas
from models.mesh.engine import MeshEngine
from models.training.data import shards
from models.training.data.photos import DRAWN, Photo, enlarged
from models.training.data.workers import each

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int32]
Plan = tuple[int, tuple[int, ...]]
"""A source and the targets that it is drawn on, by their numbers in the set."""

SOURCES_A_SHARD = 128
# No person is the source more often before everybody was.
_MOST = 20


class Large:
    """The large crops of a set's photos.  Raises ValueError where they are missing or broken."""

    def __init__(self, room: Path) -> None:
        self._photos = shards.open_rows(room, shards.PHOTOS)
        self._packed = [shards.read(folder, shards.PACKED) for folder in shards.done(room)]
        self.people: Numbers = np.asarray(self._photos.column("person"), np.int32)

    def __len__(self) -> int:
        return len(self._photos)

    def __call__(self, row: int) -> Photo:
        """The photo of that number in the set."""
        shard = int(np.searchsorted(self._photos.starts, row, side="right")) - 1
        inside = row - int(self._photos.starts[shard])
        packed, ends = self._packed[shard]["packed"], self._packed[shard]["ends"]
        begin = int(ends[inside - 1]) if inside else 0
        image = cv2.imdecode(np.array(packed[begin : int(ends[inside])]), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(f"photo {row}: broken shard, its JPEG cannot be read; delete the shard's folder and prepare again")
        return Photo(np.asarray(image, np.uint8), enlarged(self._photos.shards[shard]["landmarks"][inside]))


@dataclass(frozen=True, slots=True)
class _Job:
    folder: Path
    photos: Path
    planned: tuple[Plan, ...]
    drawn_from: tuple[int, str]


def pairs(out: Path, number: int | None = None, seed: int = 0, workers: int = 1, advance: Callable[[int, int], None] | None = None) -> int:
    """Draw as many photos of a set (None: all) on others as `number` and those that were drawn before allow; returns the new pairs.

    advance: told how many of the sources are done.  Raises ValueError for broken shards, and for pairs that were drawn from other
    photos than the set has now; OSError for a full disk; NetworkError for a worker that died.
    """
    room, photos = out / "pairs", out / "photos"
    shards.check(out)
    planned = left(out, number, seed)
    cuts = range(0, len(planned), SOURCES_A_SHARD)
    stand = (len(shards.done(photos)), shards.fingerprint(photos))
    jobs = [
        _Job(folder, photos, tuple(planned[at : at + SOURCES_A_SHARD]), stand)
        for folder, at in zip(shards.free(room, len(cuts)), cuts, strict=True)
    ]
    total = done = 0
    for job, kept in zip(jobs, each(_shard, jobs, workers), strict=True):
        total += kept
        done += len(job.planned)
        if advance:
            advance(done, len(planned))
    return total


def left(out: Path, number: int | None = None, seed: int = 0) -> list[Plan]:
    """What is still to be drawn.  Arguments and errors as `pairs`."""
    people = shards.open_rows(out / "photos", {"person": np.int32}).column("person")
    drawn: set[int] = set()
    for folder in shards.done(out / "pairs"):
        drawn.update(shards.about(folder, "sources"))
    wanted = len(people) if number is None else min(number, len(people))
    rest = [entry for entry in plan(people, len(people), seed) if entry[0] not in drawn]
    return rest[: max(0, wanted - len(drawn))]


def plan(people: Numbers, number: int, seed: int) -> list[Plan]:
    """Which photos are drawn on which: (source, targets), `number` sources in all.

    people: (n,) the person in each photo, -1 unknown.  Each source is drawn on itself, on up to two other photos of the same
    person and on one of somebody else.  Whoever is in several photos comes first, no person more than twenty times.
    """
    random = np.random.default_rng(seed)
    of: dict[int, list[int]] = {}
    for index, person in enumerate(people):
        if person >= 0:
            of.setdefault(int(person), []).append(index)
    several = [random.permutation(found)[:_MOST] for found in of.values() if len(found) > 1]
    first = random.permutation(np.concatenate(several)) if several else np.zeros(0, np.int64)
    rest = random.permutation(np.setdiff1d(np.arange(len(people)), first))
    planned = []
    for source in [int(index) for index in np.concatenate([first, rest])[:number]]:
        same = [index for index in of.get(int(people[source]), []) if index != source]
        others = [int(index) for index in random.permutation(same)[:2]] if same else []
        stranger = int(random.integers(len(people)))
        planned.append((source, tuple(dict.fromkeys([source, *others, stranger]))))
    return planned


def _shard(job: _Job) -> int:
    """Write one shard; how many pairs are in it."""
    cv2.setNumThreads(1)
    photos = Large(job.photos)
    rows: list[tuple[int, int, Bytes]] = []
    for source, targets in job.planned:
        made = atlas([photos(source)])
        if made is None:
            continue
        engine = MeshEngine(made)
        for target in targets:
            drawn = guide(engine, photos(target))
            if drawn is not None:
                rows.append((source, target, drawn))
    arrays: dict[str, shards.Array] = {
        "source": np.array([source for source, _, _ in rows], np.int32),
        "target": np.array([target for _, target, _ in rows], np.int32),
        "guide": np.stack([drawn for _, _, drawn in rows]) if rows else np.zeros((0, SIDE, SIDE, 4), np.uint8),
    }
    sources = [source for source, _ in job.planned]
    shards.write(job.folder, arrays, {"counts": {"kept": len(rows)}, "sources": sources, "photos": job.drawn_from})
    return len(rows)


def guide(engine: MeshEngine, photo: Photo) -> Bytes | None:
    """The engine's source on a photo: (128, 128, 4) uint8, BGR and mask; None where it could not be drawn."""
    made = engine(photo.crop, photo.landmarks, engine.meet(), 0.0)
    if made is None:
        return None
    picture, mask, matrix = made
    size = (DRAWN * SIDE, DRAWN * SIDE)
    # Transparent, not black, around the patch: otherwise its rim would darken as it is made smaller.
    whole = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    small = cv2.resize(np.dstack([whole, cover]), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def atlas(photos: Sequence[Photo]) -> Atlas | None:
    """One person's atlas, None where a photo shows too little of the face."""
    try:
        return build_atlas([(photo.crop, photo.landmarks) for photo in photos])
    except ValueError:
        return None


__all__ = ["Large", "atlas", "guide", "left", "pairs", "plan"]
