"""From folders of face photos to shards to train on; whatever was finished is kept when it is started again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from models.training import shards
from models.training.pairs import atlas, guide, plan
from models.training.photos import Photo, prepare

PHOTOS_A_SHARD, SOURCES_A_SHARD = 512, 128


@dataclass(frozen=True, slots=True)
class Item:
    """One photo of a data folder: its file, and the number of the person in it, -1 unknown."""

    path: Path
    person: int


def photos(items: Sequence[Item], out: Path, workers: int = 1, advance: Callable[[int, int], None] | None = None) -> Counter[str]:
    """Make the photo shards of a set; returns how many photos were kept and how many dropped, by reason.

    advance: told how many of all photos are done.
    """
    room = out / "photos"
    jobs = [(room / f"{k:04d}", tuple(items[at : at + PHOTOS_A_SHARD])) for k, at in enumerate(range(0, len(items), PHOTOS_A_SHARD))]
    counts: Counter[str] = Counter()
    done = 0
    for folder, chunk, told in _run(_photo_shard, jobs, workers):
        counts.update(told)
        done += len(chunk)
        if advance:
            advance(done, len(items))
        del folder
    return counts


def _run(work, jobs, workers):  # type: ignore[no-untyped-def]
    waiting = []
    for folder, chunk in jobs:
        if folder.is_dir():
            yield folder, chunk, shards.about(folder)["counts"]
        else:
            waiting.append((folder, chunk))
    if workers == 1:
        for folder, chunk in waiting:
            yield folder, chunk, work(folder, chunk)
        return
    import multiprocessing

    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for (folder, chunk), told in zip(waiting, pool.map(work, *zip(*waiting, strict=True)), strict=True):
            yield folder, chunk, told


def _photo_shard(folder: Path, items: Sequence[Item]) -> dict[str, int]:
    from models.landmarks import Landmarker

    cv2.setNumThreads(1)
    counts: Counter[str] = Counter()
    rows: list[tuple[Photo, int, str]] = []
    landmarker = Landmarker()
    for item in items:
        image = cv2.imread(str(item.path))
        made = prepare(image, landmarker) if image is not None else "cannot be read"
        if isinstance(made, str):
            counts[made] += 1
        else:
            rows.append((made, item.person, item.path.name))
            counts["kept"] += 1
    landmarker.close()
    small = [photo.small() for photo, _, _ in rows]
    empty = len(rows)
    arrays = {
        "crop": np.stack([crop for crop, _, _ in small]) if rows else np.zeros((empty, 128, 128, 3), np.uint8),
        "landmarks": np.stack([points for _, points, _ in small]) if rows else np.zeros((empty, 478, 3), np.float32),
        "zone": np.stack([zone for _, _, zone in small]) if rows else np.zeros((empty, 128, 128), np.uint8),
        "person": np.array([person for _, person, _ in rows], np.int32),
        # What guides are drawn from and on; not needed for training.
        "large": np.stack([photo.crop for photo, _, _ in rows]) if rows else np.zeros((empty, 256, 256, 3), np.uint8),
        "placed": np.stack([photo.landmarks for photo, _, _ in rows]) if rows else np.zeros((empty, 478, 3), np.float32),
    }
    shards.write(folder, arrays, {"counts": dict(counts), "files": [name for _, _, name in rows]})
    return dict(counts)


_LARGE = {"large": np.uint8, "placed": np.float32, "person": np.int32}


def pairs(out: Path, number: int, seed: int = 0, workers: int = 1, advance: Callable[[int, int], None] | None = None) -> int:
    """Make the pair shards of a set from its photo shards; returns how many pairs there are."""
    everything = shards.open_rows(out / "photos", _LARGE)
    planned = plan(everything.column("person"), number, seed)
    jobs = [
        (out / "pairs" / f"{k:04d}", (out, tuple(planned[at : at + SOURCES_A_SHARD])))
        for k, at in enumerate(range(0, len(planned), SOURCES_A_SHARD))
    ]
    total = done = 0
    for _, (_, chunk), told in _run(_pair_shard, jobs, workers):
        total += told["kept"]
        done += len(chunk)
        if advance:
            advance(done, len(planned))
    return total


def _pair_shard(folder: Path, job: tuple[Path, Sequence[tuple[int, tuple[int, ...]]]]) -> dict[str, int]:
    from models.mesh.engine import MeshEngine

    cv2.setNumThreads(1)
    out, planned = job
    everything = shards.open_rows(out / "photos", _LARGE)
    rows: list[tuple[int, int, np.ndarray]] = []
    for source, targets in planned:
        made = atlas([_photo(everything, source)])
        if made is None:
            continue
        engine = MeshEngine(made)
        for target in targets:
            drawn = guide(engine, _photo(everything, target))
            if drawn is not None:
                rows.append((source, target, drawn))
    arrays = {
        "source": np.array([source for source, _, _ in rows], np.int32),
        "target": np.array([target for _, target, _ in rows], np.int32),
        "guide": np.stack([drawn for _, _, drawn in rows]) if rows else np.zeros((0, 128, 128, 4), np.uint8),
    }
    shards.write(folder, arrays, {"counts": {"kept": len(rows)}})
    return {"kept": len(rows)}


def _photo(everything: shards.Rows, row: int) -> Photo:
    rows = np.array([row])
    return Photo(everything.take("large", rows)[0], everything.take("placed", rows)[0])


def lfw(folder: Path) -> Iterator[Item]:
    """Photos in one folder a person."""
    for number, person in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
        for path in sorted(person.glob("*.jpg")):
            yield Item(path, number)
