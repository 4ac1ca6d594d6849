import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.fill import push_pull


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10_000))
def test_known_pixels_keep_their_value_and_the_rest_stays_between_them(height: int, width: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.uniform(-50, 50, (height, width, 3)).astype(np.float32)
    known = random.random((height, width)) < 0.3
    filled = push_pull(values, known.astype(np.float32))
    np.testing.assert_allclose(filled[known], values[known], atol=1e-4)
    if known.any():
        assert (filled >= values[known].min(axis=0) - 1e-2).all()
        assert (filled <= values[known].max(axis=0) + 1e-2).all()
    else:
        assert (filled == 0).all()


def test_a_constant_rim_fills_its_hole_with_the_same_constant() -> None:
    weight = np.ones((50, 70), np.float32)
    weight[10:40, 10:60] = 0
    np.testing.assert_allclose(push_pull(np.full((50, 70, 1), 7.5, np.float32), weight), 7.5, atol=1e-4)
