"""The networks as ONNX graphs: the arithmetic of models.training.networks at rest, laid out for ONNX Runtime on a processor.

Of 6.7 ms a face on one thread (one core of a server, 128 px, cut at the identity) as PyTorch's exporter writes it, 5.3 are left, 4.4
of them in convolutions.  What that took: one strided convolution for unshuffling and the first one; AAD as one product by the mask,
without comparisons; batch norms folded into convolutions, also those of AAD (together 0.8 ms); shortcuts before doubling (0.1); gain
and bias from convolutions of their own, which no node has to part (0.2); pixels shuffled by two transposes that move rows (0.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from models.generator.view import CHANNELS, SIDE
from models.rewrite.graph import Graph
from models.training.networks import GAIN, IDENTITY, RESIDUAL, AttributeEncoder, Block, Denormalise, Generator, IdentityEncoder, Residual

Reals = NDArray[np.float64]

_OPSET, _VERSION = 17, 8


class _Affine(NamedTuple):
    """gain * x + shift, for each channel (c,)."""

    gain: Reals
    shift: Reals


class _Kernel(NamedTuple):
    """weights (k, c, taps, taps) and bias (k,) of a convolution."""

    weights: Reals
    bias: Reals

    def then(self, affine: _Affine) -> _Kernel:
        """This convolution with that behind it."""
        return _Kernel(self.weights * affine.gain[:, None, None, None], self.bias * affine.gain + affine.shift)

    def instead(self, affine: _Affine) -> _Kernel:
        """Of what that has been applied to, the same as this of what it was before; for single taps, which no padding meets."""
        weights = self.weights / affine.gain[None, :, None, None]
        return _Kernel(weights, self.bias - weights[:, :, 0, 0] @ affine.shift)


def generator(network: Generator, side: int = SIDE) -> Graph:
    """view (1, 7, side, side), identity (1, 128) -> face (1, 3, side, side), alpha (1, 1, side, side), all float32.

    Nothing that depends on the identity alone depends on the view, so that models.rewrite.halves can cut it off.
    """
    ports = {"view": (1, CHANNELS, side, side), "identity": (1, IDENTITY)}
    graph = _empty("generator", ports, {"face": (1, 3, side, side), "alpha": (1, 1, side, side)})
    maps = _attributes(graph, network.attributes)
    blocks = [block for block in network.blocks if isinstance(block, Block)]
    norms = [_norm(block.first.norm) for block in blocks]
    # What runs from block to block is normalised already, as the next one wants it.
    x, fields = _conv(graph, maps[-1], _kernel(network.start).then(norms[0])), ""
    for step, (block, kept) in enumerate(zip(blocks, maps[::-1], strict=True)):
        after = norms[step + 1] if step + 1 < len(blocks) else _Affine(np.ones(1), np.zeros(1))
        x = _block(graph, block, x, kept, (norms[step], after), f"block{step}", twice=step > 0)
        if step == len(blocks) - 2:
            fields = _conv(graph, _restored(graph, x, after), _kernel(network.light))
    _heads(graph, fields, _conv(graph, graph.add("Relu", [x]), _alpha(_kernel(network.detail))), side)
    return graph


def encoder(network: IdentityEncoder) -> Graph:
    """portrait (1, 3, 128, 128) RGB 0..1 -> identity (1, 128) of length 1, both float32."""
    graph = _empty("identity", {"portrait": (1, 3, SIDE, SIDE)}, {"identity": (1, IDENTITY)})
    stem = _level(network.stem)
    # Nothing is padded here, so that what is taken off the picture can be taken off the result.
    first = _Kernel(stem[0].weights, stem[0].bias - 0.5 * stem[0].weights.sum(axis=(1, 2, 3)))
    x = _residual(graph, _conv(graph, "portrait", first, stride=4, pad=0, relu=True), stem[1])
    for level in network.levels:
        kernel, rest = _level(level)
        x = _residual(graph, _conv(graph, x, kernel, stride=2, pad=0, relu=True), rest)
    last = network.flat[3]
    assert isinstance(last, nn.Linear)
    x = graph.add("Flatten", [_conv(graph, x, _folded(network.flat[0], network.flat[1]))], axis=1)
    x = graph.add("Gemm", [x, _float(graph, _array(last.weight)), _float(graph, _array(last.bias))], transB=1)
    length = graph.add("ReduceL2", [x], axes=[1], keepdims=1)
    graph.add("Div", [x, graph.add("Max", [length, _float(graph, 1e-12)])], "identity")
    return graph


def halved(graph: Graph, least: int = 64) -> Graph:
    """The same with weights of `least` elements and more stored as float16; the arithmetic stays float32."""
    from onnx import TensorProto

    for name, value in list(graph.constants.items()):
        if value.dtype == np.float32 and value.size >= least:
            half = graph.constant(value, np.float16)
            del graph.constants[name]
            graph.add("Cast", [half], name, to=TensorProto.FLOAT)
    return graph


def _empty(title: str, inputs: Mapping[str, Sequence[int]], outputs: Mapping[str, Sequence[int]]) -> Graph:
    from onnx import TensorProto, helper

    ports = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in part.items()] for part in (inputs, outputs)]
    opset = [helper.make_opsetid("", _OPSET)]
    return Graph(helper.make_model(helper.make_graph([], title, *ports), opset_imports=opset, ir_version=_VERSION, producer_name="swapcam"))


def _attributes(graph: Graph, network: AttributeEncoder) -> list[str]:
    """The maps of every level, the finest first."""
    kernel, rest = _level(network.stem)
    wide = len(kernel.weights)
    # Three taps over blocks of two by two pixels are six taps that step by two.
    six = kernel.weights.reshape(wide, CHANNELS, 2, 2, 3, 3).transpose(0, 1, 4, 2, 5, 3).reshape(wide, CHANNELS, 6, 6)
    centred = graph.add("Sub", ["view", _float(graph, 0.5)])
    maps = [_residual(graph, _conv(graph, centred, _Kernel(six, kernel.bias), stride=2, pad=2, relu=True), rest)]
    for level in network.levels:
        kernel, rest = _level(level)
        maps.append(_residual(graph, _conv(graph, maps[-1], kernel, stride=2, relu=True), rest))
    return maps


def _block(graph: Graph, block: Block, x: str, kept: str, norms: tuple[_Affine, _Affine], name: str, twice: bool) -> str:
    """x, normalised by the first of norms, through a block that normalises what it gives by the second.  twice: x is doubled first."""
    before, after = norms
    whole = isinstance(block.shortcut, nn.Identity)
    straight = _Kernel(np.eye(len(before.gain))[..., None, None], np.zeros(1)) if whole else _kernel(block.shortcut)
    shortcut = _conv(graph, x, straight.instead(before).then(after))
    if twice:
        x, shortcut = _doubled(graph, x), _doubled(graph, shortcut)
    inner = _denormalised(graph, block.first, x, kept, f"{name}.first")
    inner = _conv(graph, inner, _kernel(block.in_conv).then(_norm(block.second.norm)))
    outer = _denormalised(graph, block.second, inner, kept, f"{name}.second")
    return graph.add("Add", [_conv(graph, outer, _kernel(block.out_conv).then(_Affine(after.gain, np.zeros(1)))), shortcut])


def _denormalised(graph: Graph, layer: Denormalise, x: str, kept: str, name: str) -> str:
    """AAD and the ReLU behind it, of what is normalised already."""
    wide = layer.attention.in_channels
    bias = np.repeat([1.0, 0.0], wide)
    weights, shifts = _kernel(layer.by_attributes)
    gain, shift = (_conv(graph, kept, _Kernel(weights[half], (shifts + bias)[half])) for half in (slice(wide), slice(wide, None)))
    by_attributes = graph.add("Add", [shift, graph.add("Mul", [x, gain])])
    style = [_float(graph, _array(layer.by_identity.weight)), _float(graph, _array(layer.by_identity.bias) + bias)]
    vector = graph.add("Reshape", [graph.add("Gemm", ["identity", *style], transB=1), graph.constant([1, 2 * wide, 1, 1])])
    gain, shift = (
        graph.add("Slice", [vector, *(graph.constant([edge]) for edge in (start, start + wide, 1))], f"{name}.{part}")
        for part, start in (("gain", 0), ("shift", wide))
    )
    by_identity = graph.add("Add", [graph.add("Mul", [x, gain]), shift])
    attention = _kernel(layer.attention)
    chosen = graph.add("Sigmoid", [_conv(graph, x, _Kernel(-attention.weights, -attention.bias))])
    apart = graph.add("Mul", [chosen, graph.add("Sub", [by_attributes, by_identity])])
    return graph.add("Relu", [graph.add("Add", [by_identity, apart])])


def _restored(graph: Graph, x: str, norm: _Affine) -> str:
    """The ReLU of what has been normalised."""
    kernel = _Kernel((1 / norm.gain)[:, None, None, None], -norm.shift / norm.gain)
    return _conv(graph, x, kernel, relu=True, group=len(norm.gain))


def _alpha(kernel: _Kernel) -> _Kernel:
    """The head for detail, whose last four channels are logits of alpha for a mask of 0."""
    turned = _Affine(np.repeat([1.0, 4.0], [12, 4]), np.repeat([0.0, -4.0], [12, 4]))
    return kernel.then(turned)


def _heads(graph: Graph, fields: str, detail: str, side: int) -> None:
    """Face and alpha of gain and shift (1, 6, side / 4, side / 4) and what is finer (1, 16, side / 2, side / 2)."""
    scale = _float(graph, [1, 1, 4, 4])
    fields = graph.add("Resize", [fields, "", scale], mode="linear", coordinate_transformation_mode="half_pixel")
    fields = graph.add("Tanh", [fields])
    fine = _shuffled(graph, detail, side)
    gain = graph.add("Exp", [graph.add("Mul", [_channels(graph, fields, 0, 3), _float(graph, GAIN)])])
    moved = graph.add("Add", [_channels(graph, fields, 3, 6), graph.add("Tanh", [_channels(graph, fine, 0, 3)])])
    lit = graph.add("Mul", [_channels(graph, "view", 3, 6), gain])
    face = graph.add("Add", [lit, graph.add("Mul", [moved, _float(graph, RESIDUAL)])])
    graph.add("Clip", [face, _float(graph, 0), _float(graph, 1)], "face")
    mask = graph.add("Mul", [_channels(graph, "view", 6, 7), _float(graph, 8)])
    graph.add("Sigmoid", [graph.add("Add", [mask, _channels(graph, fine, 3, 4)])], "alpha")


def _shuffled(graph: Graph, x: str, side: int) -> str:
    """Pixels (1, 4, side, side) of blocks of two by two (1, 16, side / 2, side / 2)."""
    half = side // 2
    x = graph.add("Reshape", [x, graph.constant([4, 2, 2, half, half])])
    x = graph.add("Reshape", [graph.add("Transpose", [x], perm=[0, 1, 3, 4, 2]), graph.constant([4, 2, half, side])])
    return graph.add("Reshape", [graph.add("Transpose", [x], perm=[0, 2, 1, 3]), graph.constant([1, 4, side, side])])


def _residual(graph: Graph, x: str, layer: Residual) -> str:
    inner = _conv(graph, x, _folded(layer.first[0], layer.first[1]), relu=True)
    return graph.add("Relu", [graph.add("Add", [x, _conv(graph, inner, _folded(layer.second[0], layer.second[1]))])])


def _level(layers: nn.Module) -> tuple[_Kernel, Residual]:
    """Of a convolution, its norm, a ReLU and a residual: the first two in one, and the last."""
    assert isinstance(layers, nn.Sequential)
    assert isinstance(layers[3], Residual)
    return _folded(layers[0], layers[1]), layers[3]


def _conv(graph: Graph, x: str, kernel: _Kernel, stride: int = 1, pad: int | None = None, relu: bool = False, group: int = 1) -> str:
    side = kernel.weights.shape[-1]
    pads = [side // 2 if pad is None else pad] * 4
    inputs = [x, _float(graph, kernel.weights), _float(graph, np.broadcast_to(kernel.bias, len(kernel.weights)))]
    y = graph.add("Conv", inputs, kernel_shape=[side, side], pads=pads, strides=[stride, stride], group=group)
    return graph.add("Relu", [y]) if relu else y


def _doubled(graph: Graph, x: str) -> str:
    scale = _float(graph, [1, 1, 2, 2])
    return graph.add("Resize", [x, "", scale], mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric")


def _channels(graph: Graph, x: str, start: int, end: int) -> str:
    return graph.add("Slice", [x, *(graph.constant([edge]) for edge in (start, end, 1))])


def _float(graph: Graph, value: Any) -> str:
    return graph.constant(value, np.float32)


def _array(values: Tensor | None) -> Reals:
    return np.zeros(1) if values is None else np.asarray(values.detach().double().cpu().numpy())


def _kernel(conv: nn.Module) -> _Kernel:
    assert isinstance(conv, nn.Conv2d)
    return _Kernel(_array(conv.weight), _array(conv.bias))


def _norm(norm: nn.Module) -> _Affine:
    assert isinstance(norm, nn.BatchNorm2d)
    gain = (1.0 if norm.weight is None else _array(norm.weight)) / np.sqrt(_array(norm.running_var) + norm.eps)
    return _Affine(np.asarray(gain), _array(norm.bias) - gain * _array(norm.running_mean))


def _folded(conv: nn.Module, norm: nn.Module) -> _Kernel:
    return _kernel(conv).then(_norm(norm))


__all__ = ["encoder", "generator", "halved"]
