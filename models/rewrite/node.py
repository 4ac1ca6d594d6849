"""Nodes of a graph: what they use, what they are, and the order in which they can run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from models.network import Array


def used(node: Any) -> Iterator[str]:
    """The names of the tensors that a node uses, also in graphs inside it."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            for child in inner.node:
                yield from used(child)
            yield from (port.name for port in inner.output)


def attributes(node: Any) -> dict[str, Any]:
    """A node's attributes as Python's own values; text as str."""
    from onnx import helper

    values = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}


def plain(node: Any, *kinds: str) -> TypeGuard[Any]:
    """Whether a node is one of ONNX's own operators of these kinds."""
    return node is not None and node.op_type in kinds and node.domain in ("", "ai.onnx")


def ordered(ends: Sequence[Any], makers: Mapping[str, Any]) -> list[Any]:
    """The nodes that these depend on and they themselves, each after what it depends on."""
    order, seen = [], dict[int, bool]()
    stack = list(reversed(ends))
    while stack:
        node = stack[-1]
        if id(node) in seen:
            stack.pop()
            if not seen[id(node)]:
                seen[id(node)] = True
                order.append(node)
            continue
        seen[id(node)] = False
        before = [makers[name] for name in used(node) if name in makers]
        stack.extend(other for other in reversed(before) if id(other) not in seen)
    return order


def constant(node: Any) -> Array | None:
    """The value of a Constant, None for others and for what is no array."""
    from onnx import numpy_helper

    if not plain(node, "Constant") or len(node.attribute) != 1:
        return None
    attribute = node.attribute[0]
    if attribute.name == "value":
        return np.asarray(numpy_helper.to_array(attribute.t))
    kinds = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    if attribute.name in kinds:
        return np.asarray(attributes(node)[attribute.name], kinds[attribute.name])
    return None





__all__ = ["attributes", "constant", "ordered", "plain", "used"]
