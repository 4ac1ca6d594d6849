"""Reflected borders from slices, for providers that know no other padding than with a value."""

from __future__ import annotations

from models.rewrite.convolution import padding
from models.rewrite.graph import Graph


def pads(graph: Graph) -> int:
    """Replace each Pad that reflects by single lines cut out and put on again, the same bit for bit; how many there were."""
    replaced = 0
    for node in list(graph.nodes) if graph.opset >= 10 else []:
        found = padding(graph, node)
        if found is None or found[2] != "reflect" or min(found[1]) < 0 or not any(found[1]):
            continue
        x, amounts = found[0], found[1]
        rank = len(amounts) // 2
        graph.remove([node])
        for axis in range(rank):
            before = [_line(graph, x, axis, place) for place in range(amounts[axis], 0, -1)]
            after = [_line(graph, x, axis, -1 - place) for place in range(1, amounts[axis + rank] + 1)]
            if before or after:
                x = graph.add("Concat", [*before, x, *after], axis=axis)
        # The last node takes the name of what it stands for.
        graph.nodes[-1].output[0] = node.output[0]
        replaced += 1
    return replaced


def _line(graph: Graph, x: str, axis: int, place: int) -> str:
    """One line of x across an axis; a negative place counts from the end, and is never the last."""
    return graph.add("Slice", [x, *(graph.constant([value]) for value in (place, place + 1, axis))])


__all__ = ["pads"]
