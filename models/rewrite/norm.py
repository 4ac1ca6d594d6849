"""Instance norm that was written by hand, from its parts, becomes one node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.network import Array
from models.rewrite.graph import Graph
from models.rewrite.node import attributes, plain


@dataclass(frozen=True, slots=True)
class _Found:
    """An instance norm of tensor x; nodes: what it is made of, its last one at the end."""

    x: str
    epsilon: Array
    nodes: list[Any]


def norm(graph: Graph, affine: bool = True) -> int:
    """Fuse (x - mean) / sqrt(variance + epsilon) over all but the first two axes into InstanceNormalization; how many there were.

    A factor and a summand for each channel behind it become its scale and shift if they are the same for all of a batch; with
    affine=False only if they are constants besides, as some providers want them.  A bias before it is taken away again by it,
    and dropped.  Ulyanov et al., "Instance Normalization", 2016.
    """
    makers = graph.makers()
    matches = [found for node in graph.nodes if (found := _match(graph, makers, node))]
    fused = sum(_fuse(graph, found, affine) for found in matches)
    if fused:
        # What is fused must be gone before, for it used the convolution as well.
        graph.sweep()
        _unbias(graph)
    return fused


def _match(graph: Graph, makers: dict[str, Any], node: Any) -> _Found | None:
    for centred, factor, between in _quotients(graph, makers, node):
        x, centring = _centred(graph, makers, centred)
        root = makers.get(factor)
        if x is None or not plain(root, "Sqrt"):
            continue
        total = makers.get(root.input[0])
        if not plain(total, "Add"):
            continue
        for variance, epsilon in (total.input, reversed(total.input)):
            small = graph.constants.get(epsilon)
            if small is None or small.size != 1 or small.dtype not in (np.float32, np.float16) or not small.reshape(()) > 0:
                continue
            mean = makers.get(variance)
            square = makers.get(_averaged(graph, mean))
            other, recentring = _centred(graph, makers, _squared(graph, square))
            if other == x:
                return _Found(x, small.reshape(()), [*centring, *recentring, square, mean, total, root, *between, node])
    return None


def _quotients(graph: Graph, makers: dict[str, Any], node: Any) -> list[tuple[str, str, list[Any]]]:
    """How a node may be read as numerator / denominator, and the nodes between it and those."""
    if plain(node, "Div"):
        return [(node.input[0], node.input[1], [])]
    if not plain(node, "Mul"):
        return []
    found = []
    for numerator, inverse in (node.input, reversed(node.input)):
        maker = makers.get(inverse)
        if plain(maker, "Reciprocal"):
            found.append((numerator, maker.input[0], [maker]))
        elif plain(maker, "Div") and _is(graph, maker.input[0], 1):
            found.append((numerator, maker.input[1], [maker]))
    return found


def _centred(graph: Graph, makers: dict[str, Any], name: str) -> tuple[str | None, list[Any]]:
    """The tensor whose mean over its pictures was taken off to get this one, and the nodes that did it."""
    node = makers.get(name)
    if not plain(node, "Sub"):
        return None, []
    mean = makers.get(node.input[1])
    return (str(node.input[0]), [mean, node]) if _averaged(graph, mean) == node.input[0] else (None, [])


def _averaged(graph: Graph, node: Any) -> str:
    """The tensor of which a node takes the mean over all axes but the first two, leaving those with length 1; else nothing."""
    if plain(node, "GlobalAveragePool"):
        return str(node.input[0])
    shape = graph.shape(node.input[0]) if plain(node, "ReduceMean") else None
    if shape is None or len(shape) < 3:
        return ""
    given = attributes(node)
    axes = given.get("axes")
    if len(node.input) > 1 and node.input[1]:
        axes = graph.constants.get(node.input[1])
    if not given.get("keepdims", 1) or axes is None or {int(axis) % len(shape) for axis in axes} != set(range(2, len(shape))):
        return ""
    return str(node.input[0])


def _squared(graph: Graph, node: Any) -> str:
    if plain(node, "Mul") and node.input[0] == node.input[1]:
        return str(node.input[0])
    return str(node.input[0]) if plain(node, "Pow") and _is(graph, node.input[1], 2) else ""


def _is(graph: Graph, name: str, number: float) -> bool:
    value = graph.constants.get(name)
    return value is not None and value.size == 1 and float(value.reshape(())) == number


def _fuse(graph: Graph, found: _Found, affine: bool) -> bool:
    users = graph.users()
    inside = {id(node) for node in found.nodes}
    # What others look at has to be made anyway.
    if any(user is None or id(user) not in inside for node in found.nodes[:-1] for name in node.output for user in users.get(name, [])):
        return False
    shape = graph.shape(found.x)
    if shape is None or shape[1] is None:
        return False
    end, gone = found.nodes[-1], [found.nodes[-1]]
    given: dict[str, str | None] = {"Mul": None, "Add": None}
    for operator in given:
        following = users[end.output[0]]
        other = _parameter(graph, following[0], operator, end.output[0], len(shape), shape[1]) if len(following) == 1 else None
        if other is None or not (affine or other in graph.constants):
            continue
        given[operator], end = other, following[0]
        gone.append(end)
    kind = found.epsilon.dtype
    scale, shift = (_vector(graph, name, shape[1], kind, start) for name, start in ((given["Mul"], 1), (given["Add"], 0)))
    graph.remove(gone)
    graph.add("InstanceNormalization", [found.x, scale, shift], end.output[0], epsilon=float(found.epsilon))
    return True


def _parameter(graph: Graph, node: Any, kind: str, name: str, rank: int, channels: int) -> str | None:
    """The node's other input, if it is one number for each channel."""
    if not plain(node, kind) or node.input[0] == node.input[1]:
        return None
    other = str(node.input[1] if node.input[0] == name else node.input[0])
    shape = graph.fixed(other)
    if shape is None or len(shape) > rank:
        return None
    return other if (1,) * (rank - len(shape)) + shape == (1, channels) + (1,) * (rank - 2) else None


def _vector(graph: Graph, name: str | None, channels: int, kind: Any, start: float) -> str:
    if name is None:
        return graph.constant(np.full(channels, start), kind)
    if name in graph.constants:
        return graph.constant(graph.constants[name].reshape(channels), kind)
    return graph.add("Reshape", [name, graph.constant([channels])])


def _unbias(graph: Graph) -> None:
    makers, users = graph.makers(), graph.users()
    for node in graph.nodes:
        before = makers.get(node.input[0]) if plain(node, "InstanceNormalization") else None
        if plain(before, "Conv") and len(before.input) == 3 and len(users[node.input[0]]) == 1:
            del before.input[2]


__all__ = ["norm"]
