"""A training run on disk: everything that is needed to go on as if nothing had happened, written whole or not at all.

format, architecture, set: what it belongs to.  step, generator, average, discriminator, optimiser, opponent: where it is.
At the default widths about 16 MB, of which the optimisers' two moments of every weight are two thirds.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from models.whole import replacing

FORMAT = 1
UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, AttributeError, KeyError, EOFError, pickle.UnpicklingError)
"""What torch says of files that are none of its own, or other networks'."""


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint; the previous one stays as it is until the new one lies on disk whole.

    Raises OSError, with the previous checkpoint kept and nothing half-written left.
    """
    whole(path, lambda file: torch.save({"format": FORMAT, **state}, file), "checkpoint")


def whole(path: Path, write: Callable[[BinaryIO], object], what: str = "file") -> None:
    """Write a file whole or not at all.  what: it is called.  Raises OSError; what was there is kept then, nothing half-written left."""
    try:
        with replacing(path, None) as file:
            write(file)
    except (OSError, RuntimeError) as error:
        # torch says RuntimeError where its writer met a full disk.
        why = error.strerror if isinstance(error, OSError) else first(error)
        raise OSError(f"{path}: the {what} could not be written ({why}); {_kept(path)}, make room and start again") from error


def load(path: Path, architecture: Mapping[str, Any], photos: Mapping[str, int] | None = None) -> dict[str, Any]:
    """What `save` wrote.  photos: of the set that it has to have been trained on, None for any.

    Raises ValueError for another file, another format, networks of another architecture, another set, or none that it says.
    """
    state = read(path)
    if state.get("architecture") != architecture:
        got = state.get("architecture")
        raise ValueError(f"{path}: got a checkpoint of {got}, expected {dict(architecture)}; use its settings or another folder")
    if photos is not None and (known := trained_on(path, state)) != photos:
        what = "by another identity encoder" if {**known, "encoder": photos.get("encoder")} == photos else "with other photos"
        raise ValueError(
            f"{path}: this checkpoint was trained {what} ({_told(known)}; got {_told(photos)}); "
            "use that set, another folder, or other_set: true in the settings to go on all the same"
        )
    return state


def trained_on(path: Path, state: Mapping[str, Any]) -> dict[str, int]:
    """What the checkpoint of a run says of its photos and of its encoder.  Raises ValueError for one that does not."""
    known = state.get("set")
    if not isinstance(known, dict) or "encoder" not in known:
        raise ValueError(f"{path}: got a checkpoint that does not say its photos and its encoder, expected a run's; use another folder")
    return known


def reached(path: Path) -> int:
    """The step of a checkpoint, 0 where there is none.  Raises ValueError for another file."""
    if not path.exists():
        return 0
    try:
        return int(read(path)["step"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: a checkpoint of another version, it does not say its step; delete it or use another folder") from error


def read(path: Path) -> dict[str, Any]:
    """What `save` wrote, of any architecture: the export takes it as it is.  Raises ValueError for another file or format."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise ValueError(f"{path}: cannot be read as a checkpoint ({first(error)}); delete it or use another folder") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        got = f"format {state.get('format')}" if isinstance(state, dict) else type(state).__name__
        raise ValueError(f"{path}: got {got}, expected a checkpoint of format {FORMAT}; delete it or use another folder")
    return state


def first(error: BaseException) -> str:
    """The first sentence of what torch says at length."""
    return (str(error).splitlines() or [type(error).__name__])[0].split(". ")[0]


def _kept(path: Path) -> str:
    return "the one before it is kept" if path.exists() else "there is none before it"


def _told(known: Mapping[str, int]) -> str:
    return f"{known.get('photos')} photos, {known.get('pairs')} pairs, check {known.get('check', 0):08x}"


__all__ = ["FORMAT", "UNREADABLE", "first", "load", "reached", "read", "save", "trained_on", "whole"]
