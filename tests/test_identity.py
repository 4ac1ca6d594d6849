"""Identity figures on embeddings whose angles are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.quality.identity import Seen, measure
from benchmarks.quality.scale import Scale, choose
from realtime.frame import RealtimeError


def _at(degrees: float, length: float = 1.0) -> NDArray[np.float64]:
    """A plane's embedding by its angle."""
    return length * np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees)), 0.0])


SOURCE, OTHER = _at(0), np.array([0.0, 0.0, 1.0])


def _cos(degrees: float) -> float:
    return math.cos(math.radians(degrees))


def test_cosines_are_those_of_the_angles_whatever_the_lengths() -> None:
    seen = Seen([_at(20, 3.0)] * 2, [_at(90, 0.5)] * 2, [0.0, 0.0])
    figures = measure(seen, [SOURCE, OTHER], 0, False, None)
    assert figures["source"] == pytest.approx(_cos(20))
    assert figures["target"] == figures["target_mean"] == pytest.approx(_cos(70))
    assert figures["base"] == pytest.approx(0.0)
    assert figures["spread"] == pytest.approx(0.0)
    assert "distance" not in figures
    assert "rescaled" not in figures


def test_nearer_and_retrieved_count_frames() -> None:
    """Two frames near the source, one nearer the target, one nearest to another source."""
    seen = Seen([_at(10), _at(40), _at(80), OTHER], [_at(90)] * 4, [0.0, 20.0, 40.0, 10.0])
    figures = measure(seen, [SOURCE, OTHER], 0, False, None)
    # The fourth lies at right angles to both, so it is no nearer the source.
    assert figures["nearer"] == pytest.approx(2 / 4)
    assert figures["retrieved"] == pytest.approx(2 / 4)
    # Up to 30 degrees: the third frame is out; up to 15: the first and the fourth remain.
    assert figures["nearer_half"] == pytest.approx(2 / 3)
    assert figures["nearer_frontal"] == pytest.approx(1 / 2)
    assert figures["source_frontal"] == pytest.approx((_cos(10) + 0) / 2)


def test_retrieval_knows_which_source_was_put_on() -> None:
    seen = Seen([OTHER] * 3, [_at(90)] * 3, [0.0] * 3)
    assert measure(seen, [SOURCE, OTHER], 1, False, None)["retrieved"] == 1.0
    assert measure(seen, [SOURCE, OTHER], 0, False, None)["retrieved"] == 0.0


def test_a_judge_of_distances_goes_by_distances() -> None:
    """The result's angle is the target's, its place is nearer the source."""
    source, target, result = _at(0, 1.0), _at(30, 9.0), _at(20, 1.2)
    by_angle = measure(Seen([result], [target], [0.0]), [source], 0, False, None)
    by_distance = measure(Seen([result], [target], [0.0]), [source], 0, True, None)
    assert (by_angle["nearer"], by_distance["nearer"]) == (0.0, 1.0)
    assert by_distance["distance"] == pytest.approx(float(np.linalg.norm(result - source)))
    assert by_distance["same"] == 1.0
    assert measure(Seen([_at(90)], [target], [0.0]), [source], 0, True, None)["same"] == 0.0


def test_no_frontal_frames_give_no_frontal_figures() -> None:
    figures = measure(Seen([_at(10)], [_at(90)], [-50.0]), [SOURCE], 0, False, None)
    assert not [name for name in figures if name.endswith(("_half", "_frontal"))]
    assert measure(Seen(), [SOURCE], 0, False, None) == {}


def test_the_scale_puts_strangers_at_nothing_and_the_same_at_one() -> None:
    scale = Scale(0.8, 0.95, 0.99, 10, "here")
    assert scale.rescaled(0.8) == 0.0
    assert scale.rescaled(0.95) == pytest.approx(1.0)
    figures = measure(Seen([_at(30)], [_at(90)], [0.0]), [SOURCE], 0, False, scale)
    assert figures["rescaled"] == pytest.approx((_cos(30) - 0.8) / 0.15)


def test_spread_is_of_the_frames_about_their_mean() -> None:
    figures = measure(Seen([_at(-10), _at(10)], [_at(80), _at(100)], [0.0, 0.0]), [SOURCE], 0, False, None)
    assert figures["spread"] == figures["spread_target"] == pytest.approx(1 - _cos(10))


def test_pairs_are_of_one_person_or_of_two() -> None:
    people = {name: [lambda: np.zeros((1, 1, 3), np.uint8)] * count for name, count in (("a", 3), ("b", 1), ("c", 2))}
    same, strangers = choose(people, 50, 0)
    assert all(one[0] == other[0] and one[1] != other[1] for one, other in same)
    assert all(one[0] != other[0] for one, other in strangers)
    assert choose(people, 50, 0) == (same, strangers)
    with pytest.raises(RealtimeError, match="at least two people"):
        choose({"a": people["a"]}, 5, 0)
