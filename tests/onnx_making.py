"""Small ONNX files with the real signatures of networks that make faces, whose output is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Floats = NDArray[np.float32]
Triple = tuple[float, float, float]

ZERO, ONE, HALF = (0.0,) * 3, (1.0,) * 3, (0.5,) * 3
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# What the networks do to red, green and blue: another thing to each, so that a wrong order of colours shows.
GAINS: Triple = (1.0, 0.6, 0.3)
DIMENSIONS = 512

_TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "float64": TensorProto.DOUBLE}


@dataclass
class Graph:
    """An ONNX graph in the making: `add` nodes, `constant` initializers in the order of the calls, `save` at the end."""

    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    nodes: list[Any] = field(default_factory=list)
    initializers: list[Any] = field(default_factory=list)

    def take(self, name: str, shape: Sequence[int | str | None], type: str = "float32") -> str:
        """A further input."""
        self.inputs.append(helper.make_tensor_value_info(name, _TYPES[type], list(shape)))
        return name

    def give(self, name: str, shape: Sequence[int | str | None], made: str, type: str = "float32") -> None:
        """A further output: what is called `made`."""
        self.nodes.append(helper.make_node("Cast", [made], [name], to=_TYPES[type]))
        self.outputs.append(helper.make_tensor_value_info(name, _TYPES[type], list(shape)))

    def constant(self, value: Any, name: str | None = None) -> str:
        """A further initializer."""
        name = name or f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A further node, of one output."""
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def save(self, path: Path, opset: int = 11) -> Path:
        """The model as a file."""
        graph = helper.make_graph(self.nodes, "torch-jit-export", self.inputs, self.outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString())
        return path


def _row(values: Sequence[float], nhwc: bool = False) -> Floats:
    return np.array(values, np.float32).reshape((1, 1, 1, 3) if nhwc else (1, 3, 1, 1))


def tint(colours: int = 3, seed: int = 5) -> Floats:
    """The matrix (512, 3) by which a latent tints: red, green and blue in 0..1 for each of its numbers."""
    return (np.random.default_rng(seed).normal(0, 0.08, (DIMENSIONS, colours))).astype(np.float32)


@dataclass(frozen=True)
class Swap:
    """A swapper's signature, as shared/signatures.md has it, in the field's own numbers: RGB 0..1 less mean over deviation.

    target: mean and deviation of what it takes.  result: of what it gives.  source: `latent`, or the side of a picture.
    names: of target, source and output.  mixed: it gives its input times GAINS (else just its input).  ramp: and this (size, size).
    strength: of the tint.  emap: its last initializer.  type: of inputs and outputs.  first: `source` is the first input.
    mask: it gives a second output.
    """

    size: int
    target: tuple[Triple, Triple] = (ZERO, ONE)
    result: tuple[Triple, Triple] = (ZERO, ONE)
    source: str | int = "latent"
    names: tuple[str, str, str] = ("target", "source", "output")
    mixed: bool = True
    ramp: Floats | None = None
    strength: float = 1.0
    emap: Floats | None = None
    type: str = "float32"
    first: bool = False
    mask: bool = False


def swapper(path: Path, swap: Swap) -> Path:
    """A swap network: its target as RGB 0..1, times GAINS, tinted by its source, in the range that its family gives."""
    graph, shape = Graph(), (1, 3, swap.size, swap.size)
    source_shape = (1, DIMENSIONS) if swap.source == "latent" else (1, 3, swap.source, swap.source)
    takes = [lambda: graph.take(swap.names[0], shape, swap.type), lambda: graph.take(swap.names[1], source_shape, swap.type)]
    for take in takes[::-1] if swap.first else takes:
        take()
    seen = graph.add("Cast", swap.names[1], to=TensorProto.FLOAT)
    graph.give(swap.names[2], shape, _swapped(graph, swap, _tinted(graph, swap, seen)), swap.type)
    if swap.mask:
        graph.give("mask", (1, 1, swap.size, swap.size), graph.constant(np.zeros((1, 1, swap.size, swap.size), np.float32)))
    if swap.emap is not None:
        # No node uses it, and it is the last.
        graph.constant(swap.emap, "buff2fs")
    return graph.save(path)


def halves(folder: Path, swap: Swap) -> tuple[Path, Path]:
    """The same network cut in two: from the source to what it tints with, and from the target and that to the result."""
    before, after = Graph(), Graph()
    seen = before.take(swap.names[1], (1, DIMENSIONS) if swap.source == "latent" else (1, 3, swap.source, swap.source))
    before.give("style", (1, 3, 1, 1), _tinted(before, swap, seen))
    after.take(swap.names[0], (1, 3, swap.size, swap.size))
    style = after.take("style", (1, 3, 1, 1))
    after.give(swap.names[2], (1, 3, swap.size, swap.size), _swapped(after, swap, style))
    return before.save(folder / "before.onnx"), after.save(folder / "after.onnx")


def _tinted(graph: Graph, swap: Swap, seen: str) -> str:
    """What the source adds to red, green and blue (1, 3, 1, 1)."""
    if swap.source == "latent":
        product = graph.add("MatMul", seen, graph.constant(tint() * np.float32(swap.strength)))
        return graph.add("Reshape", product, graph.constant(np.array([1, 3, 1, 1], np.int64)))
    # A picture's lower right quarter, less its upper left one: where things are in it counts as well.
    half = int(swap.source) // 2
    parts = []
    for start, end in (((half, half), (2 * half, 2 * half)), ((0, 0), (half, half))):
        places = [graph.constant(np.array(place, np.int64)) for place in (start, end, (2, 3))]
        parts.append(graph.add("GlobalAveragePool", graph.add("Slice", seen, *places)))
    return graph.add("Mul", graph.add("Sub", *parts), graph.constant(np.array([swap.strength], np.float32)))


def _swapped(graph: Graph, swap: Swap, style: str) -> str:
    shown = graph.add("Cast", swap.names[0], to=TensorProto.FLOAT)
    shown = graph.add("Mul", shown, graph.constant(_row(swap.target[1])))
    shown = graph.add("Add", shown, graph.constant(_row(swap.target[0])))
    shown = graph.add("Mul", shown, graph.constant(_row(GAINS if swap.mixed else ONE)))
    shown = graph.add("Add", shown, style)
    if swap.ramp is not None:
        shown = graph.add("Add", shown, graph.constant(swap.ramp[None, None].astype(np.float32)))
    shown = graph.add("Sub", shown, graph.constant(_row(swap.result[0])))
    return graph.add("Div", shown, graph.constant(_row(swap.result[1])))


def dfm(path: Path, size: int, masks: tuple[Floats, Floats], morph: bool = True) -> Path:
    """A DeepFaceLab model: NHWC BGR 0..1, blue, green and red times GAINS and plus 0.2 times the morph; masks (size, size) 0..1."""
    graph = Graph()
    graph.take("in_face:0", ("unk__1", size, size, 3))
    if morph:
        graph.take("morph_value:0", (1,))
    face = graph.add("Mul", "in_face:0", graph.constant(_row(GAINS, nhwc=True)))
    if morph:
        face = graph.add("Add", face, graph.add("Mul", "morph_value:0", graph.constant(np.array([0.2], np.float32))))
    shape = ("unk__2", size, size, 1)
    graph.give("out_face_mask:0", shape, graph.constant(masks[0][None, :, :, None].astype(np.float32)))
    graph.give("out_celeb:0", ("unk__3", size, size, 3), face)
    graph.give("out_celeb_mask:0", shape, graph.constant(masks[1][None, :, :, None].astype(np.float32)))
    return graph.save(path, opset=12)


def mask(path: Path, kind: str, more: bool = False) -> Path:
    """A mask network by its kind.

    xseg (NHWC BGR), xseg_nchw (RGB): the share is the picture's first channel.  occluder: the logit is its first channel less
    one half.  bisenet: skin where red is more than green and blue, hair where green is, cloth where blue is.
    more: a further output.
    """
    graph = Graph()
    if kind == "xseg":
        graph.take("input", (1, 256, 256, 3))
        first = [graph.constant(np.array([place], np.int64)) for place in (0, 1, 3)]
        graph.give("output", (1, 256, 256, 1), graph.add("Slice", "input", *first))
    elif kind == "bisenet":
        graph.take("input", (1, 3, 512, 512))
        weights = np.zeros((19, 3, 1, 1), np.float32)
        # Out of ImageNet's range to 0..1, and each colour to a class.
        for colour, number in enumerate((1, 17, 16)):
            weights[number, colour] = DEVIATION[colour]
        bias = np.full(19, -9, np.float32)
        bias[[1, 17, 16]] = MEAN
        graph.give("output", (1, 19, 512, 512), graph.add("Conv", "input", graph.constant(weights), graph.constant(bias)))
    else:
        name, result = ("img", "output") if kind == "occluder" else ("in_face:0", "out_mask:0")
        graph.take(name, (1, 3, 256, 256))
        first = [graph.constant(np.array([place], np.int64)) for place in (0, 1, 1)]
        shown = graph.add("Slice", name, *first)
        if kind == "occluder":
            shown = graph.add("Sub", shown, graph.constant(np.array([0.5], np.float32)))
        graph.give(result, (1, 1, 256, 256), shown)
    if more:
        graph.give("feature", (1,), graph.constant(np.zeros(1, np.float32)))
    return graph.save(path, opset=13)


def enhancer(
    path: Path,
    size: int,
    weight: str | None = None,
    names: tuple[str, str] = ("input", "output"),
    sharpen: bool = False,
    before: bool = False,
) -> Path:
    """An enhancer -1..1 RGB: red, green and blue times GAINS in 0..1 (or each less its own blur), plus 0.2 times the weight.

    weight: the name of a further input, float64 [1], as CodeFormer's has it.  before: an output of another shape comes first.
    """
    graph, shape = Graph(), (1, 3, size, size)
    graph.take(names[0], shape)
    if before:
        graph.give("logits", (1, 256, 1024), graph.constant(np.zeros((1, 256, 1024), np.float32)))
    half = graph.constant(np.array([0.5], np.float32))
    shown = graph.add("Add", graph.add("Mul", names[0], half), half)
    if sharpen:
        kernel = np.zeros((3, 1, 3, 3), np.float32)
        kernel[:, 0] = np.array([[0, -1, 0], [-1, 8, -1], [0, -1, 0]]) / 4
        edges = graph.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
        shown = graph.add("Conv", graph.add("Pad", shown, edges, mode="edge"), graph.constant(kernel), group=3)
    else:
        shown = graph.add("Mul", shown, graph.constant(_row(GAINS)))
    if weight is not None:
        graph.take(weight, (1,), "float64")
        amount = graph.add("Cast", weight, to=TensorProto.FLOAT)
        shown = graph.add("Add", shown, graph.add("Mul", amount, graph.constant(np.array([0.2], np.float32))))
    graph.give(names[1], shape, graph.add("Div", graph.add("Sub", shown, half), half))
    return graph.save(path)


class Counted:
    """A network that keeps what it was fed, and gives what another one gives or what it is told, in the same arrays in every call."""

    def __init__(self, network: Any, instead: Sequence[NDArray[Any]] | None = None) -> None:
        self.inputs, self.outputs = network.inputs, network.outputs
        self.fed: list[dict[str, NDArray[Any]]] = []
        self._network, self._instead = network, instead
        self._given: list[NDArray[Any]] = []

    def __call__(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        self.fed.append(dict(feeds))
        made = self._network(feeds) if self._instead is None else self._instead
        if [array.shape for array in made] != [array.shape for array in self._given]:
            self._given = [np.array(array) for array in made]
        for array, value in zip(self._given, made, strict=True):
            array[...] = value
        return self._given
