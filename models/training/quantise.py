"""The attribute encoder's wide convolutions in eight bits (QDQ): an option of the export, not what is shipped.

Measured on a trained network and a processor with VNNI: 5.4 ms of processor time a face instead of 5.9 on one thread, 1.4 MB instead
of 1.8.  It costs 0.12 levels of 255 in the mean of the face and 1.3 at most, 3.8 at the rim of alpha, and 0.0001 of the cosine of who
the result is (48 pairs).  Half a millisecond is not worth that, nor processors without VNNI on which nobody knows what it gains.
Behind AAD activations reach far, to 125 where those before it end at 15, and a byte for all channels is too coarse: with those convolutions
as well it takes a quarter less time, and the face is off by 3 levels in the mean and 20 in places, the cosine by 0.03.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.network import Array
from models.rewrite.graph import Graph
from models.rewrite.node import plain, used
from models.running.providers import Runtime
from models.session import Session

_WIDE = 32
"""Input channels from which on a convolution gains more than bringing its input into bytes and back costs."""
_REACH = 63
"""Weights take seven bits: processors without VNNI add up two products in sixteen, which must not overflow."""
_LEVELS = 255
_RUNTIME = Runtime(("CPU",), "fp32", 1)


def quantised(graph: Graph, feeds: Sequence[Mapping[str, Array]]) -> Graph:
    """The same graph with the wide convolutions that nothing of the identity reaches in eight bits, changed in place.

    feeds: of real faces, whose extremes become the ends of the range of a byte.  Weights have a scale for each channel.
    Raises ValueError without feeds.
    """
    if not feeds:
        raise ValueError("got nothing to calibrate on, expected views of faces")
    users = graph.users()
    chosen: list[tuple[Any, Any]] = []
    for node in _before(graph, "identity"):
        weights = graph.constants.get(node.input[1]) if plain(node, "Conv") else None
        if weights is not None and weights.shape[1] >= _WIDE and weights.shape[2] == 3:
            after = users[node.output[0]]
            chosen.append((node, after[0] if len(after) == 1 and plain(after[0], "Relu") else None))
    names = dict.fromkeys(name for node, relu in chosen for name in (node.input[0], (relu or node).output[0]))
    ranges = _ranges(graph, list(names), feeds)
    known: dict[str, str] = {}
    for node, relu in chosen:
        _replace(graph, node, relu, ranges, known)
    graph.renew()
    return graph


def _before(graph: Graph, name: str) -> list[Any]:
    """The nodes that an input does not reach, in the order in which they run."""
    graph.sweep()
    reached, found = {name}, []
    for node in graph.nodes:
        if reached & set(used(node)):
            reached.update(node.output)
        else:
            found.append(node)
    return found


def _ranges(graph: Graph, names: Sequence[str], feeds: Sequence[Mapping[str, Array]]) -> dict[str, tuple[float, float]]:
    """The least and the largest value of tensors over all feeds, 0 among them."""
    session = Session(graph.part(graph.inputs, [graph.port(name) for name in names]).whole(), _RUNTIME, name="calibration")
    found = dict.fromkeys(names, (0.0, 0.0))
    for feed in feeds:
        for name, value in zip(names, session(feed), strict=True):
            low, high = found[name]
            found[name] = min(low, float(value.min())), max(high, float(value.max()))
    session.close()
    return found


def _replace(graph: Graph, node: Any, relu: Any, ranges: Mapping[str, tuple[float, float]], known: dict[str, str]) -> None:
    """known: what each tensor is called once it has been through a byte."""
    x, y = node.input[0], (relu or node).output[0]
    weights, bias = (graph.constants[name].astype(np.float64) for name in node.input[1:])
    if x not in known:
        known[x] = _bytes(graph, x, ranges[x], None)
    scale = np.maximum(np.abs(weights).max(axis=(1, 2, 3)), 1e-12) / _REACH
    whole = np.rint(weights / scale[:, None, None, None])
    step = _step(*ranges[x]) * scale
    inputs = [known[x], _spread(graph, whole, np.int8, scale), _spread(graph, np.rint(bias / step), np.int32, step)]
    graph.remove([node, relu] if relu else [node])
    raw = graph.name("Conv")
    node.input[:], node.output[:] = inputs, [raw]
    graph.nodes.append(node)
    # A byte that cannot be below 0 is the ReLU itself.
    known[y] = _bytes(graph, raw, ranges[y], y)


def _bytes(graph: Graph, x: str, ends: tuple[float, float], output: str | None) -> str:
    step = _step(*ends)
    given = [graph.constant(step, np.float32), graph.constant(round(-ends[0] / step), np.uint8)]
    return graph.add("DequantizeLinear", [graph.add("QuantizeLinear", [x, *given]), *given], output)


def _spread(graph: Graph, whole: Array, like: Any, scale: Array) -> str:
    """Whole numbers for each channel, made float again."""
    return graph.add("DequantizeLinear", [graph.constant(whole, like), graph.constant(scale, np.float32)], axis=0)


def _step(low: float, high: float) -> float:
    return max(high - low, 1e-6) / _LEVELS


__all__ = ["quantised"]
