"""Small ONNX files with exactly the generator's inputs and outputs, whose output is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx_making import Counted, Graph

from models.generator.network import IDENTITY, Refiner
from models.generator.shipped import ENCODER, GENERATOR
from models.running.providers import Runtime
from models.session import Session

CPU = Runtime(("CPU",), "fp32", 1)
_FACE, _ALPHA = (1, 3, 128, 128), (1, 1, 128, 128)


def colours() -> NDArray[np.float32]:
    """What each number of an identity adds to red, green and blue, (128, 3) of a range of 1."""
    return np.random.default_rng(4).normal(0, 0.06, (IDENTITY, 3)).astype(np.float32)


def generator(
    path: Path,
    gains: Sequence[float] = (1.0, 1.0, 1.0),
    more: NDArray[np.float32] | None = None,
    cover: float | NDArray[np.float32] = 1.0,
    least: float = 0.0,
    coloured: bool = False,
    alpha: str = "alpha",
) -> Path:
    """A generator: red, green and blue of the guide times gains, plus `more` (128, 128); its alpha is the mask times `cover`.

    least: alpha is no less.  coloured: the identity adds its colours.  alpha: what that output is called.
    """
    graph = Graph()
    graph.take("view", (1, 7, 128, 128))
    graph.take("identity", (1, IDENTITY))
    ends = [graph.constant(np.array([at], np.int64)) for at in (3, 6, 7, 1)]
    face = graph.add("Slice", "view", ends[0], ends[1], ends[3])
    mask = graph.add("Slice", "view", ends[1], ends[2], ends[3])
    face = graph.add("Mul", face, graph.constant(np.array(gains, np.float32).reshape(1, 3, 1, 1)))
    if more is not None:
        face = graph.add("Add", face, graph.constant(more[None, None].astype(np.float32)))
    who = graph.add("MatMul", "identity", graph.constant(colours() * np.float32(coloured)))
    face = graph.add("Add", face, graph.add("Reshape", who, graph.constant(np.array([1, 3, 1, 1], np.int64))))
    whole = np.broadcast_to(np.asarray(cover, np.float32), (128, 128))[None, None].copy()
    mask = graph.add("Max", graph.add("Mul", mask, graph.constant(whole)), graph.constant(np.array([least], np.float32)))
    graph.give("face", _FACE, face)
    graph.give(alpha, _ALPHA, mask)
    return graph.save(path, opset=13)


def encoder(path: Path, spoiled: bool = False) -> Path:
    """An identity encoder: the mean colour of a portrait, times a matrix, of length 1.  spoiled: it gives no number."""
    graph = Graph()
    mean = graph.add("Reshape", graph.add("GlobalAveragePool", graph.take("portrait", _FACE)), graph.constant(np.array([1, 3])))
    matrix = np.random.default_rng(7).normal(size=(3, IDENTITY)).astype(np.float32) * np.float32(np.nan if spoiled else 1)
    graph.give("identity", (1, IDENTITY), graph.add("LpNormalization", graph.add("MatMul", mean, graph.constant(matrix)), axis=1, p=2))
    return graph.save(path, opset=13)


def weights(folder: Path, **options: Any) -> Path:
    """A folder with both files under the names that the package has."""
    generator(folder / GENERATOR, **options)
    encoder(folder / ENCODER)
    return folder


@contextmanager
def refiner(folder: Path, **options: Any) -> Iterator[tuple[Refiner, Counted]]:
    """A generator of such a file, whole, and its network, which keeps what it was fed."""
    session = Session(generator(folder / GENERATOR, **options), CPU)
    counted = Counted(session)
    yield Refiner(counted), counted
    session.close()


def somebody(seed: int = 0) -> NDArray[np.float32]:
    """An identity (128,) of length 1."""
    vector = np.random.default_rng(seed).normal(size=IDENTITY).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)
