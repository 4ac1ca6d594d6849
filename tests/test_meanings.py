"""What each figure means: every one is explained, costs order values, windows merge into what they stand for."""

from __future__ import annotations

import pytest

from benchmarks.quality.meanings import FIGURES, Figure, merge


def test_every_figure_says_what_it_is() -> None:
    for name, figure in FIGURES.items():
        assert figure.meaning
        assert figure.unit
        assert name == name.lower()
    assert {name for name, figure in FIGURES.items() if figure.limit is not None} >= {"pose_error_deg", "mouth_error_percent"}


def test_costs_order_values_whatever_is_better() -> None:
    assert Figure("", "", "lower").cost(2) > Figure("", "", "lower").cost(1)
    assert Figure("", "", "higher").cost(1) > Figure("", "", "higher").cost(2)
    ratio = Figure("", "", "one")
    assert ratio.cost(2) == pytest.approx(ratio.cost(0.5))
    assert ratio.cost(1) == 0 < ratio.cost(1.1)
    assert Figure("", "", "zero").cost(-3) == 3
    assert Figure("", "", "none").cost(-3) == 0


def test_limits() -> None:
    assert FIGURES["pose_error_deg"].kept(1.5)
    assert FIGURES["pose_error_deg"].kept(1.6) is False
    assert FIGURES["pose_error_raw_deg"].kept(100) is None


def test_windows_merge_by_their_shots() -> None:
    first = {"pose_error_deg": 1.0, "mouth_error_worst_percent": 2.0}
    second = {"pose_error_deg": 4.0, "mouth_error_worst_percent": 9.0}
    merged = merge([(first, 24), (second, 12), ({"seam_step_delta_e": 3.0}, 5), ({"pose_error_deg": 99.0}, 0)])
    assert merged == {"pose_error_deg": pytest.approx(2.0), "mouth_error_worst_percent": 9.0, "seam_step_delta_e": 3.0}
    assert merge([]) == {}


def test_a_lean_to_both_sides_is_none() -> None:
    def window(yaw: float) -> dict[str, float]:
        return {"pose_offset_pitch_deg": 0.0, "pose_offset_yaw_deg": yaw, "pose_offset_roll_deg": 0.0, "pose_offset_deg": abs(yaw)}

    assert merge([(window(3), 10), (window(-3), 10)])["pose_offset_deg"] == 0
    assert merge([(window(3), 10), (window(3), 10)])["pose_offset_deg"] == pytest.approx(3)
