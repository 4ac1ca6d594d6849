"""A swapper cut at its source: together the halves are the whole, and a frame's half has none of the source's work."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from benchmarks.twin import twin
from models.rewrite.fold import fold
from models.rewrite.graph import Graph
from models.rewrite.halves import halves
from models.rewrite.norm import norm
from tests.graphs import Array, Network, count, feeds, model, off, run


def _cut(made: Any, source: str = "source") -> tuple[Any, Any] | None:
    graph = Graph(made)
    fold(graph)
    found = halves(graph, source)
    return (found[0].whole(), found[1].whole()) if found else None


def _together(first: Any, second: Any, given: dict[str, Array]) -> list[Array]:
    made = run(first, given)
    return run(second, given | dict(zip([port.name for port in first.graph.output], made, strict=True)))


def test_of_the_twin_the_frame_keeps_no_product_with_the_source() -> None:
    made = twin(1 / 32, 32)
    parts = _cut(made)
    assert parts is not None
    first, second = parts
    for part in parts:
        onnx.checker.check_model(part, full_check=True)
    assert (count(first, "Gemm"), count(second, "Gemm")) == (12, 0)
    assert not any(count(second, kind) for kind in ("Unsqueeze", "Slice", "Shape", "Gather"))
    # Twelve scales and twelve shifts, ready to be used.
    shapes = [[side.dim_value for side in port.type.tensor_type.shape.dim] for port in second.graph.input]
    assert shapes == [[1, 3, 32, 32], *[[1, 32, 1, 1]] * 24]
    assert [port.name for port in first.graph.output] == [port.name for port in second.graph.input][1:]
    given = feeds(made)
    assert off(_together(first, second, given), run(made, given)) < 1e-6


def test_a_norm_takes_in_what_comes_across_the_cut() -> None:
    made = twin(1 / 32, 32)
    graph = Graph(made)
    fold(graph)
    parts = halves(graph, "source")
    assert parts is not None
    assert norm(parts[1]) == 12
    second = parts[1].whole()
    assert not count(second, "Mul")
    given = feeds(made)
    assert off(_together(parts[0].whole(), second, given), run(made, given)) < 1e-5


def test_a_source_that_is_a_picture_is_encoded_once() -> None:
    nodes = [
        helper.make_node("Conv", ["source", "w"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("GlobalAveragePool", ["b"], ["c"]),
        helper.make_node("Conv", ["target", "w"], ["d"], pads=[1, 1, 1, 1]),
        helper.make_node("Mul", ["d", "c"], ["e"]),
        helper.make_node("Add", ["e", "b"], ["y"]),
    ]
    weights = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    made = model(nodes, {"source": (1, 3, 8, 8), "target": (1, 3, 8, 8)}, constants={"w": weights})
    parts = _cut(made)
    assert parts is not None
    assert [port.name for port in parts[1].graph.input] == ["target", "c", "b"]
    assert (count(parts[0], "Conv"), count(parts[1], "Conv")) == (1, 1)
    given = feeds(made)
    assert off(_together(*parts, given), run(made, given)) == 0


def test_what_only_spreads_numbers_out_is_done_behind_the_cut() -> None:
    nodes = [
        helper.make_node("Gemm", ["source", "w"], ["a"]),
        helper.make_node("Reshape", ["a", "flat"], ["b"]),
        helper.make_node("Expand", ["b", "all"], ["c"]),
        helper.make_node("Add", ["c", "target"], ["y"]),
    ]
    constants = {"w": np.eye(3, dtype=np.float32), "flat": np.array([1, 3, 1, 1]), "all": np.array([1, 3, 64, 64])}
    made = model(nodes, {"source": (1, 3), "target": (1, 3, 64, 64)}, constants=constants)
    parts = _cut(made)
    assert parts is not None
    assert [port.name for port in parts[0].graph.output] == ["b"]
    assert off(_together(*parts, feeds(made)), run(made, feeds(made))) == 0


def test_a_source_that_the_frame_needs_itself_stays_an_input() -> None:
    nodes = [
        helper.make_node("Gemm", ["source", "w"], ["a"]),
        helper.make_node("Mul", ["a", "target"], ["b"]),
        helper.make_node("Add", ["b", "source"], ["y"]),
    ]
    made = model(nodes, {"target": (1, 3), "source": (1, 3)}, constants={"w": np.eye(3, dtype=np.float32)})
    parts = _cut(made)
    assert parts is not None
    assert [port.name for port in parts[1].graph.input] == ["target", "source", "a"]
    assert off(_together(*parts, feeds(made)), run(made, feeds(made))) == 0


def test_one_output_of_a_node_may_be_needed_on_either_side() -> None:
    nodes = [
        helper.make_node("Gemm", ["source", "w"], ["a"]),
        helper.make_node("Split", ["a", "sizes"], ["b", "c"], axis=1),
        helper.make_node("Exp", ["b"], ["d"]),
        helper.make_node("Mul", ["target", "c"], ["e"]),
        helper.make_node("Add", ["e", "d"], ["y"]),
    ]
    constants = {"w": np.ones((2, 4), np.float32), "sizes": np.array([2, 2])}
    made = model(nodes, {"target": (1, 2), "source": (1, 2)}, constants=constants)
    parts = _cut(made)
    assert parts is not None
    assert sorted(port.name for port in parts[0].graph.output) == ["c", "d"]
    assert off(_together(*parts, feeds(made)), run(made, feeds(made))) == 0


@pytest.mark.parametrize("kind", ["nothing is made", "all of it", "not used"])
def test_no_cut_where_nothing_is_won(kind: str) -> None:
    source, target = ("target", "source") if kind == "all of it" else ("source", "target")
    first = {"nothing is made": helper.make_node("Reshape", [source, "shape"], ["a"]), "not used": helper.make_node("Abs", [target], ["a"])}
    nodes = [first.get(kind, helper.make_node("Abs", [target], ["a"])), helper.make_node("Add", ["a", target], ["y"])]
    made = model(nodes, {"target": (1, 4), "source": (1, 4)}, constants={"shape": np.array([1, 4])})
    assert _cut(made) is None


def test_a_source_that_is_no_input_is_refused() -> None:
    net = Network(0, 3, 4)
    net.style()
    with pytest.raises(ValueError, match="got a source latent, expected one of the inputs target, source"):
        halves(Graph(net.model()), "latent")


def test_sizes_that_are_not_known_are_not_cut() -> None:
    net = Network(0, 3, 4)
    net.inputs["source"] = ("people", 6)  # type: ignore[assignment]
    net.x = net.node("Add", net.x, net.node("ReduceMean", net.node("Gemm", "source", net.normal(6, 6)), axes=[0, 1]))
    net.x = net.node("Add", net.x, net.node("Exp", net.node("Slice", "source", *[net.constant([n], np.int64) for n in (0, 1, 1)])))
    graph = Graph(net.model())
    assert halves(graph, "source") is None
