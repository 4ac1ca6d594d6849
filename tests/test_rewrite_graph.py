"""Graphs are read, folded and written again without a change in what they compute; reflected borders become slices."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from benchmarks.twin import EMAP, MULTIPLY_ADDS, PARAMETERS, cost, twin
from models.rewrite import graph as subject
from models.rewrite import winograd
from models.rewrite.fold import fold, pin
from models.rewrite.graph import Graph
from models.rewrite.norm import norm
from models.rewrite.pads import pads
from tests.graphs import Network, count, feeds, model, off, run


def test_the_twin_is_as_large_and_as_dear_as_inswapper_128() -> None:
    made = twin(seed=None)
    assert cost(made) == (PARAMETERS, MULTIPLY_ADDS) == (138_292_739, 174_575_321_088)
    assert [port.name for port in (*made.graph.input, *made.graph.output)] == ["target", "source", "output"]
    last = made.graph.initializer[-1]
    assert (last.name, list(last.dims), EMAP) == ("buff2fs", [512, 512], 512 * 512)
    assert not [node for node in made.graph.node if "buff2fs" in node.input]
    assert count(made, "Pad") == 14
    assert count(made, "InstanceNormalization") == 0
    assert made.opset_import[0].version == 11


def test_a_narrow_twin_runs_and_says_something_else_for_another_source() -> None:
    made = twin(1 / 32, 32)
    onnx.checker.check_model(made, full_check=True)
    given = feeds(made)
    (first,) = run(made, given)
    (second,) = run(made, given | {"source": -given["source"]})
    assert first.shape == (1, 3, 32, 32)
    assert 0 < first.min() < first.max() < 1
    assert np.abs(first - second).max() > 0.05


def test_a_graph_is_written_as_it_was_read() -> None:
    made = twin(1 / 32, 32)
    kept = made.SerializeToString()
    graph = Graph(made)
    whole = graph.whole()
    onnx.checker.check_model(whole, full_check=True)
    assert off(run(whole, feeds(made)), run(made, feeds(made))) == 0
    parts, arrays = graph.parts()
    assert min(array.nbytes for array in arrays.values()) > 2**16
    assert parts.ByteSize() + sum(array.nbytes for array in arrays.values()) == pytest.approx(whole.ByteSize(), rel=0.01)
    assert off(run(parts, feeds(made), arrays), run(made, feeds(made))) == 0
    assert made.SerializeToString() == kept
    assert (whole.producer_name, whole.ir_version, whole.opset_import) == (made.producer_name, made.ir_version, made.opset_import)


def test_a_graph_larger_than_a_protobuf_is_only_given_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph(twin(1 / 32, 32))
    monkeypatch.setattr(subject, "_WHOLE", 10_000)
    with pytest.raises(ValueError, match="expected one below 2 GB; take it in parts"):
        graph.whole()
    graph.parts()


def test_shapes_that_are_worked_out_while_it_runs_are_known_before() -> None:
    made = twin(1 / 32, 32)
    graph = Graph(made)
    assert fold(graph) > 60
    whole = graph.whole()
    assert not any(count(whole, kind) for kind in ("Shape", "Gather", "Constant"))
    assert off(run(whole, feeds(made)), run(made, feeds(made))) == 0


@pytest.mark.parametrize("opset", [11, 13, 15, 17])
def test_arithmetic_on_shapes_is_folded_at_every_version(opset: int) -> None:
    net = Network(0, 3, 8, opset)
    shape = net.node("Shape", net.x)
    one, two = net.constant([1], np.int64), net.constant([2], np.int64)
    half = net.node("Div", net.node("Gather", shape, two, axis=0), two)
    front = net.node("Concat", one, net.constant([-1], np.int64), half, half, axis=0)
    net.x = net.node("Reshape", net.node("Identity", net.node("Identity", net.x)), net.node("Cast", front, to=7))
    made = net.model()
    graph = Graph(made)
    fold(graph)
    whole = graph.whole()
    assert sorted(node.op_type for node in whole.graph.node) == ["Identity", "Reshape"]
    assert off(run(whole, feeds(made)), run(made, feeds(made))) == 0


def test_what_depends_on_an_open_size_is_not_folded_unless_it_is_the_batch() -> None:
    nodes = [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Reshape", ["x", "s"], ["y"])]
    made = model(nodes, {"x": ("batch", 3, "height", 4)})
    graph = Graph(made)
    pin(graph)
    assert fold(graph) == 0
    assert graph.shape("x") == (1, 3, None, 4)
    assert graph.fixed("x") is None
    made = model(nodes, {"x": ("batch", 3, 4, 4)})
    graph = Graph(made)
    assert fold(graph) == 0
    pin(graph)
    assert fold(graph) == 1


def test_a_graph_inside_a_node_keeps_what_it_uses_from_outside() -> None:
    inner = helper.make_graph(
        [helper.make_node("Mul", ["doubled", "two"], ["z"])], "then", [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)]
    )
    nodes = [
        helper.make_node("Add", ["x", "x"], ["doubled"]),
        helper.make_node("If", ["yes"], ["y"], then_branch=inner, else_branch=inner),
    ]
    made = model(nodes, {"x": (1, 3)}, constants={"yes": np.array(True), "two": np.array(2, np.float32)})
    graph = Graph(made)
    fold(graph)
    whole = graph.whole()
    assert count(whole, "Add") == 1
    assert off(run(whole, feeds(made)), run(made, feeds(made))) == 0


def test_an_output_that_is_constant_or_an_input_stays_an_output() -> None:
    nodes = [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("Add", ["one", "one"], ["z"])]
    made = model(nodes, {"x": (1, 3)}, ["y", "z"], {"one": np.ones(3, np.float32)})
    graph = Graph(made)
    fold(graph)
    assert off(run(graph.whole(), feeds(made)), run(made, feeds(made))) == 0


@given(
    st.lists(st.integers(0, 3), min_size=8, max_size=8), st.sampled_from([11, 13, 17]), st.sampled_from(["reflect", "edge", "constant"])
)
@settings(max_examples=40, deadline=None)
def test_reflected_borders_from_slices_are_the_same_bit_for_bit(amounts: list[int], opset: int, mode: str) -> None:
    net = Network(0, 4, 5, opset)
    net.inputs["target"] = (4, 4, 5, 6)
    net.x = net.node("Pad", net.x, net.constant(amounts, np.int64), mode=mode)
    made = net.model()
    graph = Graph(made)
    assert pads(graph) == int(mode == "reflect" and any(amounts))
    assert count(graph.whole(), "Pad") == int(mode != "reflect" or not any(amounts))
    assert off(run(graph.whole(), feeds(made)), run(made, feeds(made))) == 0


_STEPS = ("conv", "down", "double", "reflect", "norm", "style", "leaky", "add", "seven")


def _random(seed: int, opset: int, steps: list[str]) -> Any:
    net = Network(seed, 4, 12, opset)
    before: dict[tuple[int, int], str] = {}
    for number, step in enumerate(steps):
        match step:
            case "conv":
                net.conv(3 + number)
            case "seven":
                net.conv(4, 7, pads=(3, 3, 3, 3))
            case "down" if net.side > 6:
                net.conv(3 + number, stride=2)
            case "double" if net.side < 20:
                net.double("nearest" if number % 2 else "linear")
            case "reflect":
                net.pad(1, "reflect")
                net.conv(net.channels, pads=(0, 0, 0, 0))
            case "norm":
                net.norm(seed + number, 1e-5)
            case "style":
                net.style()
            case "leaky":
                net.x = net.node("LeakyRelu", net.x, alpha=0.2)
            case "add":
                net.x = net.node("Add", net.x, before.get((net.channels, net.side), net.x))
        before[net.channels, net.side] = net.x
    return net.model(shuffled=True)


@given(st.integers(0, 999), st.sampled_from([11, 13, 17]), st.lists(st.sampled_from(_STEPS), min_size=1, max_size=9))
@settings(max_examples=60, deadline=None)
def test_all_rewrites_together_keep_any_network_the_same(seed: int, opset: int, steps: list[str]) -> None:
    made = _random(seed, opset, steps)
    graph = Graph(made)
    fold(graph)
    norm(graph)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "_costs", lambda *_: (2.0, 1.0))
        winograd.winograd(graph, 1 << 40)
    pads(graph)
    whole = graph.whole()
    onnx.checker.check_model(whole, full_check=True)
    assert off(run(whole, feeds(made, seed)), run(made, feeds(made, seed))) < 1e-4
