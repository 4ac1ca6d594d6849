"""The frozen networks that a run is led by, with what they say of every photo of a set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.network import NetworkError
from models.training import checkpoint, kept
from models.training.data import shards
from models.training.distil import describe, pictures_of
from models.training.networks import IdentityEncoder
from models.training.teacher import Teacher
from models.training.trainer import Judges

ENCODER, VECTORS = "encoder.pt", "vectors.npz"
_BATCH = 64
Advance = Callable[[int, int], None]


def open_judges(folder: Path, device: torch.device, advance: Advance | None = None) -> Judges:
    """The encoder of a set, made by `swapcam train distil`, and the teacher where the extra `eval` or `train` brought its weights.

    What they say of each photo is kept in the set, for the next time.  advance: told how many photos they have seen.
    Raises NetworkError where the encoder is missing or of another kind, ValueError where the set is broken.
    """
    photos = shards.open_rows(folder / "photos", shards.PHOTOS)
    encoder = load_encoder(folder / ENCODER).to(device)
    vectors = _vectors(folder, encoder, photos, device, advance).to(device)
    try:
        teacher = Teacher.open()
    except NetworkError:
        return Judges(encoder, vectors, None, None)
    wanted = torch.from_numpy(np.array(describe(folder, advance)))
    return Judges(encoder, vectors, teacher.to(device), wanted.to(device))


def load_encoder(path: Path) -> IdentityEncoder:
    """A frozen encoder.  Raises NetworkError where the file is missing or of another kind."""
    if not path.is_file():
        raise NetworkError(f"{path.parent} has no {path.name}; make it with: swapcam train distil {path.parent}")
    encoder = IdentityEncoder()
    try:
        encoder.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except checkpoint.UNREADABLE as error:
        why = checkpoint.first(error)
        raise NetworkError(f"{path} is no encoder of this version ({why}); make it again: swapcam train distil {path.parent}") from error
    return encoder.eval().requires_grad_(False)


def save_encoder(path: Path, encoder: IdentityEncoder) -> None:
    """Write an encoder whole or not at all.  Raises OSError."""
    checkpoint.whole(path, lambda file: torch.save(encoder.state_dict(), file), "encoder")


def _vectors(folder: Path, encoder: IdentityEncoder, photos: shards.Rows, device: torch.device, advance: Advance | None) -> Tensor:
    """The encoder's vector of each photo (n, 128), from the set where it is of this encoder and these photos."""
    path = folder / VECTORS
    marks = {"encoder": hashlib.sha256((folder / ENCODER).read_bytes()).hexdigest(), "photos": shards.fingerprint(folder / "photos")}
    known = kept.read(path, len(photos), marks)
    if known is not None:
        return torch.from_numpy(known)
    found = []
    for at in range(0, len(photos), _BATCH):
        rows = np.arange(at, min(at + _BATCH, len(photos)))
        with torch.inference_mode():
            found.append(encoder(pictures_of(photos, rows).to(device)).float().cpu())
        if advance:
            advance(int(rows[-1]) + 1, len(photos))
    vectors = torch.cat(found)
    kept.write(path, vectors.numpy(), marks)
    return vectors


__all__ = ["ENCODER", "VECTORS", "load_encoder", "open_judges", "save_encoder"]
