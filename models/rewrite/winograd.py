"""Convolutions on a processor as products of matrices, fewer than summing up takes.

Pictures are cut into tiles; each tile's inputs and the weights are brought into a space in which a convolution is one product for
each of its points, so that all tiles together are one matrix product a point (Lavin & Gray, "Fast Algorithms for Convolutional
Neural Networks", 2016).  All of it is nodes that every ONNX Runtime has: what tiles read is one Gather, which pads as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from models.network import Array
from models.rewrite.convolution import Convolution, convolution
from models.rewrite.graph import Graph
from models.rewrite.order import Tiles, keep, put
from models.rewrite.tiles import Axis, axis

# What things cost on a processor, in multiply-adds of ONNX Runtime's own convolution; measured with one thread.
_PRODUCT = 1.2
"""A multiply-add of the products, whose matrices are smaller."""
_WEIGHT = 22.0
"""A number of their weights at least, which come from memory once a picture."""
_STRIDED = 1.12
"""A multiply-add of ONNX Runtime's own convolution with a stride."""
_MOVED = 20.0
"""A number that goes into or out of a transform."""
_PICKED = 27.0
"""A number that a tile reads."""
_TURNED = 55.0
"""A number of the input whose channels come last, and the same for the output."""
_WORTH = 0.85
"""Of the convolution's cost: what is gained less than this is left, as machines differ."""
_SPACE = 2**28
"""Bytes at most of what lies between two steps; a few times that is held at once."""
_BLOCKS = ((4, 4), (2, 4), (2, 2))
"""Sizes of tiles; larger ones take fewer products, more memory, and round more."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One way to compute a convolution.

    saved: multiply-adds.  size: bytes that its weights take more than they do now.
    """

    of: Convolution
    rows: Axis
    columns: Axis
    saved: float
    size: int


@dataclass(frozen=True, slots=True)
class _Done:
    """What models.rewrite.order must know of a convolution that was replaced."""

    reader: tuple[Any, Any]
    made: dict[str, tuple[str, Tiles]]


def winograd(graph: Graph, memory: int) -> int:
    """Replace the convolutions for which it pays, most gain for a byte first, while their weights grow by at most `memory` bytes.

    Returns how many.  The result differs by rounding, about 1.5e-6 of a convolution's deviation.
    """
    makers = graph.makers()
    # Before version 11 what tiles are put together with lacks an order.
    found = [work for node in graph.nodes if graph.opset >= 11 and (work := convolution(graph, makers, node))]
    chosen = choose([plans(graph, work) for work in found], memory)
    done = [_replace(graph, plan) for plan in chosen]
    keep(graph, {name: made for one in done for name, made in one.made.items()}, [one.reader for one in done])
    return len(chosen)


def choose(options: list[list[Plan]], memory: int) -> list[Plan]:
    """At most one plan of each list: the best for its memory, while there is some, and better ones while there still is."""
    chosen: dict[int, Plan] = {}
    while True:
        steps = []
        for number, ways in enumerate(options):
            old = chosen.get(number)
            saved, size = (old.saved, old.size) if old else (0.0, 0)
            better = [plan for plan in ways if plan.saved > saved and plan.size - size <= memory]
            steps += [((plan.saved - saved) / max(plan.size - size, 1), number, plan, plan.size - size) for plan in better]
        if not steps:
            return [chosen[number] for number in sorted(chosen)]
        _, number, plan, more = max(steps, key=lambda step: step[:2])
        chosen[number] = plan
        memory -= more


def plans(graph: Graph, work: Convolution) -> list[Plan]:
    """The ways that are worth it."""
    shape = graph.constants[work.weights].shape
    if shape[2:] != (3, 3) or work.stride > 2:
        return []
    found = []
    for blocks in _BLOCKS:
        rows, columns = (
            axis(work.size[i], blocks[i], 3, work.stride, (work.pads[i], work.pads[i + 2]), work.padding, work.doubling) for i in (0, 1)
        )
        if rows is None or columns is None:
            return []
        plain, quick = _costs(shape, work, rows, columns)
        points = len(rows.inputs) * len(columns.inputs)
        space = 4 * points * rows.index.shape[1] * columns.index.shape[1] * max(shape[:2])
        if quick < _WORTH * plain and space <= _SPACE:
            found.append(Plan(work, rows, columns, plain - quick, 4 * shape[0] * shape[1] * (points - prod(shape[2:]))))
    return found


def _costs(shape: tuple[int, ...], work: Convolution, rows: Axis, columns: Axis) -> tuple[float, float]:
    """Multiply-adds of a convolution as it is, and what its tiles cost."""
    wide, narrow = shape[:2]
    area = rows.size * columns.size
    # Making the doubled or padded picture costs about as much as turning it.
    between = narrow * prod(work.size) * (4 if work.doubling else 1)
    plain = wide * narrow * prod(shape[2:]) * area * (_STRIDED if work.stride > 1 else 1)
    plain += (_TURNED * between if work.doubling or work.padding != "constant" else 0.0)
    points, places, outputs = (prod(len(way) for way in ways) for ways in _sides(rows, columns))
    tiles = rows.index.shape[1] * columns.index.shape[1]
    products = max(_PRODUCT * tiles, _WEIGHT) * points * wide * narrow
    into = tiles * narrow * (_PICKED * places + points * places + _MOVED * (points + places))
    out = tiles * wide * (points * outputs + _MOVED * (points + outputs))
    return plain, products + into + out + _TURNED * (narrow * prod(work.size) + 2 * wide * area)


def _sides(rows: Axis, columns: Axis) -> list[tuple[Array, Array]]:
    return [(rows.inputs, columns.inputs), (rows.index, columns.index), (rows.outputs, columns.outputs)]


def _replace(graph: Graph, plan: Plan) -> _Done:
    """Put the nodes for a plan in place of its convolution."""
    work, rows, columns = plan.of, plan.rows, plan.columns
    weights = graph.constants[work.weights]
    wide, narrow = weights.shape[:2]
    into, out = np.kron(rows.inputs, columns.inputs), np.kron(rows.outputs, columns.outputs)
    points, places = into.shape
    tiles = Tiles(len(rows.outputs), len(columns.outputs), rows.index.shape[1], columns.index.shape[1])
    count = tiles.high * tiles.broad
    graph.remove([work.node])
    reader = _pixels(graph, work, narrow, _places(rows, columns, work.size))
    spread = _product(graph, into, reader[1].output[0], (places, count * narrow), (points, count, narrow))
    turned = graph.add("Transpose", [spread], perm=[0, 2, 1])
    made = graph.add("MatMul", [graph.constant(_transformed(weights, rows, columns), np.float32), turned])
    tiled = _product(graph, out, made, (points, wide * count), (len(out), wide, count))
    tiled = graph.add("Reshape", [graph.add("Transpose", [tiled], perm=[1, 0, 2]), graph.constant(tiles.tensor(wide))])
    if work.bias is not None:
        tiled = graph.add("Add", [tiled, graph.add("Reshape", [work.bias, graph.constant([1, wide, 1, 1])])])
    name = work.node.output[0]
    if (rows.size, columns.size) == (tiles.high * tiles.m, tiles.broad * tiles.n):
        put(graph, tiled, tiles, wide, name)
        return _Done(reader, {name: (tiled, tiles)})
    # What the last tiles hold beyond the picture belongs to nothing.
    ends = [graph.constant(value) for value in ([0, 0], [rows.size, columns.size], [2, 3])]
    graph.add("Slice", [put(graph, tiled, tiles, wide), *ends], name)
    return _Done(reader, {})


def _pixels(graph: Graph, work: Convolution, narrow: int, index: Array) -> tuple[Any, Any]:
    """The nodes that make the picture a list of pixels, with zeros behind it where that is needed, and pick what tiles read."""
    area = prod(work.size)
    graph.add("Reshape", [work.x, graph.constant([narrow, area])])
    reshape = graph.nodes[-1]
    pixels = graph.add("Transpose", [reshape.output[0]], perm=[1, 0])
    if (index == area).any():
        pixels = graph.add("Concat", [pixels, graph.constant(np.zeros((1, narrow)), np.float32)], axis=0)
    graph.add("Gather", [pixels, graph.constant(index)], axis=0)
    return reshape, graph.nodes[-1]


def _places(rows: Axis, columns: Axis, size: tuple[int, int]) -> Array:
    """Which pixel each tile reads at each of its places (places, tiles); the pixel behind the last one is zero."""
    y, x = rows.index[:, None, :, None], columns.index[None, :, None, :]
    index = np.where((y < 0) | (x < 0), prod(size), y * size[1] + x)
    return np.asarray(index.reshape(index.shape[0] * index.shape[1], -1))


def _product(graph: Graph, matrix: Array, x: str, shape: tuple[int, ...], after: tuple[int, ...]) -> str:
    flat = graph.add("Reshape", [x, graph.constant(shape)])
    product = graph.add("MatMul", [graph.constant(matrix, np.float32), flat])
    return graph.add("Reshape", [product, graph.constant(after)])


def _transformed(weights: Array, rows: Axis, columns: Axis) -> Array:
    """The weights at each point (points, k, c)."""
    wide, narrow, high, broad = weights.shape
    kernel = np.kron(rows.kernel, columns.kernel)
    result = np.empty((len(kernel), wide, narrow), np.float32)
    # In slices, as what is float64 is large.
    for start in range(0, wide, 64):
        some = weights[start : start + 64]
        taps = some.transpose(2, 3, 0, 1).reshape(high * broad, -1).astype(np.float64)
        result[:, start : start + 64] = (kernel @ taps).reshape(len(kernel), -1, narrow)
    return result


__all__ = ["Plan", "choose", "plans", "winograd"]
