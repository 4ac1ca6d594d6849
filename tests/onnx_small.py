"""Small ONNX models whose output is known, for tests of what runs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Shape = Sequence[int | str | None]
_TYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "int64": TensorProto.INT64}


def model(
    nodes: Sequence[Any],
    inputs: dict[str, Shape],
    outputs: dict[str, Shape],
    numbers: dict[str, NDArray[Any]] | None = None,
    opset: int = 13,
    version: int = 8,
    kinds: dict[str, str] | None = None,
) -> Any:
    """A ModelProto from nodes of onnx.helper; kinds: numpy's names of types that are not float32."""

    def values(ports: dict[str, Shape]) -> list[Any]:
        return [helper.make_tensor_value_info(name, _TYPES[(kinds or {}).get(name, "float32")], shape) for name, shape in ports.items()]

    kept = [numpy_helper.from_array(np.asarray(value), name) for name, value in (numbers or {}).items()]
    graph = helper.make_graph(list(nodes), "small", values(inputs), values(outputs), kept)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    made.ir_version = version
    return made


def scaled(factor: float = 2.0, shape: Shape = (1, 3, 8, 8)) -> Any:
    """y = factor x + 0.25."""
    nodes = [helper.make_node("Mul", ["x", "f"], ["m"]), helper.make_node("Add", ["m", "q"], ["y"])]
    return model(nodes, {"x": shape}, {"y": shape}, {"f": np.float32([factor]), "q": np.float32([0.25])})


def convolution(seed: int = 0, channels: int = 16, layers: int = 3, gain: float = 1.0, shape: Shape = (1, 3, 32, 32)) -> Any:
    """Convolutions with ReLU between, random weights of about unit gain; the last gives 3 channels."""
    random = np.random.default_rng(seed)
    nodes, numbers, last, width = [], {}, "x", 3
    for layer in range(layers):
        wide = 3 if layer == layers - 1 else channels
        weight = random.standard_normal((wide, width, 3, 3)) * gain * np.sqrt(2 / (9 * width))
        numbers[f"w{layer}"] = weight.astype(np.float32)
        nodes.append(helper.make_node("Conv", [last, f"w{layer}"], [f"c{layer}"], pads=[1, 1, 1, 1]))
        if layer < layers - 1:
            nodes.append(helper.make_node("Relu", [f"c{layer}"], [f"r{layer}"]))
        last, width = f"r{layer}", wide
    nodes[-1].output[0] = "y"
    return model(nodes, {"x": shape}, {"y": shape}, numbers)
