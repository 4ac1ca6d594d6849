"""Pixels stay in the order of tiles where nothing between two convolutions minds it, and only there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.rewrite import winograd
from models.rewrite.graph import Graph
from models.rewrite.order import Tiles, put
from tests.graphs import Network, count, feeds, model, off, run

_BACK = ("DepthToSpace", "SpaceToDepth")


@pytest.fixture(autouse=True)
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "_costs", lambda *_: (2.0, 1.0))
    monkeypatch.setattr(winograd, "_BLOCKS", ((4, 4),))


def _rewritten(net: Network) -> tuple[Any, Any]:
    made = net.model()
    graph = Graph(made)
    assert winograd.winograd(graph, 1 << 40)
    whole = graph.whole()
    assert off(run(whole, feeds(made)), run(made, feeds(made))) < 3e-5
    return made, whole


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 5))
@settings(deadline=None)
def test_the_order_of_tiles_and_back(m: int, n: int, high: int, broad: int) -> None:
    tiles = Tiles(m, n, high, broad)
    made = model([], {"x": tiles.tensor(3)}, [])
    graph = Graph(made)
    put(graph, "x", tiles, 3, "y")
    graph.outputs = model([], {"y": (1, 3, high * m, broad * n)}, []).graph.input[:]
    picture = np.random.default_rng(0).standard_normal((1, 3, high * m, broad * n)).astype(np.float32)
    ordered = np.empty(tiles.tensor(3), np.float32).reshape(3, -1)
    ordered[:, tiles.places()[:-1]] = picture.reshape(3, -1)
    (back,) = run(graph.whole(), {"x": ordered.reshape(tiles.tensor(3))})
    assert np.array_equal(back, picture)
    assert tiles.places()[-1] == picture[0, 0].size


def test_between_convolutions_nothing_is_put_back() -> None:
    net = Network(0, 3, 16)
    net.conv(5)
    for wide in (4, 6, 3):
        net.x = net.node("LeakyRelu", net.x, alpha=0.1)
        net.x = net.node("Mul", net.x, net.constant(net.random.standard_normal((1, net.channels, 1, 1))))
        scale, shift = net.normal(net.channels), net.normal(net.channels)
        net.x = net.node("InstanceNormalization", net.x, scale, shift, epsilon=1e-5)
        net.pad(1, "reflect")
        net.conv(wide, pads=(0, 0, 0, 0))
    _, whole = _rewritten(net)
    assert count(whole, "DepthToSpace") == 1
    assert count(whole, "Pad") == 0


def test_what_goes_on_beside_the_convolutions_is_brought_into_their_order_once() -> None:
    net = Network(0, 4, 8)
    for _ in range(3):
        beside = net.x
        net.conv(4)
        net.x = net.node("Relu", net.x)
        net.conv(4)
        net.x = net.node("Add", beside, net.x)
    _, whole = _rewritten(net)
    assert [count(whole, kind) for kind in _BACK] == [1, 1]


@pytest.mark.parametrize("kind", ["softmax", "pixels", "pool", "flat"])
def test_what_minds_the_order_gets_the_picture(kind: str) -> None:
    net = Network(0, 4, 8)
    net.conv(4)
    match kind:
        case "softmax":
            net.x = net.node("Softmax", net.x, axis=3)
        case "pixels":
            net.x = net.node("Mul", net.x, net.constant(net.random.standard_normal((8, 8))))
        case "pool":
            net.x = net.node("AveragePool", net.x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        case "flat":
            net.x = net.node("Reshape", net.node("Relu", net.x), net.constant([1, 4, 4, 16], np.int64))
            net.x = net.node("Reshape", net.x, net.constant([1, 4, 8, 8], np.int64))
    net.conv(4)
    _, whole = _rewritten(net)
    assert count(whole, "DepthToSpace") == 2


def test_a_picture_that_is_used_both_ways_is_there_both_ways() -> None:
    net = Network(0, 4, 8)
    net.conv(4)
    net.x = net.node("Relu", net.x)
    beside = net.node("Softmax", net.x, axis=3)
    net.conv(4)
    net.x = net.node("Add", net.x, beside)
    _, whole = _rewritten(net)
    assert count(whole, "Relu") == 1


def test_tiles_that_reach_beyond_the_picture_are_cut_first() -> None:
    net = Network(0, 4, 9)
    net.conv(4)
    net.x = net.node("InstanceNormalization", net.x, net.normal(4), net.normal(4))
    net.conv(4)
    _, whole = _rewritten(net)
    assert count(whole, "Slice") == count(whole, "DepthToSpace") == 2
