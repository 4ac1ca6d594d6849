"""Which inputs each tile of a convolution reads, with padding, stride and doubling of the picture worked into the tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.rewrite.toom import filtering

Reals = NDArray[np.float64]
Padding = Literal["constant", "reflect", "edge"]
Doubling = Literal["linear", "nearest"]

_WEIGHTS: dict[str, tuple[dict[int, float], dict[int, float]]] = {
    "linear": ({-1: 0.25, 0: 0.75}, {0: 0.75, 1: 0.25}),
    "nearest": ({0: 1.0}, {0: 1.0}),
}
"""Of the inputs around i, in the doubled picture's pixels 2 i and 2 i + 1."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a convolution, cut into tiles of m outputs.

    index: (p, tiles) int64, the input that a tile reads at each of its p places, -1 for zero.  inputs: (n, p), kernel (n, taps)
    and outputs (m, n): the matrices of models.rewrite.toom, with what lies between input and convolution worked into the first.
    size: outputs in all; the last tile may reach beyond them.
    """

    index: NDArray[np.int64]
    inputs: Reals
    kernel: Reals
    outputs: Reals
    size: int


def axis(
    size: int, m: int, taps: int, stride: int, pads: tuple[int, int], padding: Padding = "constant", doubling: Doubling | None = None
) -> Axis | None:
    """Tables for `size` inputs, doubled if asked for, padded, and correlated; None where no such tables exist."""
    found = filtering(m, taps, stride)
    between = size * (2 if doubling else 1)
    outputs = (between + sum(pads) - taps) // stride + 1
    if outputs < 1 or (padding == "reflect" and max(pads) >= between):
        return None
    starts = np.arange(-(-outputs // m)) * found.step - pads[0]
    places = starts + np.arange(found.inputs.shape[1])[:, None]
    # Beyond the padding lies what no wanted output depends on.
    outside = ((places < 0) | (places >= between)) & (places < between + pads[1])
    if doubling is None:
        index = np.where(places < between + pads[1], _inside(places, size, padding), -1)
        return Axis(index, found.inputs, found.kernel, found.outputs, outputs)
    if found.step % 2 or (padding == "reflect" and outside.any()):
        return None
    index, spread = _doubled(starts, places, size, doubling)
    inputs = found.inputs @ spread
    if padding == "constant":
        # Carried on, the doubled picture has the value of its border outside, and not the zero of the padding.
        wrong = np.flatnonzero(outside.any(axis=1))
        index = np.concatenate([index, np.where(outside[wrong], np.where(places[wrong] < 0, 0, size - 1), -1)])
        inputs = np.concatenate([inputs, -found.inputs[:, wrong]], axis=1)
    return Axis(index, inputs, found.kernel, found.outputs, outputs)


def _inside(places: NDArray[np.int64], size: int, padding: Padding) -> NDArray[np.int64]:
    if padding == "constant":
        return np.where((places < 0) | (places >= size), -1, places)
    if padding == "reflect":
        places = np.abs(places)
        places = np.where(places >= size, 2 * (size - 1) - places, places)
    return np.clip(places, 0, size - 1)


def _doubled(
    starts: NDArray[np.int64], places: NDArray[np.int64], size: int, doubling: Doubling
) -> tuple[NDArray[np.int64], Reals]:
    """Which inputs a tile reads (p, tiles), and how the places of the doubled picture come from them (places, p)."""
    even = int(starts[0]) // 2
    wanted: list[dict[int, float]] = []
    for place in places[:, 0]:
        middle, odd = divmod(int(place), 2)
        wanted.append({middle + beside - even: weight for beside, weight in _WEIGHTS[doubling][odd].items()})
    slots = sorted({slot for weights in wanted for slot in weights})
    spread = np.array([[weights.get(slot, 0.0) for slot in slots] for weights in wanted])
    index = np.clip(np.array(slots)[:, None] + starts // 2, 0, size - 1)
    return index, spread


__all__ = ["Axis", "Doubling", "Padding", "axis"]
