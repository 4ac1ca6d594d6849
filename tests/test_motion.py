"""The head's motion: within what one photo carries, smooth, seeded, with blinks and speech."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from models.puppet.puppet import Pose
from realtime.sources.motion import Motion

_TIMES = np.arange(0, 60, 1 / 60)


def _table(seed: int, person: int = 0) -> np.ndarray:
    motion = Motion(seed, person)
    return np.array([astuple(motion(float(time))) for time in _TIMES])


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_a_minute_stays_within_what_one_photo_carries_and_uses_it(seed: int) -> None:
    table = _table(seed)
    x, y, size, yaw, pitch, roll, mouth, blink = table.T
    assert np.abs(yaw).max() <= 20
    assert np.abs(pitch).max() <= 10
    assert np.abs(roll).max() <= 12
    assert np.abs(x).max() < 0.3
    assert np.abs(y).max() < 0.1
    assert np.abs(size - 1).max() <= 0.06
    assert np.ptp(yaw) > 20
    assert (mouth.min(), blink.min()) == (0, 0)
    assert 0.5 < mouth.max() <= 1
    assert 0.9 < blink.max() <= 1


@pytest.mark.parametrize("seed", [0, 7])
def test_nothing_jumps(seed: int) -> None:
    steps = np.abs(np.diff(_table(seed), axis=0)).max(axis=0)
    assert steps[3] < 1.2  # degrees of yaw in a sixtieth of a second
    assert steps[6] < 0.25
    assert steps[7] < 0.5  # lids close within a tenth of a second


def test_blinks_come_every_few_seconds_and_are_short() -> None:
    shut = _table(3)[:, 7] > 0.5
    blinks = int((np.diff(shut.astype(int)) == 1).sum())
    assert 12 <= blinks <= 24
    assert 0.08 < shut.mean() * 60 / blinks < 0.3


def test_the_same_seed_moves_the_same_and_each_person_and_seed_differently() -> None:
    np.testing.assert_array_equal(_table(5), _table(5))
    assert np.abs(_table(5)[:, 3] - _table(6)[:, 3]).max() > 5
    assert np.abs(_table(5)[:, 3] - _table(5, 1)[:, 3]).max() > 5


def test_any_moment_can_be_asked_for_first() -> None:
    motion = Motion(2)
    late = motion(1000.0)
    motion(3.0)
    assert motion(1000.0) == late
    assert isinstance(late, Pose)
