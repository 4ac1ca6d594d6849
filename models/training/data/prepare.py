"""From photos to shards to train on; whatever was finished is kept when it is started again, with the same data or with more.

What comes out depends on the photos alone, not on the number of workers nor on where a run was interrupted: photos are taken
in the order of a hash of their names, so that people are mixed, and new shards take the lowest numbers that are free.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.generator.view import SIDE
from models.network import NetworkError
from models.training.data import shards
from models.training.data.layouts import Item
from models.training.data.photos import Finder, Photo
from models.training.data.workers import each

PHOTOS_A_SHARD = 512
# Bytes on disk of a photo (crop, zones, landmarks, JPEG of the large crop).
PHOTO_BYTES = 4 * SIDE**2 + 12 * 478 + 30_000
# And of the four pairs at the most that one source is in.
SOURCE_BYTES = 4 * 4 * SIDE**2
# JPEG of this quality cannot be told from the crop after it is made smaller.
_QUALITY = 95
_TWICE = "there already"
Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Job:
    """items: of one shard.  known: whether the same photo is there already.  digests: of those that were hashed before."""

    folder: Path
    items: tuple[Item, ...]
    known: tuple[bool, ...]
    digests: tuple[str, ...]


def fresh(out: Path, items: Sequence[Item]) -> list[Item]:
    """The items that are in no finished shard of the set.  Raises ValueError for a broken shard."""
    seen: set[str] = set()
    for folder in shards.done(out / "photos"):
        seen.update(row[0] for row in shards.about(folder, "items"))
    return [item for item in items if item.place not in seen]


def photos(out: Path, items: Sequence[Item], workers: int = 1, advance: Advance | None = None) -> Counter[str]:
    """Make photo shards of those items that the set does not have; returns how many faces were kept and how many dropped, by reason.

    advance: told how many of these items are done.  Raises ValueError for a broken shard, OSError for a full disk, NetworkError
    for a worker that died; finished shards stay.
    """
    room = out / "photos"
    new = sorted(fresh(out, items), key=_order)
    digests, known = _twins(room, new)
    cuts = range(0, len(new), PHOTOS_A_SHARD)
    slices = [slice(at, at + PHOTOS_A_SHARD) for at in cuts]
    folders = shards.free(room, len(slices))
    jobs = [_Job(folder, tuple(new[k]), tuple(known[k]), tuple(digests[k])) for folder, k in zip(folders, slices, strict=True)]
    counts: Counter[str] = Counter()
    done = 0
    for job, told in zip(jobs, each(_shard, jobs, workers), strict=True):
        counts.update(told)
        done += len(job.items)
        if advance:
            advance(done, len(new))
    return counts


def check_disk(out: Path, wanted: int) -> None:
    """Raise NetworkError where the disk of a set has no room for so many bytes, and a tenth more."""
    left = shutil.disk_usage(out).free
    if left < 1.1 * wanted:
        raise NetworkError(
            f"{out} needs about {wanted / 1e9:.1f} GB and its disk has {left / 1e9:.1f} GB left; "
            "make room, take another folder, or give fewer photos or fewer --sources."
        )


def estimate(out: Path, new: int, sources: int | None) -> int:
    """Bytes that so many new photos, and then so many sources in all (None: every photo), will take at the most."""
    kept = sum(int(shards.about(folder, "counts").get("kept", 0)) for folder in shards.done(out / "photos"))
    drawn = sum(len(shards.about(folder, "sources")) for folder in shards.done(out / "pairs"))
    photos = kept + new
    return new * PHOTO_BYTES + max(0, (photos if sources is None else min(sources, photos)) - drawn) * SOURCE_BYTES


def _order(item: Item) -> tuple[bytes, str]:
    # Of the name within the folder, so that the same data in another place gives the same set.
    return hashlib.blake2b(item.name.encode(errors="surrogateescape"), digest_size=8).digest(), item.place


def _twins(room: Path, items: Sequence[Item]) -> tuple[list[str], list[bool]]:
    """Hash ("" where no other photo has its size) of each item, and whether the same photo is in the set or before it."""
    sizes = Counter(item.size for item in items)
    there: dict[int, set[str]] = defaultdict(set)
    for folder in shards.done(room):
        for _, size, digest, outcome in shards.about(folder, "items"):
            if outcome != _TWICE:
                there[size].add(digest)
    digests, known = [], []
    for item in items:
        digest = ""
        if sizes[item.size] > 1 or item.size in there:
            digest = _digest(_bytes(item))
        digests.append(digest)
        known.append(bool(digest) and digest in there[item.size])
        if digest:
            there[item.size].add(digest)
    return digests, known


def _bytes(item: Item) -> bytes:
    """The photo's bytes, none of one that cannot be read."""
    try:
        return item.read()
    except OSError:
        return b""


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest() if content else ""


def _shard(job: _Job) -> dict[str, int]:
    """Write one shard; what became of its items, by outcome."""
    cv2.setNumThreads(1)
    counts: Counter[str] = Counter()
    rows: list[tuple[Photo, int]] = []
    noted: list[tuple[str, int, str, str]] = []
    finder = Finder()
    try:
        for item, known, digest in zip(job.items, job.known, job.digests, strict=True):
            content = b"" if known else _bytes(item)
            made = [_TWICE] if known else _made(content, item, finder)
            kept = [photo for photo in made if isinstance(photo, Photo)]
            reasons = [reason for reason in made if isinstance(reason, str)]
            rows += [(photo, item.person) for photo in kept]
            counts.update({"kept": len(kept)} if kept else {})
            counts.update(reasons)
            noted.append((item.place, item.size, digest or _digest(content), "kept" if kept else reasons[0]))
    finally:
        finder.close()
    shards.write(job.folder, _arrays(rows), {"counts": dict(counts), "items": noted})
    return dict(counts)


def _made(content: bytes, item: Item, finder: Finder) -> Sequence[Photo | str]:
    try:
        # An empty or enormous picture raises, any other that is none gives None.
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    return ["cannot be read"] if image is None else finder(np.asarray(image, np.uint8), item.person >= 0)


def _arrays(rows: Sequence[tuple[Photo, int]]) -> dict[str, shards.Array]:
    small = [photo.small() for photo, _ in rows]
    files = [_jpeg(photo.crop) for photo, _ in rows]
    return {
        "crop": _stack((crop for crop, _, _ in small), (SIDE, SIDE, 3), np.uint8),
        "landmarks": _stack((points for _, points, _ in small), (478, 3), np.float32),
        "zone": _stack((zone for _, _, zone in small), (SIDE, SIDE), np.uint8),
        "person": np.array([person for _, person in rows], np.int32),
        "packed": np.concatenate([*files, np.zeros(0, np.uint8)]),
        "ends": np.cumsum([len(file) for file in files], dtype=np.int64),
    }


def _stack(arrays: Iterable[shards.Array], shape: tuple[int, ...], kind: type) -> shards.Array:
    found = list(arrays)
    return np.stack(found).astype(kind, copy=False) if found else np.zeros((0, *shape), kind)


def _jpeg(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    full = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return np.asarray(cv2.imencode(".jpg", crop, full)[1], np.uint8).ravel()


__all__ = ["PHOTO_BYTES", "SOURCE_BYTES", "check_disk", "estimate", "fresh", "photos"]
