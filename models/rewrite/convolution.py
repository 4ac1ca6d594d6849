"""Convolutions as a graph holds them: with the padding and the doubling of the picture before them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.rewrite.graph import Graph
from models.rewrite.node import attributes, plain
from models.rewrite.tiles import Doubling, Padding

_DOUBLINGS: dict[tuple[str, str, str], Doubling] = {
    ("linear", "half_pixel", ""): "linear",
    ("linear", "pytorch_half_pixel", ""): "linear",
    ("nearest", "asymmetric", "floor"): "nearest",
    ("nearest", "half_pixel", "round_prefer_floor"): "nearest",
    ("nearest", "half_pixel", "round_prefer_ceil"): "nearest",
}


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution of x (1, c, h, w) with constant weights (k, c, taps, taps) and the same stride both ways.

    node: the Conv.  size: (h, w).  pads: top, left, bottom, right.  doubling: of x, before the padding.
    """

    node: Any
    x: str
    weights: str
    bias: str | None
    size: tuple[int, int]
    stride: int
    pads: tuple[int, int, int, int]
    padding: Padding
    doubling: Doubling | None


def convolution(graph: Graph, makers: dict[str, Any], node: Any) -> Convolution | None:
    """How a node convolves one picture; None for other nodes, groups, gaps between taps, and shapes that are not known."""
    if not plain(node, "Conv") or node.input[1] not in graph.constants:
        return None
    weights, given = graph.constants[node.input[1]], attributes(node)
    strides = given.get("strides", [1, 1])
    straight = given.get("group", 1) == 1 and given.get("dilations", [1, 1]) == [1, 1] and strides[0] == strides[-1]
    shape = graph.fixed(node.input[0])
    if weights.ndim != 4 or weights.dtype != np.float32 or not straight or given.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return None
    if shape is None or len(shape) != 4 or shape[0] != 1:
        return None
    top, left, bottom, right = given.get("pads", [0, 0, 0, 0])
    x, padding, doubling = str(node.input[0]), "constant", None
    if not any((top, left, bottom, right)) and (found := _padded(graph, makers.get(x))):
        x, (top, left, bottom, right), padding = found
    # A reflection of what was doubled cannot be read from what was not.
    if padding != "reflect" and (doubled := _doubled(graph, makers.get(x))):
        x, doubling = doubled
    size = graph.fixed(x)
    if size is None:
        return None
    bias = str(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    pads = (top, left, bottom, right)
    return Convolution(node, x, str(node.input[1]), bias, (size[2], size[3]), strides[0], pads, padding, doubling)  # type: ignore[arg-type]


def padding(graph: Graph, node: Any) -> tuple[str, list[int], str, float] | None:
    """Of a Pad: its input, how much is put before and after each axis, its mode and value; None where those are not constant."""
    if not plain(node, "Pad"):
        return None
    given = attributes(node)
    amounts, value = given.get("pads"), given.get("value", 0.0)
    if len(node.input) > 1:
        constant = graph.constants.get(node.input[1])
        amounts = None if constant is None or (len(node.input) > 3 and node.input[3]) else constant.tolist()
    if len(node.input) > 2 and node.input[2]:
        constant = graph.constants.get(node.input[2])
        amounts, value = (None, 0.0) if constant is None or constant.size != 1 else (amounts, float(constant.reshape(())))
    return None if amounts is None else (str(node.input[0]), [int(amount) for amount in amounts], given.get("mode", "constant"), value)


def _padded(graph: Graph, node: Any) -> tuple[str, tuple[int, int, int, int], str] | None:
    found = padding(graph, node)
    if found is None:
        return None
    x, amounts, mode, value = found
    wanted = len(amounts) == 8 and not any(amounts[axis] for axis in (0, 1, 4, 5)) and min(amounts) >= 0
    if not wanted or mode not in ("constant", "reflect", "edge") or (mode == "constant" and value):
        return None
    return x, (amounts[2], amounts[3], amounts[6], amounts[7]), mode


def _doubled(graph: Graph, node: Any) -> tuple[str, Doubling] | None:
    """What a node makes twice as high and wide, and how."""
    if not plain(node, "Resize") or graph.opset < 11:
        return None
    given = attributes(node)
    mode = given.get("mode", "nearest")
    place = given.get("coordinate_transformation_mode", "half_pixel")
    doubling = _DOUBLINGS.get((mode, place, given.get("nearest_mode", "round_prefer_floor") if mode == "nearest" else ""))
    before, after = graph.fixed(node.input[0]), graph.fixed(node.output[0])
    if doubling is None or before is None or after is None or len(before) != 4 or given.get("antialias", 0) or "axes" in given:
        return None
    # A scale that only rounds to twice the size samples elsewhere.
    scales = graph.constants.get(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    exact = scales is None or scales.size == 0 or scales.tolist() == [1, 1, 2, 2]
    return (str(node.input[0]), doubling) if exact and after == (*before[:2], 2 * before[2], 2 * before[3]) else None


__all__ = ["Convolution", "convolution", "padding"]
