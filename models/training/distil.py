"""The identity encoder, taught by a frozen recogniser to tell people apart as it does, so that no foreign weights are shipped.

Hinton et al., "Distilling the Knowledge in a Neural Network", arXiv 1503.02531.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.training import checkpoint, kept
from models.training.batches import pictures
from models.training.data import shards
from models.training.networks import IdentityEncoder
from models.training.teacher import Teacher, look
from models.training.trainer import channels_last
from models.training.vary import soften, tint

Floats = NDArray[np.float32]

_BATCH = 32
# Between two looks, and between two times that what was taught so far is kept.
_TOLD, _KEPT = 100, 200
TEACHER, UNFINISHED = "teacher.npz", "distil.pt"


def describe(folder: Path, advance: Callable[[int, int], None] | None = None) -> Floats:
    """The teacher's descriptor of every photo of a set (n, 128), from `teacher.npz` in it, made where that is missing or of others."""
    photos = shards.open_rows(folder / "photos", shards.PHOTOS)
    path, marks = folder / TEACHER, {"photos": shards.fingerprint(folder / "photos")}
    known = kept.read(path, len(photos), marks)
    if known is not None:
        return known
    teacher = Teacher.open()
    found = np.zeros((len(photos), 128), np.float32)
    for at in range(0, len(photos), _BATCH):
        rows = np.arange(at, min(at + _BATCH, len(photos)))
        with torch.inference_mode():
            crops = look(pictures_of(photos, rows), torch.from_numpy(photos.take("landmarks", rows)))
            found[rows] = teacher(crops).numpy()
        if advance:
            advance(int(rows[-1]) + 1, len(photos))
    kept.write(path, found, marks)
    return found


def pictures_of(photos: shards.Rows, rows: NDArray[np.int64]) -> Tensor:
    """Crops of photos (n, 3, 128, 128) RGB 0..1."""
    return pictures(photos.take("crop", rows))


def centred(descriptors: Floats) -> Floats:
    """Descriptors (n, 128) less the mean face's, of length 1: their cosine then tells people apart, strangers lie about 0."""
    away = descriptors - descriptors.mean(axis=0)
    return np.asarray(away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6), np.float32)


def distil(
    folder: Path, steps: int, seed: int = 0, held: int = 512, advance: Callable[[int, float, float], None] | None = None
) -> IdentityEncoder:
    """An encoder whose vectors have the cosines of the teacher's; one that was interrupted goes on from distil.pt in the set.

    held: how many photos, the last of the set, are kept to measure on.  advance: told the step, the training loss and how well
    held-out photos agree with the teacher (mean cosine), every hundred steps.  Raises ValueError for a set that is too small, and
    for an unfinished lesson of another version.
    """
    photos = shards.open_rows(folder / "photos", shards.PHOTOS)
    count = len(photos) - held
    if count < 1:
        raise ValueError(f"{folder}: got {len(photos)} photos, expected more than the {held} that are kept to measure on")
    wanted = torch.from_numpy(centred(describe(folder)))
    torch.manual_seed(seed)
    encoder = IdentityEncoder()
    channels_last(encoder)
    optimiser = torch.optim.AdamW(encoder.parameters(), 2e-3, weight_decay=0.02)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    path, kind = folder / UNFINISHED, _kind(folder, steps, seed, held)
    taught: dict[str, Any] = {"encoder": encoder, "optimiser": optimiser, "plan": plan}
    first, losses = _go_on(path, kind, taught), list[float]()
    for step in range(first, steps):
        rows = np.random.default_rng((seed, step)).integers(count, size=_BATCH)
        loss = _loss(encoder, photos, rows, wanted, torch.Generator().manual_seed(seed * 1_000_003 + step))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        plan.step()
        losses.append(float(loss.detach()))
        if advance and (step % _TOLD == _TOLD - 1 or step == steps - 1):
            advance(step + 1, float(np.mean(losses[-_TOLD:])), agreement(encoder, photos, np.arange(count, len(photos)), wanted))
        if (step + 1) % _KEPT == 0 and step + 1 < steps:
            state = {name: part.state_dict() for name, part in taught.items()}
            checkpoint.save(path, {"architecture": kind, "step": step + 1, **state})
    path.unlink(missing_ok=True)
    encoder.eval()
    return encoder


def unfinished(folder: Path, steps: int, seed: int, held: int) -> bool:
    """Whether a call of `distil` with these arguments would go on with one that was interrupted."""
    return _left(folder / UNFINISHED, _kind(folder, steps, seed, held)) is not None


def _kind(folder: Path, steps: int, seed: int, held: int) -> dict[str, Any]:
    return {"steps": steps, "seed": seed, "held": held, "photos": shards.fingerprint(folder / "photos")}


def _left(path: Path, kind: dict[str, Any]) -> dict[str, Any] | None:
    """What an interrupted call of the same kind left; None where there is nothing, or something of another kind."""
    try:
        return checkpoint.load(path, kind)
    except ValueError:
        return None


def _go_on(path: Path, kind: dict[str, Any], taught: dict[str, Any]) -> int:
    """Take up what an interrupted call of the same kind left; returns the step to go on with.  Raises ValueError."""
    state = _left(path, kind)
    if state is None:
        return 0
    try:
        for name, part in taught.items():
            part.load_state_dict(state[name])
        return int(state["step"])
    except (KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: an unfinished lesson of another version of swapcam; delete it, and teach from the start") from error


def _loss(encoder: IdentityEncoder, photos: shards.Rows, rows: NDArray[np.int64], wanted: Tensor, random: torch.Generator) -> Tensor:
    seen = soften(tint(pictures_of(photos, rows), random, 0.1, 0.12), random)
    mirrored = torch.rand(len(rows), generator=random) < 0.5
    seen = torch.where(mirrored[:, None, None, None], seen.flip(-1), seen)
    shift = 0.08 * (torch.rand(len(rows), 2, generator=random) - 0.5)
    size = 1 + 0.1 * (torch.rand(len(rows), generator=random) - 0.5)
    turn = torch.zeros(len(rows), 2, 3)
    turn[:, 0, 0], turn[:, 1, 1], turn[:, :, 2] = size, size, shift
    grid = functional.affine_grid(turn, list(seen.shape), align_corners=False)
    seen = functional.grid_sample(seen, grid, padding_mode="border", align_corners=False)
    found: Tensor = encoder(seen.contiguous(memory_format=torch.channels_last))
    goal = wanted[rows]
    own = (1 - (found * goal).sum(dim=1)).mean()
    # Not only where each vector lies, but how they lie among one another.
    among = (found @ found.T - goal @ goal.T).pow(2).mean()
    return own + 2 * among


def agreement(encoder: IdentityEncoder, photos: shards.Rows, rows: NDArray[np.int64], wanted: Tensor) -> float:
    """Mean cosine of the encoder's vectors and the teacher's on these photos."""
    encoder.eval()
    with torch.inference_mode():
        found = [encoder(pictures_of(photos, part)) for part in _parts(rows)]
    encoder.train()
    return float((torch.cat(found) * wanted[rows]).sum(dim=1).mean()) if found else float("nan")


def _parts(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [rows[at : at + _BATCH] for at in range(0, len(rows), _BATCH)]


__all__ = ["TEACHER", "UNFINISHED", "agreement", "centred", "describe", "distil", "pictures_of", "unfinished"]
