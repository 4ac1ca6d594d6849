"""Convolutions on a processor as products of matrices, fewer than summing up takes.

Pictures are cut into tiles; each tile's inputs and the weights are brought into a space in which a convolution is one product for
each of its points, so that all tiles together are one matrix product a point (Lavin & Gray, "Fast Algorithms for Convolutional
Neural Networks", 2016).  All of it is nodes that every ONNX Runtime has: what tiles read is one Gather, which pads as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from models.network import Array
from models.rewrite.convolution import Convolution, convolution
from models.rewrite.graph import Graph
from models.rewrite.tiles import Axis, axis

# What things cost on a processor, in multiply-adds of ONNX Runtime's own convolution; measured with one thread.
_PRODUCT = 1.35
"""A multiply-add of the products, whose matrices are smaller and come from memory once a picture."""
_MOVED = 20.0
"""A number that goes into or out of a transform."""
_PICKED = 27.0
"""A number that a tile reads."""
_TURNED = 55.0
"""A number of the input whose channels come last, and the same for the output."""
_WORTH = 0.85
"""Of the convolution's cost: what is gained less than this is left, as machines differ."""
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


def winograd(graph: Graph, memory: int) -> int:
    """Replace the convolutions for which it pays, most gain for a byte first, while their weights grow by at most `memory` bytes.

    Returns how many.  The result differs by rounding, about 1.5e-6 of a convolution's deviation.
    """
    makers = graph.makers()
    found = [work for node in graph.nodes if (work := convolution(graph, makers, node))]
    chosen = choose([plans(graph, work) for work in found], memory)
    for plan in chosen:
        _replace(graph, plan)
    graph.sweep()
    return len(chosen)


def choose(options: list[list[Plan]], memory: int) -> list[Plan]:
    """At most one plan of each list: the best for its memory, while there is some, and better ones while there still is."""
    chosen: dict[int, Plan] = {}
    while True:
        steps = [
            ((plan.saved - old.saved) / max(plan.size - old.size, 1), number, plan)
            for number, ways in enumerate(options)
            for plan in ways
            for old in [chosen.get(number, Plan(plan.of, plan.rows, plan.columns, 0.0, 0))]
            if plan.saved > old.saved and plan.size - old.size <= memory
        ]
        if not steps:
            return [chosen[number] for number in sorted(chosen)]
        _, number, plan = max(steps, key=lambda step: step[:2])
        memory -= plan.size - (chosen[number].size if number in chosen else 0)
        chosen[number] = plan


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
        if quick < _WORTH * plain:
            points = len(rows.inputs) * len(columns.inputs)
            found.append(Plan(work, rows, columns, plain - quick, 4 * shape[0] * shape[1] * (points - prod(shape[2:]))))
    return found


def _costs(shape: tuple[int, ...], work: Convolution, rows: Axis, columns: Axis) -> tuple[float, float]:
    """Multiply-adds of a convolution as it is, and what its tiles cost."""
    wide, narrow = shape[:2]
    area = rows.size * columns.size
    # Making the doubled or padded picture costs about as much as turning it.
    between = narrow * prod(work.size) * (4 if work.doubling else 1)
    plain = wide * narrow * prod(shape[2:]) * area + (_TURNED * between if work.doubling or work.padding != "constant" else 0)
    points, places, outputs = (prod(len(way) for way in ways) for ways in _sides(rows, columns))
    tiles = rows.index.shape[1] * columns.index.shape[1]
    products = _PRODUCT * points * wide * narrow * tiles
    into = tiles * narrow * (_PICKED * places + points * places + _MOVED * (points + places))
    out = tiles * wide * (points * outputs + _MOVED * (points + outputs))
    return plain, products + into + out + _TURNED * (narrow * prod(work.size) + 2 * wide * area)


def _sides(rows: Axis, columns: Axis) -> list[tuple[Array, Array]]:
    return [(rows.inputs, columns.inputs), (rows.index, columns.index), (rows.outputs, columns.outputs)]


def _replace(graph: Graph, plan: Plan) -> None:
    """Put the nodes for a plan in place of its convolution."""
    work, rows, columns = plan.of, plan.rows, plan.columns
    weights = graph.constants[work.weights]
    wide, narrow = weights.shape[:2]
    into, out = np.kron(rows.inputs, columns.inputs), np.kron(rows.outputs, columns.outputs)
    points, places = into.shape
    high, broad = rows.index.shape[1], columns.index.shape[1]
    tiles = high * broad
    graph.remove([work.node])
    picked = graph.add("Gather", _pixels(graph, work, narrow, _places(rows, columns, work.size)), axis=0)
    spread = _product(graph, into, picked, (places, tiles * narrow), (points, tiles, narrow))
    turned = graph.add("Transpose", [spread], perm=[0, 2, 1])
    made = graph.add("MatMul", [graph.constant(_transformed(weights, rows, columns), np.float32), turned])
    m, n = len(rows.outputs), len(columns.outputs)
    y = _product(graph, out, made, (points, wide * tiles), (1, m * n * wide, high, broad) if m == n else (m, n, wide, high, broad))
    if m == n:
        y = graph.add("DepthToSpace", [y], blocksize=m, mode="DCR")
    else:
        y = graph.add("Reshape", [graph.add("Transpose", [y], perm=[2, 3, 0, 4, 1]), graph.constant([1, wide, high * m, broad * n])])
    if (rows.size, columns.size) != (high * m, broad * n):
        ends = [graph.constant(value) for value in ([0, 0], [rows.size, columns.size], [2, 3])]
        y = graph.add("Slice", [y, *ends])
    if work.bias is not None:
        y = graph.add("Add", [y, graph.add("Reshape", [work.bias, graph.constant([1, wide, 1, 1])])])
    graph.add("Identity", [y], work.node.output[0])


def _pixels(graph: Graph, work: Convolution, narrow: int, index: Array) -> list[str]:
    """The picture with its channels last, one pixel a row, with a row of zeros behind it where that is needed; and the index."""
    area = prod(work.size)
    flat = graph.add("Reshape", [work.x, graph.constant([narrow, area])])
    pixels = graph.add("Transpose", [flat], perm=[1, 0])
    if (index == area).any():
        pixels = graph.add("Concat", [pixels, graph.constant(np.zeros((1, narrow)), np.float32)], axis=0)
    return [pixels, graph.constant(index)]


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
