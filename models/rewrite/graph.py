"""A graph while it is rewritten: nodes, constants as arrays, and the shapes that are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.network import Array
from models.rewrite.node import constant, ordered, used

Shape = tuple[int | None, ...]
Parts = tuple[Any, dict[str, Array]]
"""A ModelProto, and by name the values of those of its initializers that it declares but does not hold."""

_SMALL = 2**10
"""Elements of a constant that shapes may depend on; larger ones are data."""
_WHOLE = 2**31 - 2**20
"""Bytes that one protobuf can hold."""


class Graph:
    """The graph of a model, to be changed in place; the model that it was read from stays as it is.

    nodes: NodeProto, in any order until written.  constants: initializers and Constant nodes by name, never written to.
    inputs, outputs: ValueInfoProto.  opset: version of ONNX's own operators.
    """

    def __init__(self, model: Any) -> None:
        import onnx

        graph = model.graph
        self._frame = onnx.ModelProto(
            ir_version=model.ir_version,
            producer_name=model.producer_name,
            producer_version=model.producer_version,
            domain=model.domain,
            model_version=model.model_version,
            doc_string=model.doc_string,
            opset_import=model.opset_import,
            metadata_props=model.metadata_props,
            functions=model.functions,
            graph=onnx.GraphProto(name=graph.name),
        )
        self.opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=1)
        self.constants: dict[str, Array] = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        # Before IR version 4 every initializer had to be listed as an input too.
        self.inputs = [_copy(port) for port in graph.input if port.name not in self.constants]
        self.outputs = [_copy(port) for port in graph.output]
        self.nodes: list[Any] = []
        for node in graph.node:
            value = constant(node)
            if value is None:
                self.nodes.append(_copy(node))
            else:
                self.constants[node.output[0]] = value
        self._said = {port.name: _copy(port) for port in graph.value_info}
        self._ports: dict[str, Any] = {}
        self._taken = {*self.constants, *(port.name for port in self.inputs)}
        self._taken.update(name for node in self.nodes for name in (node.name, *node.output))
        self._count = 0

    def shape(self, name: str) -> Shape | None:
        """A tensor's shape as far as it is known, with None for a side that may vary; None where not even the rank is."""
        if name in self.constants:
            return self.constants[name].shape
        kind = self.port(name).type.tensor_type
        if not kind.HasField("shape"):
            return None
        return tuple(side.dim_value if side.HasField("dim_value") and side.dim_value > 0 else None for side in kind.shape.dim)

    def fixed(self, name: str) -> tuple[int, ...] | None:
        """A tensor's shape if all of it is known."""
        shape = self.shape(name)
        return None if shape is None or None in shape else tuple(side for side in shape if side is not None)

    def port(self, name: str) -> Any:
        """What is known of a tensor that is made or put in, as ValueInfoProto."""
        if name not in self._ports:
            self._ports = self._infer()
        found = self._ports[name]
        return self._said[name] if name in self._said and not found.type.tensor_type.HasField("shape") else found

    def renew(self) -> None:
        """Have shapes worked out again, now that more is constant."""
        self._ports = {}

    def makers(self) -> dict[str, Any]:
        """The node that makes each tensor."""
        return {name: node for node in self.nodes for name in node.output if name}

    def users(self) -> dict[str, list[Any]]:
        """The nodes that use each tensor, as often as they do; None stands for the caller, who uses the outputs."""
        found: dict[str, list[Any]] = {port.name: [None] for port in self.outputs}
        for node in self.nodes:
            for name in used(node):
                found.setdefault(name, []).append(node)
        return found

    def add(self, kind: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        """Append a node with one output, under a new name if none is given, and return that name."""
        from onnx import helper

        output = output or self.name(kind)
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=self.name(kind), **attributes))
        return output

    def constant(self, value: Any, like: Any = np.int64) -> str:
        """A new constant and its name."""
        name = self.name("constant")
        self.constants[name] = np.ascontiguousarray(np.asarray(value, like))
        return name

    def name(self, stem: str) -> str:
        """A name that nothing in this graph has."""
        while True:
            self._count += 1
            name = f"{stem}/{self._count}"
            if name not in self._taken:
                self._taken.add(name)
                return name

    def remove(self, nodes: Sequence[Any]) -> None:
        """Take nodes out."""
        gone = {id(node) for node in nodes}
        self.nodes = [node for node in self.nodes if id(node) not in gone]

    def sweep(self) -> None:
        """Drop nodes and constants that no output depends on, and bring the nodes into an order in which they can run."""
        makers = self.makers()
        self.nodes = ordered([makers[port.name] for port in self.outputs if port.name in makers], makers)
        wanted = {name for node in self.nodes for name in used(node)} | {port.name for port in self.outputs}
        self.constants = {name: value for name, value in self.constants.items() if name in wanted}

    def part(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> Graph:
        """The part of this graph that lies between tensors, given as ValueInfoProto; constants are shared, not copied."""
        import copy

        other = copy.copy(self)
        known = {port.name for port in inputs}
        other.inputs, other.outputs = [_copy(port) for port in inputs], [_copy(port) for port in outputs]
        other.nodes = [_copy(node) for node in self.nodes if not known & set(node.output)]
        other._frame, other._taken, other._ports = _copy(self._frame), set(self._taken), {}
        other.sweep()
        return other

    def parts(self, above: int = 2**16) -> Parts:
        """The model, with the values of constants of more than `above` bytes beside it."""
        apart = {name: value for name, value in self.constants.items() if value.nbytes > above}
        return self._model(apart), apart

    def whole(self) -> Any:
        """The model in one ModelProto; raises ValueError where it would be larger than a protobuf can be."""
        size = sum(value.nbytes for value in self.constants.values())
        if size > _WHOLE:
            raise ValueError(f"got a model of {size >> 20} MB, expected one below 2 GB; take it in parts")
        return self._model({})

    def _model(self, apart: dict[str, Array]) -> Any:
        from onnx import numpy_helper

        self.sweep()
        model = _copy(self._frame)
        model.graph.node.extend(self.nodes)
        model.graph.input.extend(self.inputs)
        model.graph.output.extend(self.outputs)
        for name, value in self.constants.items():
            model.graph.initializer.append(_declared(name, value) if name in apart else numpy_helper.from_array(value, name))
        return model

    def _infer(self) -> dict[str, Any]:
        from onnx import ValueInfoProto, helper, numpy_helper, shape_inference

        model = _copy(self._frame)
        model.graph.node.extend(ordered(self.nodes, self.makers()))
        model.graph.input.extend(self.inputs)
        for name, value in self.constants.items():
            if value.size > _SMALL:
                model.graph.input.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape))
            else:
                model.graph.initializer.append(numpy_helper.from_array(value, name))
        model.graph.output.extend(self.outputs)
        graph = shape_inference.infer_shapes(model, data_prop=True).graph
        unknown = {name: ValueInfoProto(name=name) for node in self.nodes for name in node.output}
        return unknown | {port.name: port for port in (*graph.value_info, *graph.input, *graph.output)}


def _declared(name: str, value: Array) -> Any:
    from onnx import TensorProto, helper

    tensor = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(value.dtype), dims=value.shape)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="apart")
    return tensor


def _copy(message: Any) -> Any:
    other = type(message)()
    other.CopyFrom(message)
    return other


__all__ = ["Graph", "Parts", "Shape"]
