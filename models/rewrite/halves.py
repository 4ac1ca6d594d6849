"""A swapper cut in two: what depends on the source alone runs once for a source, the rest in every frame."""

from __future__ import annotations

from math import prod
from typing import Any

from models.rewrite.graph import Graph
from models.rewrite.node import plain, used

_VIEWS = (
    "Cast", "Concat", "Constant", "Dropout", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Shape", "Slice", "Split", "Squeeze",
    "Tile", "Transpose", "Unsqueeze",
)  # fmt: skip
"""Operators that move numbers and make none."""
_SPREADING = ("Expand", "Tile")


def halves(graph: Graph, source: str) -> tuple[Graph, Graph] | None:
    """The half from the input `source` to all that the other half needs of it, and the other half, which has those as inputs.

    None where the source half would make nothing, or everything.  The graph itself is left as it was, but for unused nodes.
    Raises ValueError for a source that is no input.
    """
    if source not in (names := [port.name for port in graph.inputs]):
        raise ValueError(f"got a source {source}, expected one of the inputs {', '.join(names)}")
    graph.sweep()
    first = _first(graph, source)
    working = [node for node in graph.nodes if id(node) in first and not plain(node, *_VIEWS)]
    second = [node for node in graph.nodes if id(node) not in first]
    if not working or not any(name in names and name != source for node in second for name in used(node)):
        return None
    made = {name for node in graph.nodes if id(node) in first for name in node.output if name}
    across = list(dict.fromkeys(name for name in (*_needs(second), *(port.name for port in graph.outputs)) if name in made))
    ports = [graph.port(name) for name in across]
    if any(graph.fixed(name) is None or not port.type.tensor_type.elem_type for name, port in zip(across, ports, strict=True)):
        return None
    outputs = [port for port in graph.outputs if port.name not in made]
    rest = [port for port in graph.inputs if port.name != source or source in _needs(second)]
    one, other = graph.part([port for port in graph.inputs if port.name == source], ports), graph.part([*rest, *ports], outputs)
    return one, other


def _first(graph: Graph, source: str) -> set[int]:
    """The nodes of the source half, by their id: whatever comes from the source and no other input."""
    foreign = {port.name for port in graph.inputs if port.name != source}
    own, first = {source}, dict[int, Any]()
    for node in graph.nodes:
        names = set(used(node))
        if names & foreign:
            foreign.update(node.output)
        elif names & own:
            own.update(node.output)
            first[id(node)] = node
    # What only spreads numbers out is done behind the cut: there is less to hand over.
    for node in reversed(list(first.values())):
        inside = any(node.output[0] in used(other) for other in first.values())
        before, after = (graph.fixed(name) for name in (node.input[0], node.output[0]))
        if plain(node, *_SPREADING) and not inside and (not before or not after or prod(after) > prod(before)):
            del first[id(node)]
    return set(first)


def _needs(nodes: list[Any]) -> list[str]:
    return [name for node in nodes for name in used(node)]


__all__ = ["halves"]
