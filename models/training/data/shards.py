"""Training data on disk: folders of memory-mapped arrays, each written whole or not at all.

A set has two rooms, `photos/0000, 0001 ...` (aligned faces) and `pairs/0000 ...` (one face drawn on another by the mesh engine).
A shard is a folder of .npy files and `shard.json`, which tells their sizes; it gets its name only when it is complete.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.whole import replacing

Array = NDArray[Any]

PHOTOS = {"crop": np.uint8, "landmarks": np.float32, "zone": np.uint8, "person": np.int32}
"""crop (n, 128, 128, 3) BGR; landmarks (n, 478, 3) px in it; zone (n, 128, 128) of `view.zones`; person (n,), -1 unknown."""
PACKED = {"packed": np.uint8, "ends": np.int64}
"""The same faces in crops twice as large, as JPEG files one after the other: packed (bytes,), ends (n,) where each ends in it."""
PAIRS = {"source": np.int32, "target": np.int32, "guide": np.uint8}
"""source, target (n,): numbers of photos in the whole set; guide (n, 128, 128, 4): the source drawn on the target, BGR and mask."""
_ABOUT = "shard.json"
_AGAIN = "delete the folder and prepare again"


def write(folder: Path, arrays: Mapping[str, Array], about: Mapping[str, object]) -> None:
    """Write one shard; a folder of that name is complete, whatever happened while it was written.

    about: goes into shard.json beside the sizes.  Raises OSError, and leaves nothing behind then.
    """
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        for name, array in arrays.items():
            with replacing(part / f"{name}.npy", None) as file:
                np.save(file, array)
        sizes = {name: list(array.shape) for name, array in arrays.items()}
        put(part / _ABOUT, {"sizes": sizes, **about})
        part.rename(folder)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise OSError(error.errno, f"cannot be written ({error.strerror}); what is finished is kept", str(folder)) from error


def put(path: Path, content: Mapping[str, object]) -> None:
    """Write a JSON file whole or not at all.  Raises OSError."""
    with replacing(path, None) as file:
        file.write(json.dumps(content, indent=1, ensure_ascii=False).encode())


def tidy(room: Path) -> None:
    """Remove what was being written when a process was killed."""
    for part in room.glob("*.part"):
        shutil.rmtree(part, ignore_errors=True)


def done(room: Path) -> list[Path]:
    """The complete shards of a room in their order."""
    return sorted((path for path in room.glob("[0-9]*") if path.name.isdecimal() and path.is_dir()), key=lambda path: int(path.name))


def free(room: Path, count: int) -> list[Path]:
    """Folders for so many new shards: gaps that an interrupted run left come first, so that it ends as if it had run through."""
    taken = {int(path.name) for path in done(room)}
    numbers = (number for number in range(len(taken) + count) if number not in taken)
    return [room / f"{number:04d}" for number, _ in zip(numbers, range(count), strict=False)]


def about(folder: Path, name: str) -> Any:
    """What shard.json says of `name`.  Raises ValueError for a shard without a readable one, and where it says nothing of it."""
    try:
        known = dict(json.loads((folder / _ABOUT).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{folder}: broken shard, {_ABOUT} cannot be read ({error}); {_AGAIN}") from error
    if name not in known:
        raise ValueError(f"{folder}: broken shard, got no {name} in {_ABOUT}; {_AGAIN}")
    return known[name]


def read(folder: Path, kinds: Mapping[str, Any]) -> dict[str, Array]:
    """The arrays of a shard, memory-mapped.  Raises ValueError for what is missing, cut short or of another kind."""
    sizes = about(folder, "sizes")
    found: dict[str, Array] = {}
    for name, kind in kinds.items():
        try:
            array = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(f"{folder}: broken shard, {name}.npy cannot be read ({error}); {_AGAIN}") from error
        if array.dtype != kind or list(array.shape) != sizes.get(name):
            got = f"{array.dtype} {list(array.shape)}"
            raise ValueError(f"{folder}: broken shard, got {name} {got}, expected {np.dtype(kind)} {sizes.get(name)}; {_AGAIN}")
        found[name] = array
    return found


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of all shards of one room, by one running number.

    shards: their arrays.  starts: (shards + 1,) number of the first row of each, and how many there are in all.
    """

    shards: tuple[dict[str, Array], ...]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.starts[-1])

    def column(self, name: str) -> Array:
        """One small array of all shards together."""
        return np.concatenate([shard[name] for shard in self.shards])

    def take(self, name: str, rows: NDArray[np.int64]) -> Array:
        """The given rows of an array, in the order asked for."""
        place = np.searchsorted(self.starts, rows, side="right") - 1
        return np.stack([self.shards[shard][name][row - self.starts[shard]] for shard, row in zip(place, rows, strict=True)])


def open_rows(room: Path, kinds: Mapping[str, Any]) -> Rows:
    """All shards of a room.  Raises ValueError when there is none, or one is broken."""
    folders = done(room)
    if not folders:
        raise ValueError(f"{room}: got no data, expected shards; make them with `swapcam train prepare`")
    shards = tuple(read(folder, kinds) for folder in folders)
    first = next(iter(kinds))
    starts = np.concatenate([[0], np.cumsum([len(shard[first]) for shard in shards])])
    return Rows(shards, starts.astype(np.int64))


def fingerprint(room: Path, count: int | None = None) -> str:
    """What tells the first `count` shards of a room (None: all) from others."""
    digest = hashlib.blake2b(digest_size=16)
    for folder in done(room)[:count]:
        digest.update(folder.name.encode() + (folder / _ABOUT).read_bytes())
    return digest.hexdigest()


def check(folder: Path) -> None:
    """Raise ValueError for a set in which numbers of photos do not mean the photos that its pairs were drawn from."""
    photos, known = folder / "photos", dict[int, str]()
    for number, shard in enumerate(done(photos)):
        if int(shard.name) != number:
            raise ValueError(f"{photos}: got no shard {number:04d}, and {shard.name} after it; prepare again")
    for shard in done(folder / "pairs"):
        count, digest = about(shard, "photos")
        if known.setdefault(count, fingerprint(photos, count)) != digest:
            raise ValueError(f"{shard}: drawn from photos that the set no longer has; delete {folder / 'pairs'} and prepare again")


__all__ = [
    "PACKED", "PAIRS", "PHOTOS", "Rows", "about", "check", "done", "fingerprint", "free", "open_rows", "put", "read", "tidy", "write",
]  # fmt: skip
