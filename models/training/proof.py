"""Whether an ONNX graph does what a network does in PyTorch: on noise, which drives it further than life does, and on real faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.generator.view import CHANNELS, SIDE
from models.network import Array
from models.running.providers import Runtime
from models.session import Session
from models.training.batches import Batches
from models.training.distil import pictures_of
from models.training.networks import IDENTITY, IdentityEncoder
from models.training.settings import Shares

Feed = dict[str, Array]
_RUNTIME = Runtime(("CPU",), "fp32", 1)


@dataclass(frozen=True, slots=True)
class Difference:
    """From what PyTorch gives, of a range of 1: at most, and in the mean."""

    most: float
    mean: float

    def within(self, other: Difference) -> bool:
        """Whether this is no larger; what is no number is not."""
        return self.most <= other.most and self.mean <= other.mean

    def __str__(self) -> str:
        return f"{self.most:.1e} at most and {self.mean:.1e} in the mean"


@dataclass(frozen=True, slots=True)
class Seen:
    """What networks are compared on: views with identities, and portraits."""

    views: list[Feed]
    portraits: list[Feed]


def noise(count: int) -> Seen:
    """Random numbers in the ranges of the inputs."""
    random = np.random.default_rng(0)
    vectors = random.standard_normal((count, 1, IDENTITY))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    pictures = random.random((count, 1, CHANNELS, SIDE, SIDE), np.float32)
    views = [{"view": view, "identity": vector.astype(np.float32)} for view, vector in zip(pictures, vectors, strict=True)]
    return Seen(views, [{"portrait": view[:, :3].copy()} for view in pictures])


def faces(data: Path, encoder: IdentityEncoder, count: int, seed: int) -> Seen:
    """Pairs of a prepared set as they are trained on, and their sources.  Raises ValueError for a set that is missing or broken."""
    batches = Batches(data, Shares())
    batch = batches(batches.rows((seed,), count), SIDE, None)
    portraits = pictures_of(batches.photos, batch.source)
    with torch.inference_mode():
        vectors = encoder(portraits).numpy()
    views = [{"view": view[None], "identity": vector[None]} for view, vector in zip(batch.view.numpy(), vectors, strict=True)]
    return Seen(views, [{"portrait": portrait[None]} for portrait in portraits.numpy()])


def truth(network: nn.Module, feeds: Sequence[Feed]) -> list[list[Array]]:
    """What a network gives at rest for each."""
    network.eval()
    with torch.inference_mode():
        made = [network(*(torch.from_numpy(value) for value in feed.values())) for feed in feeds]
    return [[output.numpy() for output in ([one] if isinstance(one, Tensor) else one)] for one in made]


def difference(model: Any, feeds: Sequence[Feed], wanted: Sequence[Sequence[Array]]) -> Difference:
    """How far a ModelProto or the bytes of one is from the truth.  Raises NetworkError for what ONNX Runtime cannot run."""
    session = Session(model, _RUNTIME, name="what was exported")
    most, means = 0.0, []
    for feed, outputs in zip(feeds, wanted, strict=True):
        for got, want in zip(session(feed), outputs, strict=True):
            off = np.abs(got.astype(np.float64) - want)
            # Unlike max, this keeps what is no number.
            most = float(np.maximum(most, off.max()))
            means.append(float(off.mean()))
    session.close()
    return Difference(most, float(np.mean(means)))


__all__ = ["Difference", "Feed", "Seen", "difference", "faces", "noise", "truth"]
