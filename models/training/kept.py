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
    """Vectors (count, 128) that were written with these marks; None where the file is missing, damaged or of something else."""
    try:
        with np.load(path, allow_pickle=False) as known:
            if any(str(known[name]) != mark for name, mark in marks.items()):
                return None
            found = np.asarray(known["vectors"], np.float32)
    except _DAMAGED:
        return None
    return found if found.shape == (count, _SIZE) else None


def write(path: Path, vectors: Floats, marks: Mapping[str, str]) -> None:
    """Keep vectors, whole or not at all.  Raises OSError."""
    content = io.BytesIO()
    np.savez(content, vectors=vectors, **{name: np.array(mark) for name, mark in marks.items()})
    checkpoint.whole(path, lambda file: file.write(content.getbuffer()))


__all__ = ["read", "write"]
