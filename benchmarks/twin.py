"""A twin of inswapper_128 with random weights: the same graph, names, shapes and cost, and nobody's face in it; others of a size."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod, sqrt
from typing import Any

import numpy as np

from models.network import Array

PARAMETERS, EMAP = 138_292_739, 512 * 512
"""Of the full twin: parameters, and elements of the matrix that brings an embedding into its latent space."""
MULTIPLY_ADDS = 174_575_321_088
"""Of the full twin for a picture."""
_LATENT = 512
_BLOCKS = 6


@dataclass
class _Builder:
    """Nodes and initializers in the order in which they are made."""

    random: np.random.Generator | None
    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"node_{name}", **attributes))
        return name

    def value(self, value: Any, like: Any = np.int64) -> str:
        return self.node("Constant", value=_tensor(np.asarray(value, like)))

    def weights(self, name: str, *shape: int, gain: float = 2.0) -> str:
        scale = sqrt(gain / prod(shape[1:])) if len(shape) > 1 else 0.1
        # Without weights nothing of their size is ever made.
        self.constants[name] = (
            np.broadcast_to(np.float32(0), shape)
            if self.random is None
            else self.random.standard_normal(shape, np.float32) * np.float32(scale)
        )
        return name

    def conv(self, x: str, name: str, wide: int, narrow: int, side: int, gain: float = 2.0, **attributes: Any) -> str:
        weight, bias = self.weights(f"{name}.weight", wide, narrow, side, side, gain=gain), self.weights(f"{name}.bias", wide)
        return self.node("Conv", x, weight, bias, kernel_shape=[side, side], dilations=[1, 1], group=1, **attributes)

    def leaky(self, x: str) -> str:
        return self.node("LeakyRelu", x, alpha=0.2)

    def reflect(self, x: str, by: int) -> str:
        return self.node("Pad", x, self.value([0, 0, by, by, 0, 0, by, by]), self.value(0, np.float32), mode="reflect")


def twin(width: float = 1.0, side: int = 128, seed: int | None = 0) -> Any:
    """The model, opset 11, as a ModelProto.

    width: of its layers, as a share of the original's; 1 is 554 MB.  side: of the picture in pixels.  seed: None for no weights: the
    initializers are declared, with their shapes, and nothing is in them.
    """
    made = _Builder(None if seed is None else np.random.default_rng(seed))
    a, b, c, d = (max(int(width * channels), 1) for channels in (128, 256, 512, 1024))
    x = made.leaky(made.conv(made.reflect("target", 3), "first", a, 3, 7, pads=[0, 0, 0, 0], strides=[1, 1]))
    for name, wide, narrow, stride in (("down0", b, a, 1), ("down1", c, b, 2), ("down2", d, c, 2)):
        x = made.leaky(made.conv(x, name, wide, narrow, 3, pads=[1, 1, 1, 1], strides=[stride, stride]))
    for block in range(_BLOCKS):
        y = made.node("Relu", _styled(made, x, f"styles.{block}.0", d))
        x = made.node("Add", x, _styled(made, y, f"styles.{block}.1", d))
    for name, wide, narrow, twice in (("up0", c, d, True), ("up1", b, c, True), ("up2", a, b, False)):
        if twice:
            x = _doubled(made, x)
        x = made.leaky(made.conv(x, name, wide, narrow, 3, pads=[1, 1, 1, 1], strides=[1, 1]))
    return _finished(made, x, a, side, seed, matrix=True)


def simswap(width: float = 1.0, side: int = 224, seed: int | None = 0) -> Any:
    """A stand-in of the size of SimSwap's generator for 224 px, with its layers and random weights; batch norms are in its convolutions.

    Chen et al., "SimSwap: An Efficient Framework For High Fidelity Face Swapping", arXiv 2106.06340.  The arguments are those of `twin`.
    """
    made = _Builder(None if seed is None else np.random.default_rng(seed))
    a, b, c, d = (max(int(width * channels), 1) for channels in (64, 128, 256, 512))
    x = made.node("Relu", made.conv(made.reflect("target", 3), "first", a, 3, 7, pads=[0, 0, 0, 0], strides=[1, 1]))
    for name, wide, narrow in (("down0", b, a), ("down1", c, b), ("down2", d, c)):
        x = made.node("Relu", made.conv(x, name, wide, narrow, 3, pads=[1, 1, 1, 1], strides=[2, 2]))
    for block in range(9):
        y = made.node("Relu", _styled(made, x, f"styles.{block}.0", d))
        x = made.node("Add", x, _styled(made, y, f"styles.{block}.1", d))
    for name, wide, narrow in (("up0", c, d), ("up1", b, c), ("up2", a, b)):
        x = made.node("Relu", made.conv(_doubled(made, x), name, wide, narrow, 3, pads=[1, 1, 1, 1], strides=[1, 1]))
    return _finished(made, x, a, side, seed, matrix=False)


def recogniser(seed: int = 0) -> Any:
    """A network with the inputs and outputs of ArcFace that sees only coarse brightness, to make latents for a twin."""
    from onnx import TensorProto, helper

    made = _Builder(np.random.default_rng(seed))
    seen = made.node("Flatten", made.node("AveragePool", "input.1", kernel_shape=[16, 16], strides=[16, 16]))
    made.node("Gemm", seen, made.weights("weight", 3 * 7 * 7, _LATENT))
    made.nodes[-1].output[0] = "embedding"
    ports = {"input.1": [1, 3, 112, 112], "embedding": [1, _LATENT]}
    face, embedding = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ports.items())
    graph = helper.make_graph(made.nodes, "recogniser", [face], [embedding], [_tensor(made.constants["weight"], "weight")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)


def cost(model: Any) -> tuple[int, int]:
    """Parameters that some node uses, and multiply-adds of a run."""
    from onnx import shape_inference

    found = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {port.name: [side.dim_value for side in port.type.tensor_type.shape.dim] for port in (*found.value_info, *found.output)}
    tensors = {tensor.name: prod(tensor.dims) for tensor in found.initializer}
    used = {name for node in found.node for name in node.input}
    parameters = sum(size for name, size in tensors.items() if name in used)
    # Weights that are stored in fp16 are used as what they are cast to.
    tensors.update((node.output[0], tensors[node.input[0]]) for node in found.node if node.op_type == "Cast" and node.input[0] in tensors)
    multiply_adds = 0
    for node in found.node:
        if node.op_type in ("Conv", "Gemm"):
            output = shapes[node.output[0]]
            # Each weight is used once for every place of a picture that comes out, and once where none does.
            multiply_adds += tensors[node.input[1]] * prod(output[2:])
    return parameters, multiply_adds


def _doubled(made: _Builder, x: str) -> str:
    return made.node(
        "Resize", x, made.value([], np.float32), made.value([1, 1, 2, 2], np.float32),
        mode="linear", coordinate_transformation_mode="pytorch_half_pixel", cubic_coeff_a=-0.75, nearest_mode="floor",
    )  # fmt: skip


def _finished(made: _Builder, x: str, narrow: int, side: int, seed: int | None, matrix: bool) -> Any:
    """The model, its last convolution from as many channels as `narrow`.  matrix: with the one of embeddings, which no node uses."""
    from onnx import TensorProto, helper

    # Nowhere near the ends of tanh, where errors would not show.
    x = made.node("Tanh", made.conv(made.reflect(x, 3), "last", 3, narrow, 7, gain=0.01, pads=[0, 0, 0, 0], strides=[1, 1]))
    x = made.node("Div", made.node("Add", x, made.value(1, np.float32)), made.value(2, np.float32))
    made.nodes[-1].output[0] = "output"
    if matrix:
        made.weights("buff2fs", _LATENT, _LATENT, gain=1.0)
    ports = {"target": [1, 3, side, side], "source": [1, _LATENT], "output": [1, 3, side, side]}
    target, source, output = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ports.items())
    tensors = [
        TensorProto(name=name, data_type=TensorProto.FLOAT, dims=value.shape) if seed is None else _tensor(value, name)
        for name, value in made.constants.items()
    ]
    graph = helper.make_graph(made.nodes, "torch-jit-export", [target, source], [output], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6, producer_name="pytorch")


def _styled(made: _Builder, x: str, name: str, channels: int) -> str:
    """Half a block: convolution, instance norm from its parts, scale and shift from the source."""
    x = made.conv(made.reflect(x, 1), f"{name}.conv", channels, channels, 3, pads=[0, 0, 0, 0], strides=[1, 1])
    centred = made.node("Sub", x, made.node("ReduceMean", x, axes=[2, 3], keepdims=1))
    variance = made.node("ReduceMean", made.node("Mul", centred, centred), axes=[2, 3], keepdims=1)
    deviation = made.node("Sqrt", made.node("Add", variance, made.value(1e-8, np.float32)))
    y = made.node("Mul", centred, made.node("Div", made.value(1, np.float32), deviation))
    weight = made.weights(f"{name}.style.weight", 2 * channels, _LATENT, gain=1.0)
    bias = made.weights(f"{name}.style.bias", 2 * channels)
    if made.random is not None:
        made.constants[bias][:channels] += 1
    style = made.node("Gemm", "source", weight, bias, alpha=1.0, beta=1.0, transB=1)
    style = made.node("Unsqueeze", made.node("Unsqueeze", style, axes=[2]), axes=[3])
    gamma, beta = _halves(made, style)
    return made.node("Add", made.node("Mul", y, gamma), beta)


def _halves(made: _Builder, style: str) -> tuple[str, str]:
    """Scale and shift, cut out as PyTorch exports a chunk: by shapes that are worked out while the graph runs."""
    sides = made.node("Gather", made.node("Shape", style), made.value([1]), axis=0)
    half = made.node("Div", made.node("Add", sides, made.value([1])), made.value([2]))
    middle = made.node("Mul", half, made.value([1]))
    gamma = made.node("Slice", style, made.value([0]), middle, made.value([1]))
    return gamma, made.node("Slice", style, middle, made.node("Mul", half, made.value([2])), made.value([1]))


def _tensor(value: Array, name: str = "") -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(value, name)


__all__ = ["EMAP", "MULTIPLY_ADDS", "PARAMETERS", "cost", "recogniser", "simswap", "twin"]
