"""The measure of when the Studio's preview shows another face."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.studio import outside


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_face_that_differs_more_or_less_from_the_untouched_one_is_seen_at_once(sign: int) -> None:
    random = np.random.default_rng(1)
    own, others = random.normal(20, 10, 192), random.normal(0, 3, 192)
    before = [own + random.normal(0, 1, 192) for _ in range(24)]
    left = outside(before)
    assert not any(left(own + random.normal(0, 1, 192)) for _ in range(200))
    assert all(left(own + sign * others + random.normal(0, 1, 192)) for _ in range(200))


def test_a_head_that_moves_is_no_other_face() -> None:
    """Before a press the difference goes up and down with the head by a fifth, as it does in a real preview."""
    random = np.random.default_rng(2)
    own, other = random.normal(20, 10, 192), random.normal(20, 10, 192)

    def seen(face: NDArray[np.float64], time: float) -> NDArray[np.float64]:
        return np.asarray(face * (1 + 0.2 * np.sin(time)) + random.normal(0, 1, 192))

    left = outside([seen(own, 0.3 * number) for number in range(24)])
    assert not any(left(seen(own, 0.3 * number)) for number in range(24, 200))
    assert all(left(seen(other, 0.3 * number)) for number in range(24, 200))
