"""Congestion: a narrow line gets small pictures and no queue, a good one gets whole ones, and tries do not come too often."""

from __future__ import annotations

from itertools import pairwise

import pytest

from realtime.calls.congestion import RUNGS, Congestion, Seen

_PIXELS = 640 * 360 * 30.0
_TRIP = 0.04


class _Wire:
    """A line of so many bits a second with a queue: what is sent beyond it waits, and beyond half a second is lost."""

    def __init__(self, rate: float, believes: bool = False) -> None:
        self.rate, self.believes, self.queue = rate, believes, 0.0

    def carry(self, bits: float, time: float) -> Seen:
        waiting = self.queue + bits
        through = min(waiting, self.rate)
        self.queue = min(waiting - through, self.rate / 2)
        lost = max(0.0, waiting - through - self.queue)
        estimate = max(through * 0.9, 1e4) if self.believes and self.queue else (1.5 * through if self.believes else None)
        return Seen(time, lost / max(bits, 1), estimate, _TRIP + self.queue / self.rate, bits, _PIXELS)


def _drive(control: Congestion, wire: _Wire, seconds: int, begin: float = 0.0) -> list[tuple[float, float, float]]:
    """Second after second: (scale, bits sent, seconds of queue)."""
    told = []
    for second in range(seconds):
        bits = min(control.bitrate, 0.14 * _PIXELS * control.scale**2 + 80_000)
        control.see(wire.carry(bits, begin + second))
        told.append((control.scale, bits, wire.queue / wire.rate))
    return told


def test_a_wide_line_keeps_the_whole_picture_at_full_rate() -> None:
    control = Congestion()
    told = _drive(control, _Wire(20e6), 60)
    assert {scale for scale, _, _ in told} == {1.0}
    assert control.bitrate == pytest.approx(0.14 * _PIXELS + 80_000)


@pytest.mark.parametrize("believes", [False, True], ids=["by loss and queue", "by the receiver's estimate too"])
@pytest.mark.parametrize("rate", [100e3, 250e3, 500e3])
def test_a_narrow_line_gets_pictures_that_fit_and_the_queue_goes(rate: float, believes: bool) -> None:
    control = Congestion()
    told = _drive(control, _Wire(rate, believes), 180)
    settled = told[60:]
    assert sum(bits for _, bits, _ in settled) / len(settled) < 1.05 * rate
    # The line is used, not fled from.
    assert sum(bits for _, bits, _ in settled) / len(settled) > 0.45 * rate
    assert sum(queue > 0.15 for _, _, queue in settled) <= 0.1 * len(settled), "the delay stays"
    smallest = min(scale for scale, _, _ in settled)
    assert 0.045 * _PIXELS * smallest**2 < 1.6 * rate or smallest == RUNGS[-1]


def test_the_picture_shrinks_within_three_seconds_of_the_line_getting_narrow() -> None:
    control = Congestion()
    _drive(control, _Wire(20e6), 30)
    told = _drive(control, _Wire(150e3), 6, begin=30)
    assert told[3][0] < 1.0
    assert control.scale <= 0.5


def test_the_whole_picture_comes_back_when_the_line_is_wide_again() -> None:
    control = Congestion()
    _drive(control, _Wire(150e3), 60)
    assert control.scale < 1
    told = _drive(control, _Wire(20e6), 200, begin=60)
    assert told[-1][0] == 1.0
    # One rung at a time.
    order = [scale for scale, _, _ in told]
    assert all(RUNGS.index(a) - RUNGS.index(b) in (0, 1) for a, b in pairwise(order))


def test_steps_up_that_fail_are_tried_more_and_more_rarely() -> None:
    control = Congestion()
    told = _drive(control, _Wire(300e3), 400)
    order = [RUNGS.index(scale) for scale, _, _ in told]
    rises = [second for second in range(1, len(order)) if order[second] < order[second - 1]]
    early, late = [s for s in rises if s < 200], [s for s in rises if s >= 200]
    assert len(late) <= len(early)
    assert len(late) <= 8


def test_single_losses_and_one_late_answer_are_no_congestion() -> None:
    control = Congestion()
    for second in range(60):
        trip = 0.5 if second % 10 == 5 else _TRIP
        control.see(Seen(float(second), loss=0.02 if second % 3 else 0.0, trip=trip, sent=700e3, pixels=_PIXELS))
    assert control.scale == 1.0
    assert control.bitrate > 1e6


def test_it_works_without_any_report() -> None:
    control = Congestion()
    for second in range(20):
        control.see(Seen(float(second), pixels=_PIXELS))
    assert control.scale == 1.0
