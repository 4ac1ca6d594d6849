"""Instance norm written by hand becomes one node, and what only looks like it stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from models.rewrite.fold import fold
from models.rewrite.graph import Graph
from models.rewrite.norm import norm
from tests.graphs import Network, count, feeds, off, run


def _rewritten(made: Any, affine: bool = True) -> tuple[Any, int]:
    graph = Graph(made)
    fold(graph)
    found = norm(graph, affine)
    return graph.whole(), found


@given(
    way=st.integers(0, 11), opset=st.sampled_from([11, 12, 13, 15, 17, 18]), styled=st.booleans(), shuffled=st.booleans(),
    seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_every_way_to_write_it_is_found_and_equal(way: int, opset: int, styled: bool, shuffled: bool, seed: int) -> None:
    net = Network(seed, 4, 6, opset)
    net.conv(5)
    net.norm(way)
    if styled:
        net.style()
    made = net.model(shuffled)
    rewritten, found = _rewritten(made)
    assert found == count(rewritten, "InstanceNormalization") == 1
    assert not any(count(rewritten, kind) for kind in ("ReduceMean", "Sqrt", "Sub", "Pow", "Mul", "Add"))
    assert off(run(rewritten, feeds(made, seed)), run(made, feeds(made, seed))) < 2e-6


def test_a_bias_that_the_norm_takes_away_again_is_dropped() -> None:
    net = Network(0, 3, 6)
    net.conv(4)
    net.norm()
    rewritten, _ = _rewritten(net.model())
    assert [len(node.input) for node in rewritten.graph.node if node.op_type == "Conv"] == [2]


def test_for_providers_that_want_constants_the_source_stays_outside() -> None:
    net = Network(0, 3, 6)
    net.norm()
    net.style()
    made = net.model()
    rewritten, found = _rewritten(made, affine=False)
    assert found == 1
    constants = {tensor.name for tensor in rewritten.graph.initializer}
    assert all({*node.input[1:]} <= constants for node in rewritten.graph.node if node.op_type == "InstanceNormalization")
    assert count(rewritten, "Mul") == count(rewritten, "Add") == 1
    assert off(run(rewritten, feeds(made)), run(made, feeds(made))) < 2e-6


def test_a_constant_scale_is_taken_in_for_every_provider() -> None:
    net = Network(0, 3, 6)
    net.norm()
    net.x = net.node("Add", net.node("Mul", net.constant(np.arange(1, 4).reshape(3, 1, 1)), net.x), net.constant(np.ones((1, 3, 1, 1))))
    made = net.model()
    rewritten, _ = _rewritten(made, affine=False)
    assert not count(rewritten, "Mul")
    assert not count(rewritten, "Add")
    assert off(run(rewritten, feeds(made)), run(made, feeds(made))) < 2e-6


def _mean(net: Network, x: str, axes: list[int], keep: int = 1) -> str:
    return net.node("ReduceMean", x, axes=axes, keepdims=keep)


def _parts(net: Network, axes: list[int], other: str | None = None) -> tuple[str, str]:
    """What is centred, and its deviation."""
    centred = net.node("Sub", net.x, _mean(net, other or net.x, axes))
    variance = _mean(net, net.node("Mul", centred, centred), axes)
    return centred, net.node("Sqrt", net.node("Add", variance, net.constant(1e-5)))


def _layer_norm(net: Network) -> None:
    net.x = net.node("Div", *_parts(net, [1, 2, 3]))


def _row_norm(net: Network) -> None:
    net.x = net.node("Div", *_parts(net, [3]))


def _upside_down(net: Network) -> None:
    net.x = net.node("Div", *_parts(net, [2, 3])[::-1])


def _another_mean(net: Network) -> None:
    net.x = net.node("Div", *_parts(net, [2, 3], net.node("Relu", net.x)))


def _no_root(net: Network) -> None:
    centred = net.node("Sub", net.x, _mean(net, net.x, [2, 3]))
    net.x = net.node("Div", centred, net.node("Add", _mean(net, net.node("Mul", centred, centred), [2, 3]), net.constant(1e-5)))


def _cube(net: Network) -> None:
    centred = net.node("Sub", net.x, _mean(net, net.x, [2, 3]))
    cubed = net.node("Pow", net.node("Abs", centred), net.constant(3))
    net.x = net.node("Div", centred, net.node("Sqrt", net.node("Add", _mean(net, cubed, [2, 3]), net.constant(1e-5))))


def _two_over(net: Network) -> None:
    centred, root = _parts(net, [2, 3])
    net.x = net.node("Mul", centred, net.node("Div", net.constant(2), root))


def _variance_of_another(net: Network) -> None:
    centred = net.node("Sub", net.x, _mean(net, net.x, [2, 3]))
    other = net.node("Relu", centred)
    variance = _mean(net, net.node("Mul", other, other), [2, 3])
    net.x = net.node("Div", centred, net.node("Sqrt", net.node("Add", variance, net.constant(1e-5))))


def _epsilon_that_varies(net: Network) -> None:
    centred = net.node("Sub", net.x, _mean(net, net.x, [2, 3]))
    square = _mean(net, net.node("Mul", centred, centred), [2, 3])
    net.x = net.node("Div", centred, net.node("Sqrt", net.node("Add", square, net.constant(np.full((1, net.channels, 1, 1), 0.5)))))


def _somebody_looks_inside(net: Network) -> None:
    centred, root = _parts(net, [2, 3])
    net.x = net.node("Add", net.node("Div", centred, root), centred)


@pytest.mark.parametrize(
    "near",
    [_layer_norm, _row_norm, _upside_down, _another_mean, _no_root, _cube, _two_over, _variance_of_another, _epsilon_that_varies,
     _somebody_looks_inside],
)  # fmt: skip
def test_what_only_looks_like_it_is_left_alone(near: Callable[[Network], None]) -> None:
    net = Network(1, 4, 6)
    near(net)
    made = net.model()
    rewritten, found = _rewritten(made)
    assert found == 0
    assert not count(rewritten, "InstanceNormalization")
    assert off(run(rewritten, feeds(made)), run(made, feeds(made))) < 1e-6


@pytest.mark.parametrize(
    "shape", [(1, 4, 6, 6), (1, 1, 6, 6), (6, 6), (1, 4, 1, 6)], ids=["every pixel", "one for all channels", "a picture", "columns"]
)
def test_a_scale_that_is_not_one_number_a_channel_stays_outside(shape: tuple[int, ...]) -> None:
    net = Network(2, 4, 6)
    net.norm()
    net.x = net.node("Mul", net.x, net.constant(net.random.standard_normal(shape)))
    made = net.model()
    rewritten, found = _rewritten(made)
    assert found == 1
    assert count(rewritten, "Mul") == 1
    assert off(run(rewritten, feeds(made)), run(made, feeds(made))) < 2e-6


def test_one_that_is_also_used_without_its_scale_keeps_both() -> None:
    net = Network(3, 4, 6)
    net.norm()
    plain = net.x
    net.style()
    net.x = net.node("Add", net.x, plain)
    made = net.model()
    rewritten, found = _rewritten(made)
    assert found == 1
    assert off(run(rewritten, feeds(made)), run(made, feeds(made))) < 2e-6


def test_an_output_in_the_middle_of_it_keeps_its_name_and_value() -> None:
    net = Network(4, 4, 6)
    net.norm()
    made = net.model()
    middle = next(node.output[0] for node in made.graph.node if node.op_type == "Sqrt")
    made.graph.output.append(helper.make_tensor_value_info(middle, 1, None))
    rewritten, found = _rewritten(made)
    assert found == 0
    assert off(run(rewritten, feeds(made)), run(made, feeds(made))) < 1e-6
