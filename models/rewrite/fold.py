"""What can be known before a graph runs is put into it: shapes, arithmetic on constants, nodes that pass their input on."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from models.network import Array
from models.rewrite.graph import Graph
from models.rewrite.node import attributes, plain

# Made for shapes and parameters: nothing that works on pictures alone.
_KINDS = (
    "Abs", "Add", "Cast", "Ceil", "Concat", "ConstantOfShape", "Div", "Equal", "Expand", "Floor", "Gather", "Greater", "Identity",
    "Less", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Pow", "Range", "Reciprocal", "ReduceProd", "Reshape", "Slice", "Split", "Sqrt",
    "Squeeze", "Sub", "Tile", "Transpose", "Unsqueeze", "Where",
)
_LARGEST = 2**16
"""Elements of a constant that is worth making."""


def fold(graph: Graph) -> int:
    """Replace what does not depend on the inputs' values by constants; how many nodes that saved."""
    before = len(graph.nodes)
    graph.sweep()
    while _known(graph):
        graph.renew()
    _bypass(graph)
    graph.sweep()
    return before - len(graph.nodes)


def pin(graph: Graph) -> None:
    """Fix an open first size of the inputs at 1, a batch of one; a network is never given another here."""
    for port in graph.inputs:
        sides = port.type.tensor_type.shape.dim
        if len(sides) > 1 and sides[0].dim_value <= 0:
            sides[0].dim_value = 1
    graph.renew()


def evaluate(node: Any, inputs: list[Array | None], opset: int) -> list[Array]:
    """What a node of ONNX's own gives for these inputs."""
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    names = [name for name, value in zip(node.input, inputs, strict=True) if value is not None]
    # Types of the ports are not looked at.
    ports = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in part if name] for part in (names, node.output)]
    model = helper.make_model(helper.make_graph([node], "node", *ports), opset_imports=[helper.make_opsetid("", opset)])
    feeds = {name: value for name, value in zip(node.input, inputs, strict=True) if value is not None}
    return [np.asarray(value) for value in ReferenceEvaluator(model).run(None, feeds)]


def _known(graph: Graph) -> int:
    kept = {port.name for port in graph.outputs}
    done = []
    for node in graph.nodes:
        values = None if kept & set(node.output) else _values(graph, node)
        if values is not None:
            graph.constants.update(zip((name for name in node.output if name), values, strict=True))
            done.append(node)
    graph.remove(done)
    return len(done)


def _values(graph: Graph, node: Any) -> list[Array] | None:
    """What a node gives, if that is known."""
    if plain(node, "Shape"):
        shape, given = graph.fixed(node.input[0]), attributes(node)
        return None if shape is None else [np.array(shape[given.get("start", 0) : given.get("end", len(shape))], np.int64)]
    if not plain(node, *_KINDS) or any(name and name not in graph.constants for name in node.input):
        return None
    if node.op_type == "Identity":
        return [graph.constants[node.input[0]]]
    shapes = [graph.fixed(name) for name in (*node.input, *node.output) if name]
    if any(shape is None or prod(shape) > _LARGEST for shape in shapes):
        return None
    return evaluate(node, [graph.constants[name] if name else None for name in node.input], graph.opset)


def _bypass(graph: Graph) -> None:
    """Read behind nodes that give what they get."""
    kept, makers = {port.name for port in graph.outputs}, graph.makers()
    for node in graph.nodes:
        for place, name in enumerate(node.input):
            while plain(makers.get(name), "Identity") and name not in kept:
                name = makers[name].input[0]
            node.input[place] = name


__all__ = ["evaluate", "fold", "pin"]
