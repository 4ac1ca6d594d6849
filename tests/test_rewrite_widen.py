"""Networks in half floats are computed in floats where a processor runs them, with the inputs and outputs that they had."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.rewrite.fold import fold
from models.rewrite.graph import Graph
from models.rewrite.norm import norm
from models.rewrite.prepare import suited
from models.rewrite.widen import widen
from tests.graphs import Array, Network, count, feeds, off, run


def _half(made: Any, outside: bool) -> Any:
    """The same network in fp16; outside: its inputs and outputs too, else with casts behind and before them."""
    other = onnx.ModelProto()
    other.CopyFrom(made)
    for tensor in other.graph.initializer:
        value = numpy_helper.to_array(tensor)
        if value.dtype == np.float32:
            # An epsilon that fp16 cannot hold becomes the least that it can.
            least = np.where(value == 0, 0, np.sign(value) * np.maximum(np.abs(value), 1e-7))
            tensor.CopyFrom(numpy_helper.from_array(least.astype(np.float16), tensor.name))
    del other.graph.value_info[:]
    if outside:
        for port in (*other.graph.input, *other.graph.output):
            port.type.tensor_type.elem_type = TensorProto.FLOAT16
        return other
    names = {port.name: f"{port.name}_half" for port in (*other.graph.input, *other.graph.output)}
    for node in other.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    casts = [helper.make_node("Cast", [port.name], [names[port.name]], to=TensorProto.FLOAT16) for port in other.graph.input]
    nodes = [*casts, *other.graph.node]
    del other.graph.node[:]
    other.graph.node.extend(nodes)
    for port in other.graph.output:
        other.graph.node.append(helper.make_node("Cast", [names[port.name]], [port.name], to=TensorProto.FLOAT))
    return other


def _network() -> Any:
    net = Network(0, 4, 8)
    net.conv(6)
    net.norm(4)
    net.style()
    net.x = net.node("LeakyRelu", net.x, alpha=0.2)
    net.conv(3)
    return net.model()


@pytest.mark.parametrize("outside", [True, False], ids=["half outside too", "float outside"])
def test_inside_everything_is_float_and_outside_nothing_changed(outside: bool) -> None:
    made = _network()
    half = _half(made, outside)
    onnx.checker.check_model(half, full_check=True)
    graph = Graph(half)
    fold(graph)
    assert widen(graph) > 5
    assert norm(graph) == 1
    whole = graph.whole()
    onnx.checker.check_model(whole, full_check=True)
    assert not [tensor.name for tensor in whole.graph.initializer if tensor.data_type == TensorProto.FLOAT16]
    kinds = [[port.type.tensor_type.elem_type for port in part.graph.output] for part in (half, whole)]
    assert kinds[0] == kinds[1]
    given: dict[str, Array] = feeds(made)
    if outside:
        given = {name: value.astype(np.float16) for name, value in given.items()}
    # Half floats hold three digits; of their rounding between the nodes nothing is left.
    assert off(run(whole, given), run(half, given)) < 5e-3
    assert off(run(whole, given), run(made, feeds(made))) < 5e-3


def test_a_processor_computes_in_floats_and_others_as_the_file_says() -> None:
    half = _half(_network(), False)
    kinds = {}
    for provider, memory in (("CPU", 1 << 30), ("CUDA", 0), ("CoreML", 0)):
        graph = Graph(half)
        fold(graph)
        suited(graph, provider, memory)
        kinds[provider] = {value.dtype.name for value in graph.constants.values()} - {"int64"}
    assert kinds == {"CPU": {"float32"}, "CUDA": {"float16"}, "CoreML": {"float16"}}


def test_floats_stay_and_types_that_are_told_elsewhere_are_not_touched() -> None:
    assert widen(Graph(_network())) == 0
    net = Network(0, 4, 8)
    value = helper.make_tensor("v", TensorProto.FLOAT16, [1], [1.0])
    made = net.node("ConstantOfShape", net.node("Shape", net.x), value=value)
    net.x = net.node("Cast", net.node("Add", made, net.constant(1, np.float16)), to=1)
    graph = Graph(net.model())
    assert widen(graph) == 0
    assert count(graph.whole(), "ConstantOfShape") == 1
