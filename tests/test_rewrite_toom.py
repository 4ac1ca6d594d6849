"""Minimal filtering is exact in fractions, and its points are better than the usual ones in float32."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rewrite import toom
from models.rewrite.tiles import axis


@given(st.integers(1, 4), st.integers(1, 3), st.data())
def test_products_in_fractions_are_the_correlation_itself(m: int, taps: int, data: st.DataObject) -> None:
    a, g, b = toom.toom_cook(m, taps)
    numbers = st.fractions(-100, 100, max_denominator=50)
    kernel = data.draw(st.lists(numbers, min_size=taps, max_size=taps))
    inputs = data.draw(st.lists(numbers, min_size=m + taps - 1, max_size=m + taps - 1))
    at_points = [sum(x * y for x, y in zip(row, kernel, strict=True)) for row in g]
    # With one tap there are as many inputs as outputs.
    products = [left * sum(x * y for x, y in zip(row, inputs, strict=True)) for left, row in zip(at_points, b, strict=True)]
    got = [sum((x * y for x, y in zip(row, products, strict=True)), Fraction(0)) for row in a]
    assert got == [sum(kernel[j] * inputs[i + j] for j in range(taps)) for i in range(m)]


@pytest.mark.parametrize(("m", "taps", "products"), [(2, 3, 4), (4, 3, 6), (4, 2, 5), (3, 3, 5), (2, 2, 3)])
def test_as_few_products_as_can_be(m: int, taps: int, products: int) -> None:
    assert len(toom.toom_cook(m, taps)[1]) == products == m + taps - 1


def test_too_many_products_are_refused_and_say_so() -> None:
    with pytest.raises(ValueError, match="got 5 outputs of 3 taps, expected at most 6 products"):
        toom.filtering(5, 3)


@pytest.mark.parametrize("m", [2, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_what_runs_in_every_frame_is_exact_in_float32(m: int, stride: int) -> None:
    found = toom.filtering(m, 3, stride)
    for matrix in (found.inputs, found.outputs, np.kron(found.inputs, found.inputs), np.kron(found.outputs, found.outputs)):
        assert np.array_equal(matrix, matrix.astype(np.float32))
    assert np.abs(found.inputs).max() <= 1


def _error(m: int, channels: int = 256) -> float:
    """Of one axis in float32, as a share of the result's deviation."""
    found, random = toom.filtering(m, 3), np.random.default_rng(0)
    length = found.inputs.shape[1]
    inputs, kernel = random.standard_normal((channels, length, 400)), random.standard_normal((channels, 3))
    spread = found.inputs.astype(np.float32) @ inputs.astype(np.float32)
    weights = (kernel @ found.kernel.T).astype(np.float32)
    products = np.einsum("cp,cpt->pt", weights, spread).astype(np.float32)
    wanted = sum(np.einsum("c,cmt->mt", kernel[:, j], inputs[:, j : j + m]) for j in range(3))
    return float(np.std(found.outputs.astype(np.float32) @ products - wanted) / np.std(wanted))


def test_these_points_round_less_than_the_usual_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = _error(4)
    monkeypatch.setitem(toom._POINTS, 5, "0 1 -1 2 -2")
    assert ours < 0.75 * _error(4)


def _correlated(x: np.ndarray, kernel: np.ndarray, stride: int, pads: tuple[int, int], padding: str, doubling: str | None) -> np.ndarray:
    if doubling == "nearest":
        x = np.repeat(x, 2)
    if doubling == "linear":
        around = np.concatenate([x[:1], x, x[-1:]])
        x = np.stack([0.25 * around[:-2] + 0.75 * around[1:-1], 0.75 * around[1:-1] + 0.25 * around[2:]], axis=1).ravel()
    x = np.pad(x, pads, mode=padding)  # type: ignore[call-overload]
    return np.array([kernel @ x[i : i + len(kernel)] for i in range(0, len(x) - len(kernel) + 1, stride)])


@given(
    st.integers(4, 21), st.sampled_from([2, 3, 4]), st.sampled_from([1, 2]), st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.sampled_from(["constant", "reflect", "edge"]), st.sampled_from([None, "linear", "nearest"]), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_tables_hold_padding_stride_and_doubling(
    size: int, m: int, stride: int, pads: tuple[int, int], padding: str, doubling: str | None, seed: int
) -> None:
    found = axis(size, m, 3, stride, pads, padding, doubling)  # type: ignore[arg-type]
    if found is None:
        assert doubling
        assert (m * stride) % 2 or padding == "reflect"
        return
    random = np.random.default_rng(seed)
    x, kernel = random.standard_normal(size), random.standard_normal(3)
    tiles = found.outputs @ ((found.kernel @ kernel)[:, None] * (found.inputs @ np.append(x, 0)[found.index]))
    wanted = _correlated(x, kernel, stride, pads, padding, doubling)
    assert found.size == len(wanted)
    assert np.allclose(tiles.T.ravel()[: found.size], wanted, atol=1e-12)


def test_a_reflection_wider_than_the_picture_has_no_tables() -> None:
    assert axis(3, 2, 3, 1, (3, 3), "reflect") is None
    assert axis(1, 2, 3, 1, (0, 0)) is None
