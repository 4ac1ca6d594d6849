"""A network's big numbers beside its graph: a protocol buffer holds 2 GB at most, and costs a copy on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from models.network import Array

_LEAST = 1 << 20


def detach(model: Any, least: int = _LEAST) -> tuple[Any, dict[str, Array]]:
    """A copy of a ModelProto whose initializers from `least` bytes on are marked as lying outside, and these by their names.

    Those that lie outside already stay so.
    """
    from onnx import TensorProto, numpy_helper
    from onnx.external_data_helper import set_external_data

    small, arrays = type(model)(), {}
    _copy(model, small, "graph")
    _copy(model.graph, small.graph, "initializer")
    for tensor in model.graph.initializer:
        kept = small.graph.initializer.add()
        if tensor.data_location == TensorProto.EXTERNAL or int(np.prod(tensor.dims, dtype=np.int64)) * 4 < least:
            kept.CopyFrom(tensor)
            continue
        arrays[tensor.name] = np.ascontiguousarray(numpy_helper.to_array(tensor))
        kept.name, kept.data_type = tensor.name, tensor.data_type
        kept.dims.extend(tensor.dims)
        # ONNX Runtime looks for the mark alone; the array is handed over by name before any file would be opened.
        kept.raw_data = b""
        set_external_data(kept, location="memory")
        kept.ClearField("raw_data")
    return small, arrays


def attach(model: Any, arrays: Mapping[str, Array]) -> Any:
    """The same ModelProto, now with these initializers inside; raises ValueError for a name that it has not."""
    from onnx import numpy_helper

    places = {tensor.name: tensor for tensor in model.graph.initializer}
    if unknown := arrays.keys() - places.keys():
        raise ValueError(f"got arrays for {', '.join(sorted(unknown))}, expected names of initializers")
    for name, array in arrays.items():
        places[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), name))
    return model


def fingerprint(content: bytes, arrays: Mapping[str, Array]) -> str:
    """Of a network: 32 hexadecimal digits that differ where its graph or one of its numbers does."""
    digest = hashlib.blake2b(content, digest_size=16)
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].shape} {arrays[name].dtype.str}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _copy(source: Any, target: Any, leave: str) -> None:
    """Every field but one, since CopyFrom would bring the big ones along."""
    for field, value in source.ListFields():
        if field.name == leave:
            continue
        if field.message_type is None and not hasattr(value, "extend"):
            setattr(target, field.name, value)
        elif hasattr(value, "extend"):
            getattr(target, field.name).extend(value)
        else:
            getattr(target, field.name).CopyFrom(value)


__all__ = ["attach", "detach", "fingerprint"]
