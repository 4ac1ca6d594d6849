"""Convolutions into few channels are computed row by row, to the same result; others are left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.rewrite.graph import Graph
from models.rewrite.narrow import narrow
from tests.graphs import Network, count, feeds, off, run


def _rewritten(net: Network) -> tuple[Any, Any, int]:
    made = net.model()
    graph = Graph(made)
    found = narrow(graph)
    return made, graph.whole(), found


@given(
    wide=st.integers(1, 4), taps=st.sampled_from([3, 5, 7]), pads=st.lists(st.integers(0, 3), min_size=4, max_size=4), bias=st.booleans(),
    opset=st.sampled_from([11, 13, 17]),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_row_by_row_is_the_same(wide: int, taps: int, pads: list[int], bias: bool, opset: int) -> None:
    net = Network(0, 5, 9, opset)
    net.conv(wide, taps, 1, pads, bias)
    made, rewritten, found = _rewritten(net)
    assert found == count(rewritten, "Sum") == 1
    assert all(node.attribute[0].ints[0] == 1 for node in rewritten.graph.node if node.op_type == "Conv")
    assert off(run(rewritten, feeds(made)), run(made, feeds(made))) < 2e-6


@pytest.mark.parametrize(("wide", "taps", "stride"), [(16, 7, 1), (8, 3, 1), (3, 1, 1), (3, 7, 2)], ids=["wide", "full", "point", "stride"])
def test_where_nothing_is_won_it_stays(wide: int, taps: int, stride: int) -> None:
    net = Network(0, 5, 9)
    net.conv(wide, taps, stride, (taps // 2,) * 4)
    assert _rewritten(net)[2] == 0


def test_groups_and_other_padding_stay() -> None:
    net = Network(0, 3, 9)
    net.x = net.node("Conv", net.x, net.normal(3, 1, 3, 3), group=3)
    assert _rewritten(net)[2] == 0
    net = Network(0, 3, 9)
    net.x = net.node("Conv", net.x, net.normal(3, 3, 3, 3), auto_pad="SAME_LOWER")
    assert _rewritten(net)[2] == 0
    net = Network(0, 3, 9)
    weights = net.node("Reshape", net.node("Gemm", "source", net.normal(6, 81)), net.constant([3, 3, 3, 3], np.int64))
    net.x = net.node("Conv", net.x, weights)
    assert _rewritten(net)[2] == 0
