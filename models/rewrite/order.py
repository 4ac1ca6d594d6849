"""Pixels stay in the order of tiles between one convolution by tiles and the next, where what lies between does not mind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.network import Array
from models.rewrite.graph import Graph
from models.rewrite.node import plain

# What works on every pixel alike, wherever it lies; of several inputs the first is the picture.
_SINGLE = ("Clip", "Elu", "HardSigmoid", "Identity", "InstanceNormalization", "LeakyRelu", "Relu", "Sigmoid", "Softplus", "Tanh")
_PAIRED = ("Add", "Div", "Mul", "PRelu", "Sub")


@dataclass(frozen=True, slots=True)
class Tiles:
    """How a picture lies in tiles: each of m x n pixels, in `high` rows of `broad`.

    In their order a tensor is (1, k, m n, high broad): first what lies top left in every tile, then what lies right of that.
    """

    m: int
    n: int
    high: int
    broad: int

    def places(self) -> Array:
        """Where each pixel of the picture lies in the order of the tiles (pixels + 1,); what stands for zero stays behind them all."""
        y, x = np.divmod(np.arange(self.m * self.high * self.n * self.broad), self.n * self.broad)
        inside, tile = y % self.m * self.n + x % self.n, y // self.m * self.broad + x // self.n
        return np.append(inside * self.high * self.broad + tile, len(y))

    def tensor(self, channels: int) -> list[int]:
        """The shape of a tensor in this order."""
        return [1, channels, self.m * self.n, self.high * self.broad]


def put(graph: Graph, x: str, tiles: Tiles, channels: int, output: str | None = None) -> str:
    """A tensor in the order of tiles as a picture (1, k, h, w)."""
    shape = [1, channels, tiles.high * tiles.m, tiles.broad * tiles.n]
    if tiles.m == tiles.n:
        x = graph.add("Reshape", [x, graph.constant([1, channels * tiles.m * tiles.n, tiles.high, tiles.broad])])
        return graph.add("DepthToSpace", [x], output, blocksize=tiles.m, mode="CRD")
    x = graph.add("Reshape", [x, graph.constant([channels, tiles.m, tiles.n, tiles.high, tiles.broad])])
    return graph.add("Reshape", [graph.add("Transpose", [x], perm=[0, 3, 1, 4, 2]), graph.constant(shape)], output)


def keep(graph: Graph, tiled: Mapping[str, tuple[str, Tiles]], readers: Sequence[tuple[Any, Any]]) -> None:
    """Let readers read in the order of tiles what is made in it, with whatever lies between done in that order as well.

    tiled: by the name of a picture the same in the order of its tiles.  readers: of each the Reshape that makes the picture a list
    of pixels, and the Gather that picks from it.
    """
    known = dict(tiled)
    graph.sweep()
    for node in list(graph.nodes):
        shape = graph.fixed(node.output[0])
        found = _inputs(graph, node, shape, known) if shape and len(shape) == 4 else None
        if found is None or shape is None:
            continue
        inputs, tiles = found
        graph.remove([node])
        twin = type(node)()
        twin.CopyFrom(node)
        twin.input[:], twin.output[:] = inputs, [graph.name(node.op_type)]
        graph.nodes.append(twin)
        known[node.output[0]] = twin.output[0], tiles
        put(graph, twin.output[0], tiles, shape[1], node.output[0])
    for reshape, gather in readers:
        if reshape.input[0] in known:
            reshape.input[0], tiles = known[reshape.input[0]]
            gather.input[1] = graph.constant(tiles.places()[graph.constants[gather.input[1]]])
    graph.sweep()


def _inputs(
    graph: Graph, node: Any, shape: tuple[int, ...], known: dict[str, tuple[str, Tiles]]
) -> tuple[list[str], Tiles] | None:
    """A node's inputs in the order of tiles, and which; None where it minds the order, or has none of them."""
    names = list(node.input)
    if plain(node, *_SINGLE):
        return ([known[names[0]][0], *names[1:]], known[names[0]][1]) if names[0] in known else None
    tiles = {known[name][1] for name in names if name in known}
    if not plain(node, *_PAIRED) or len(tiles) != 1:
        return None
    (only,) = tiles
    inputs = []
    for name in names:
        sides = graph.fixed(name)
        if sides == shape:
            # Once brought into this order, what goes on beside the convolutions stays in it.
            known[name] = known.get(name) or (_taken(graph, name, only, shape[1]), only)
            inputs.append(known[name][0])
        elif sides is not None and all(side == 1 for side in sides[-2:]):
            inputs.append(name)
        else:
            return None
    return inputs, only


def _taken(graph: Graph, x: str, tiles: Tiles, channels: int) -> str:
    """A picture in the order of tiles."""
    shape = [channels, tiles.high, tiles.m, tiles.broad, tiles.n]
    if tiles.m == tiles.n:
        x = graph.add("SpaceToDepth", [x], blocksize=tiles.m)
        x = graph.add("Reshape", [x, graph.constant([tiles.m * tiles.n, channels, tiles.high * tiles.broad])])
        x = graph.add("Transpose", [x], perm=[1, 0, 2])
    else:
        x = graph.add("Transpose", [graph.add("Reshape", [x, graph.constant(shape)])], perm=[0, 2, 4, 1, 3])
    return graph.add("Reshape", [x, graph.constant(tiles.tensor(channels))])


__all__ = ["Tiles", "keep", "put"]
