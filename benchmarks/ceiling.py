"""How fast a provider multiplies matrices: what everything else that it computes can be held against."""

from __future__ import annotations

import time
from math import sqrt
from typing import Any

import numpy as np

from models.running.material import Material
from models.running.providers import Runtime, Variant
from models.session import open_variant

_SIZES = {False: (512, 1024, 2048), True: (2048, 4096, 8192)}
"""Of square matrices, on a processor and on a graphics processor."""
_PRODUCTS = 4
_SECONDS = 1.0
"""How long each size is measured."""


def ceiling(variant: Variant, runtime: Runtime) -> tuple[float, int]:
    """The best GFLOP/s of large matrix products on a provider, in the variant's precision, and the size it was reached with."""
    rates = [(_rate(variant, runtime, size), size) for size in _SIZES[variant.provider != "CPU"]]
    return max(rates)


def _rate(variant: Variant, runtime: Runtime, size: int) -> float:
    opened = open_variant(variant, Material(products(size), f"{size} x {size}"), runtime, True)
    feeds = {"x": np.ones((size, 1), np.float32)}
    best, end = np.inf, time.perf_counter() + _SECONDS
    for _ in range(2):
        opened(feeds)
    while True:
        begin = time.perf_counter()
        opened(feeds)
        best = min(best, time.perf_counter() - begin)
        if time.perf_counter() > end:
            break
    opened.close()
    return _PRODUCTS * 2 * size**3 / best / 1e9


def products(size: int) -> Any:
    """A network of some products with one matrix after another, into which and out of which hardly anything has to go."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    matrix = random.standard_normal((size, size), np.float32) * np.float32(1 / sqrt(size))
    row = random.standard_normal((1, size), np.float32)
    nodes = [helper.make_node("Mul", ["x", "row"], ["p0"])]
    nodes += [helper.make_node("MatMul", [f"p{i}", "matrix"], [f"p{i + 1}"]) for i in range(_PRODUCTS)]
    nodes.append(helper.make_node("ReduceMax", [f"p{_PRODUCTS}"], ["y"], keepdims=1))
    graph = helper.make_graph(
        nodes,
        "products",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [size, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])],
        [numpy_helper.from_array(matrix, "matrix"), numpy_helper.from_array(row, "row")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


__all__ = ["ceiling", "products"]
