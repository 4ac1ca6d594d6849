"""What a frozen network said of every photo of a set, kept in the set for as long as network and photos are the same."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.training import checkpoint

Floats = NDArray[np.float32]
_SIZE = 128
_DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, NotImplementedError, zipfile.BadZipFile)


def read(path: Path, count: int, marks: Mapping[str, str]) -> Floats | None:
    """Vectors (count, 128) that were written with these marks; None where the file is missing, damaged or of something else.

    Of files of the first version, which do not say all that is marked now, as much is asked as they say.
    """
    try:
        with np.load(path, allow_pickle=False) as known:
            same = all(str(known[name]) == mark for name, mark in marks.items() if name in known.files)
            return _whole(known["vectors"], count) if same else None
    except _DAMAGED:
        return None


def read_plain(path: Path, count: int) -> Floats | None:
    """Vectors of a file of the first version, which says nothing of itself; None as `read`."""
    try:
        return _whole(np.load(path, allow_pickle=False), count)
    except _DAMAGED:
        return None


def write(path: Path, vectors: Floats, marks: Mapping[str, str]) -> None:
    """Keep vectors, whole or not at all.  Raises OSError."""
    content = io.BytesIO()
    np.savez(content, vectors=vectors, **{name: np.array(mark) for name, mark in marks.items()})
    checkpoint.whole(path, lambda file: file.write(content.getbuffer()))


def _whole(found: NDArray[np.float32], count: int) -> Floats | None:
    return np.asarray(found, np.float32) if found.shape == (count, _SIZE) else None


__all__ = ["read", "read_plain", "write"]
