"""Convolutions as matrix products: equal, chosen where they pay, and within the memory that is given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.twin import twin
from models.rewrite import winograd as subject
from models.rewrite.convolution import convolution
from models.rewrite.fold import fold
from models.rewrite.graph import Graph
from models.rewrite.norm import norm
from models.rewrite.winograd import Plan, choose, plans, winograd
from tests.graphs import Network, count, feeds, off, run

_ALL = 1 << 40


@pytest.fixture
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every convolution that can be rewritten is, whatever it costs."""
    monkeypatch.setattr(subject, "_costs", lambda *_: (2.0, 1.0))


def _rewritten(made: Any, memory: int = _ALL) -> tuple[Any, int]:
    graph = Graph(made)
    fold(graph)
    found = winograd(graph, memory)
    return graph.whole(), found


@pytest.mark.usefixtures("_always")
@given(
    seed=st.integers(0, 999), side=st.integers(5, 19), wide=st.integers(1, 9), stride=st.sampled_from([1, 2]),
    pad=st.sampled_from(["constant", "reflect", "edge", "own", "none"]), doubling=st.sampled_from(["", "linear", "nearest"]),
    bias=st.booleans(), blocks=st.sampled_from([(4, 4), (2, 4), (2, 2)]), opset=st.sampled_from([11, 13, 17]),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_any_convolution_is_equal(
    seed: int, side: int, wide: int, stride: int, pad: str, doubling: str, bias: bool, blocks: tuple[int, int], opset: int
) -> None:
    net = Network(seed, 3, side, opset)
    if doubling:
        net.double(doubling)
    if pad in ("constant", "reflect", "edge"):
        net.pad(1 + seed % 2, pad)
    net.conv(wide, 3, stride, (1, 0, 2, 1) if pad == "own" else (0, 0, 0, 0), bias)
    made = net.model(shuffled=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subject, "_BLOCKS", (blocks,))
        rewritten, found = _rewritten(made)
    assert found == 1
    assert not count(rewritten, "Conv")
    assert not count(rewritten, "Pad")
    # A reflection of what was doubled cannot be read from what was not.
    assert count(rewritten, "Resize") == int(bool(doubling) and pad == "reflect")
    assert off(run(rewritten, feeds(made, seed)), run(made, feeds(made, seed))) < 2e-5


@pytest.mark.usefixtures("_always")
def test_a_chain_of_them_is_equal_and_what_others_need_of_it_stays() -> None:
    net = Network(0, 4, 12)
    net.pad(1, "reflect")
    padded = net.x
    net.conv(6, pads=(0, 0, 0, 0))
    net.x = net.node("LeakyRelu", net.x, alpha=0.2)
    net.conv(8)
    net.double("linear")
    net.conv(4)
    net.x = net.node("Concat", net.x, net.node("Resize", padded, net.constant([]), net.constant([1, 1, 24 / 14, 24 / 14])), axis=1)
    made = net.model()
    rewritten, found = _rewritten(made)
    assert found == 3
    assert (count(rewritten, "Pad"), count(rewritten, "Resize")) == (1, 1)
    assert off(run(rewritten, feeds(made)), run(made, feeds(made))) < 2e-5


def _variants() -> dict[str, dict[str, Any]]:
    return {
        "groups": {"group": 2},
        "gaps between taps": {"dilations": [2, 2]},
        "two strides": {"strides": [1, 2]},
        "automatic padding": {"auto_pad": "SAME_UPPER"},
        "a stride of three": {"strides": [3, 3]},
    }


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("name", _variants())
def test_other_convolutions_are_left_alone(name: str) -> None:
    net = Network(0, 4, 12)
    weights = net.normal(4, 2 if name == "groups" else 4, 3, 3)
    net.x = net.node("Conv", net.x, weights, kernel_shape=[3, 3], **_variants()[name])
    made = net.model()
    rewritten, found = _rewritten(made)
    assert found == 0
    assert off(run(rewritten, feeds(made)), run(made, feeds(made))) == 0


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("taps", [1, 5, 7])
def test_other_kernels_are_left_alone(taps: int) -> None:
    net = Network(0, 4, 12)
    net.conv(4, taps)
    assert _rewritten(net.model())[1] == 0


@pytest.mark.usefixtures("_always")
def test_weights_that_are_made_while_it_runs_and_batches_are_left_alone() -> None:
    net = Network(0, 4, 12)
    made = net.node("Gemm", "source", net.normal(6, 144))
    net.x = net.node("Conv", net.x, net.node("Reshape", made, net.constant([4, 4, 3, 3], np.int64)))
    assert _rewritten(net.model())[1] == 0
    net = Network(0, 4, 12)
    net.inputs["target"] = (2, 4, 12, 12)
    net.conv(4)
    assert _rewritten(net.model())[1] == 0
    net = Network(0, 4, 12)
    net.inputs["target"] = (1, 4, "height", "width")  # type: ignore[assignment]
    net.conv(4)
    assert _rewritten(net.model())[1] == 0


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize(
    "more",
    [{"coordinate_transformation_mode": "align_corners"}, {"coordinate_transformation_mode": "asymmetric"}, {"mode": "cubic"}],
    ids=["corners", "asymmetric", "cubic"],
)
def test_other_enlargements_stay_before_the_convolution(more: dict[str, Any]) -> None:
    net = Network(0, 4, 8)
    net.x = net.node("Resize", net.x, net.constant([]), net.constant([1, 1, 2, 2]), **{"mode": "linear", **more})
    net.side = 16
    net.conv(4)
    made = net.model()
    rewritten, found = _rewritten(made)
    assert (found, count(rewritten, "Resize")) == (1, 1)
    assert off(run(rewritten, feeds(made)), run(made, feeds(made))) < 2e-5


def _plans(graph: Graph) -> list[list[Plan]]:
    makers = graph.makers()
    return [plans(graph, work) for node in graph.nodes if (work := convolution(graph, makers, node))]


def _options(model: Any) -> list[list[Plan]]:
    """The plans for a model whose weights nobody has, as their values are not asked for."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    del model.graph.initializer[:]
    graph = Graph(model)
    graph.constants |= {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}
    fold(graph)
    norm(graph)
    return _plans(graph)


def test_of_the_full_twin_it_takes_the_wide_convolutions_and_leaves_the_others() -> None:
    options = _options(twin(seed=None))
    assert len(options) == 20
    ends = [options[0], options[-1]]
    assert ends == [[], []]
    chosen = choose(options, _ALL)
    wide = [plan for plan in chosen if (plan.of.size, plan.of.padding) == ((32, 32), "reflect")]
    assert len(wide) == 12
    assert all((len(plan.rows.outputs), len(plan.columns.outputs)) == (4, 4) for plan in wide)
    assert sum(plan.of.doubling == "linear" for plan in chosen) == 2
    # A convolution with few channels costs less than bringing its tiles there and back.
    assert not [plan for ways in _options(twin(1 / 32, seed=None)) for plan in ways]


@pytest.mark.parametrize("memory", [0, 10 << 20, 200 << 20, 700 << 20, 1 << 30, _ALL])
def test_weights_grow_by_no_more_than_there_is_memory_and_more_memory_saves_more(memory: int) -> None:
    options = _options(twin(seed=None))
    chosen = choose(options, memory)
    assert sum(plan.size for plan in chosen) <= memory
    assert len({id(plan.of) for plan in chosen}) == len(chosen)
    assert sum(plan.saved for plan in choose(options, memory // 2)) <= sum(plan.saved for plan in chosen)
    assert bool(chosen) == bool(memory)


@pytest.mark.usefixtures("_always")
def test_weights_grow_by_what_was_planned() -> None:
    net = Network(0, 16, 32)
    net.conv(16)
    made = net.model()
    graph = Graph(made)
    (ways,) = _plans(graph)
    assert [plan.size for plan in ways] == [4 * 16 * 16 * (points - 9) for points in (36, 24, 16)]
    for plan in ways:
        graph = Graph(made)
        assert winograd(graph, plan.size) == 1
        (weights,) = (value for value in graph.constants.values() if value.ndim == 3)
        assert weights.nbytes - 4 * 16 * 16 * 9 <= plan.size
        assert off(run(graph.whole(), feeds(made)), run(made, feeds(made))) < 2e-5
    assert winograd(Graph(made), ways[-1].size - 1) == 0


@pytest.mark.parametrize(("side", "fits"), [(64, True), (1024, False)])
def test_a_picture_whose_tiles_would_fill_the_memory_stays(side: int, fits: bool) -> None:
    net = Network(0, 1, side)
    net.inputs["target"] = (1, 256, side, side)
    net.x = net.node("Conv", net.x, net.constant(np.zeros((256, 256, 3, 3))), pads=[1, 1, 1, 1])
    (ways,) = _plans(Graph(net.model()))
    assert bool(ways) == fits
