"""Half floats become floats for processors, which compute with those anyway and round no better for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.rewrite.graph import Graph
from models.rewrite.node import plain


def widen(graph: Graph) -> int:
    """Keep every constant and tensor that is fp16 in fp32, inputs and outputs excepted; how many constants there were.

    A graph with nodes whose types lie elsewhere (in graphs inside them, or in other attributes) is left alone.
    """
    from onnx import TensorProto

    half, single = TensorProto.FLOAT16, TensorProto.FLOAT
    narrow = [name for name, value in graph.constants.items() if value.dtype == np.float16]
    ports = [port for port in (*graph.inputs, *graph.outputs) if port.type.tensor_type.elem_type == half]
    if not narrow or any(_typed(node, half) for node in graph.nodes):
        return 0
    for name in narrow:
        graph.constants[name] = graph.constants[name].astype(np.float32)
    for node in graph.nodes:
        if plain(node, "Cast"):
            for attribute in node.attribute:
                attribute.i = single if attribute.name == "to" and attribute.i == half else attribute.i
    inputs = {port.name for port in graph.inputs}
    for port in ports:
        inner = graph.name(port.name)
        taken, given = (port.name, inner) if port.name in inputs else (inner, port.name)
        for node in graph.nodes:
            names = node.input if port.name in inputs else node.output
            names[:] = [inner if name == port.name else name for name in names]
            if port.name not in inputs:
                node.input[:] = [inner if name == port.name else name for name in node.input]
        graph.add("Cast", [taken], given, to=single if port.name in inputs else half)
    graph.renew()
    return len(narrow)


def _typed(node: Any, half: int) -> bool:
    """Whether a node says a type somewhere else than in the target of a Cast."""
    for attribute in node.attribute:
        inside = attribute.HasField("g") or attribute.graphs
        told = attribute.name == "dtype" and attribute.i == half
        if inside or told or (attribute.HasField("t") and attribute.t.data_type == half):
            return True
    return False


__all__ = ["widen"]
