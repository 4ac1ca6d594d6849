"""Small ONNX graphs for tests: made from nodes, run by ONNX Runtime, put together at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[Any]


def model(
    nodes: Sequence[Any],
    inputs: Mapping[str, Sequence[Any]],
    outputs: Sequence[str] = ("y",),
    constants: Mapping[str, Any] | None = None,
    opset: int = 13,
) -> Any:
    """A checked ModelProto over float32 inputs of these shapes."""
    graph = helper.make_graph(
        list(nodes),
        "small",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8 if opset > 13 else 7)
    made = onnx.shape_inference.infer_shapes(made)
    # The checker wants to know the rank of every output, which may depend on values.
    if all(port.type.tensor_type.HasField("shape") for port in made.graph.output):
        onnx.checker.check_model(made)
    return made


def run(made: Any, feeds: Mapping[str, Array], arrays: Mapping[str, Array] | None = None) -> list[Array]:
    """What ONNX Runtime gives on the processor, without rewriting anything itself."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if arrays:
        options.add_external_initializers(list(arrays), [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in arrays.values()])
    session = onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, {port.name: feeds[port.name] for port in session.get_inputs()}))


def feeds(made: Any, seed: int = 0) -> dict[str, Array]:
    """Random values for the inputs."""
    random = np.random.default_rng(seed)
    shapes = {port.name: [side.dim_value or 1 for side in port.type.tensor_type.shape.dim] for port in made.graph.input}
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def off(got: Sequence[Array], want: Sequence[Array]) -> float:
    """The largest difference as a share of the range of what was wanted."""
    assert [array.shape for array in got] == [array.shape for array in want]
    return max(float(np.abs(a.astype(np.float64) - b).max()) / max(float(np.ptp(b)), 1e-3) for a, b in zip(got, want, strict=True))


def count(made: Any, kind: str) -> int:
    """How many nodes of a kind there are."""
    return sum(node.op_type == kind for node in made.graph.node)


class Network:
    """A network put together node by node, as exporters write them: x is the last tensor, of shape (1, channels, side, side)."""

    def __init__(self, seed: int, channels: int, side: int, opset: int = 13) -> None:
        self.random = np.random.default_rng(seed)
        self.inputs: dict[str, Sequence[int]] = {"target": (1, channels, side, side), "source": (1, 6)}
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self.x, self.channels, self.side, self.opset = "target", channels, side, opset

    def constant(self, value: Any, like: Any = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value, like)
        return name

    def normal(self, *shape: int) -> str:
        return self.constant(self.random.standard_normal(shape) / np.sqrt(np.prod(shape[1:])))

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"n{len(self.nodes)}", **attributes))
        return name

    def conv(self, wide: int, taps: int = 3, stride: int = 1, pads: Sequence[int] = (1, 1, 1, 1), bias: bool = True) -> None:
        inputs = [self.x, self.normal(wide, self.channels, taps, taps), *([self.normal(wide)] if bias else [])]
        self.x = self.node("Conv", *inputs, pads=list(pads), strides=[stride, stride], kernel_shape=[taps, taps])
        self.side = (self.side + pads[0] + pads[2] - taps) // stride + 1
        self.channels = wide

    def pad(self, by: int, mode: str) -> None:
        self.x = self.node("Pad", self.x, self.constant([0, 0, by, by, 0, 0, by, by], np.int64), mode=mode)
        self.side += 2 * by

    def double(self, mode: str) -> None:
        more = {"coordinate_transformation_mode": "half_pixel"} if mode == "linear" else {
            "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}  # fmt: skip
        self.x = self.node("Resize", self.x, self.constant([]), self.constant([1, 1, 2, 2]), mode=mode, **more)
        self.side *= 2

    def mean(self, x: str) -> str:
        if self.opset >= 18:
            return self.node("ReduceMean", x, self.constant([2, 3], np.int64), keepdims=1)
        return self.node("ReduceMean", x, axes=[2, 3], keepdims=1)

    def norm(self, way: int = 0, epsilon: float = 1e-8) -> None:
        """Instance norm from its parts, in one of 12 ways."""
        quotient, square, swapped = way % 3, way // 3 % 2, way // 6 % 2
        centred = self.node("Sub", self.x, self.mean(self.x))
        squared = self.node("Pow", centred, self.constant(2)) if square else self.node("Mul", centred, centred)
        pair = [self.mean(squared), self.constant(epsilon)]
        root = self.node("Sqrt", self.node("Add", *(pair[::-1] if swapped else pair)))
        if quotient == 0:
            self.x = self.node("Div", centred, root)
            return
        inverse = self.node("Reciprocal", root) if quotient == 1 else self.node("Div", self.constant(1), root)
        self.x = self.node("Mul", *([inverse, centred] if swapped else [centred, inverse]))

    def style(self) -> None:
        """A scale and shift from the source, as PyTorch exports them."""
        made = self.node("Gemm", "source", self.normal(2 * self.channels, 6), self.normal(2 * self.channels), transB=1)
        shape = self.constant([1, 2 * self.channels, 1, 1], np.int64)
        made = self.node("Reshape", made, shape)
        ends = [self.constant([value], np.int64) for value in (0, self.channels, 2 * self.channels, 1)]
        scale, shift = self.node("Slice", made, ends[0], ends[1], ends[3]), self.node("Slice", made, ends[1], ends[2], ends[3])
        self.x = self.node("Add", self.node("Mul", self.x, scale), shift)

    def model(self, shuffled: bool = False) -> Any:
        """The ModelProto; shuffled: with nodes in another order that can run, other names, and what comes first in sums turned round."""
        made = model([*self.nodes, helper.make_node("Identity", [self.x], ["y"])], self.inputs, ["y"], self.constants, self.opset)
        return _shuffled(made, self.random) if shuffled else made


def _shuffled(made: Any, random: np.random.Generator) -> Any:
    other = onnx.ModelProto()
    other.CopyFrom(made)
    waiting, known = list(made.graph.node), {port.name for port in made.graph.input} | {c.name for c in made.graph.initializer}
    names = {name: f"t{random.integers(2**40)}" for node in waiting for name in node.output if name != "y"}
    del other.graph.node[:]
    while waiting:
        ready = [node for node in waiting if set(node.input) <= known]
        node = ready[random.integers(len(ready))]
        waiting.remove(node)
        known.update(node.output)
        fresh = other.graph.node.add()
        fresh.CopyFrom(node)
        fresh.name = ""
        fresh.input[:] = [names.get(name, name) for name in node.input]
        fresh.output[:] = [names.get(name, name) for name in node.output]
        if node.op_type in ("Add", "Mul") and random.random() < 0.5:
            fresh.input[:] = list(reversed(fresh.input))
    return other
