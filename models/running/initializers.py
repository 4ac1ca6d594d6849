"""A network's big numbers beside its graph: a protocol buffer holds 2 GB at most, and costs a copy on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from models.network import Array

_LEAST = 1 << 20


Convert = Callable[[Any, list[str]], Any]
"""A graph whose values' types are told, to the same in fp16 but for the inputs and outputs that are named."""


def detach(model: Any, least: int = _LEAST) -> tuple[Any, dict[str, Array]]:
    """A copy of a ModelProto whose initializers from `least` bytes on are marked as lying outside, and these by their names.

    Those that lie outside already stay so; those that no node uses are left out, as ONNX Runtime would leave them out.
    """
    from onnx import TensorProto, numpy_helper

    small, arrays = _without_initializers(model), {}
    wanted = used(model.graph)
    for tensor in model.graph.initializer:
        if tensor.name not in wanted:
            continue
        if tensor.data_location == TensorProto.EXTERNAL or int(np.prod(tensor.dims, dtype=np.int64)) * 4 < least:
            small.graph.initializer.add().CopyFrom(tensor)
        else:
            arrays[tensor.name] = np.ascontiguousarray(numpy_helper.to_array(tensor))
            _mark(small.graph, tensor.name, tensor.data_type, tensor.dims)
    return small, arrays


def halve(model: Any, arrays: Mapping[str, Array], convert: Convert) -> tuple[Any, dict[str, Array]]:
    """A detached network in fp16, its inputs and outputs as they were."""
    from onnx import TensorProto, helper, shape_inference

    whole = shape_inference.infer_shapes(model)
    names = [value.name for value in (*whole.graph.input, *whole.graph.output)]
    # The converter wants to read every initializer; of one that goes in as an input it looks at the type alone.
    small = _without_initializers(whole)
    for tensor in whole.graph.initializer:
        if tensor.name in arrays:
            small.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
        else:
            small.graph.initializer.add().CopyFrom(tensor)
    half = convert(small, names)
    kinds = {value.name: value.type.tensor_type.elem_type for value in half.graph.input}
    kept = [value for value in half.graph.input if value.name not in arrays]
    del half.graph.input[:]
    half.graph.input.extend(kept)
    result = {}
    for name, array in arrays.items():
        result[name] = _rounded(array) if kinds[name] == TensorProto.FLOAT16 and array.dtype == np.float32 else array
        _mark(half.graph, name, kinds[name], array.shape)
    return half, result


def _mark(graph: Any, name: str, kind: int, shape: Sequence[int]) -> None:
    """Add an initializer that lies outside."""
    from onnx import TensorProto

    tensor = graph.initializer.add(name=name, data_type=kind, data_location=TensorProto.EXTERNAL)
    tensor.dims.extend(shape)
    # ONNX Runtime looks for the mark alone: the array is handed over by name before any file would be opened.
    tensor.external_data.add(key="location", value="memory")


def _rounded(array: Array) -> Array:
    limit = np.finfo(np.float16).max
    return np.clip(array, -limit, limit).astype(np.float16)


def used(graph: Any) -> set[str]:
    """The names that nodes of a GraphProto, and of the graphs within, take in, and its outputs."""
    names = {value.name for value in graph.output}
    for node in graph.node:
        names.update(node.input)
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                names |= used(inner)
    return names


def fingerprint(content: bytes, arrays: Mapping[str, Array]) -> str:
    """Of a network: 32 hexadecimal digits that differ where its graph or one of its numbers does."""
    digest = hashlib.blake2b(content, digest_size=16)
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].shape} {arrays[name].dtype.str}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _without_initializers(model: Any) -> Any:
    """A copy; CopyFrom would bring the big numbers along."""
    small = type(model)()
    _copy(model, small, "graph")
    _copy(model.graph, small.graph, "initializer")
    return small


def _copy(source: Any, target: Any, leave: str) -> None:
    """Every field but one."""
    for field, value in source.ListFields():
        if field.name == leave:
            continue
        if field.message_type is None and not hasattr(value, "extend"):
            setattr(target, field.name, value)
        elif hasattr(value, "extend"):
            getattr(target, field.name).extend(value)
        else:
            getattr(target, field.name).CopyFrom(value)


__all__ = ["Convert", "detach", "fingerprint", "halve", "used"]
