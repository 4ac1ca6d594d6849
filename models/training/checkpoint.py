"""A training run on disk: everything that is needed to go on as if nothing had happened, written whole or not at all."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

FORMAT = 1


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint; the previous one stays as it is until the new one lies on disk whole.

    Raises OSError, with the previous checkpoint kept and nothing half-written left.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            torch.save({"format": FORMAT, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, RuntimeError) as error:
        part.unlink(missing_ok=True)
        # torch says RuntimeError where its writer met a full disk.
        raise OSError(f"{path}: the checkpoint could not be written ({error}); the one before it is kept, make room and start again") from error


def load(path: Path, architecture: dict[str, Any]) -> dict[str, Any]:
    """What `save` wrote.  Raises ValueError for another file, another format or networks of another architecture."""
    state = read(path)
    if state.get("architecture") != architecture:
        raise ValueError(f"{path}: got a checkpoint of {state.get('architecture')}, expected {architecture}; use its settings or another folder")
    return state


def read(path: Path) -> dict[str, Any]:
    """What `save` wrote, of any architecture.  Raises ValueError for another file or another format."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path}: cannot be read as a checkpoint ({error})") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"{path}: got no checkpoint of format {FORMAT}")
    return state
