"""The controller under known loads, and what its decisions do; every time is given, none is measured."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.knobs import LEVELS, Effort
from realtime.effort import Controller, Quality
from realtime.meter import Work

_INTERVAL = 1 / 30
_FAST, _BALANCED, _BEST = range(3)


def _drive(
    controller: Controller, cost: Callable[[float, int], float], seconds: float, begin: float = 0.0
) -> list[tuple[float, int]]:
    """Each change as (time, level): a loop of two threads whose slower one takes cost(time, level) seconds a frame."""
    changes, time, end = [], begin, begin + seconds
    while time < end:
        took = cost(time, controller.level)
        step = max(took, _INTERVAL)
        time += step
        if controller.see(time, took, 1.4 * took, 1, round(step / _INTERVAL) - 1):
            changes.append((time, controller.level))
    return changes


def _most_in(changes: Sequence[tuple[float, int]], window: float) -> int:
    return max((sum(start <= time < start + window for time, _ in changes) for start, _ in changes), default=0)


def test_it_begins_at_the_best_and_stays_there_while_there_is_time() -> None:
    controller = Controller(_INTERVAL, 3)
    assert _drive(controller, lambda _, level: 0.018, 600) == []
    assert controller.level == _BEST


def test_overload_ends_at_the_cheapest_within_two_seconds() -> None:
    controller = Controller(_INTERVAL, 3)
    changes = _drive(controller, lambda _, level: 0.060, 600)
    assert [level for _, level in changes] == [_BALANCED, _FAST]
    assert changes[-1][0] < 2.5


def test_a_load_that_comes_while_it_runs_is_answered_within_a_few_frames_and_leaves_no_trace_when_it_goes() -> None:
    controller = Controller(_INTERVAL, 3)
    times = {_FAST: 0.010, _BALANCED: 0.013, _BEST: 0.016}
    cost = lambda time, level: times[level] * (2.4 if 60 <= time < 120 else 1.0)  # noqa: E731
    changes = _drive(controller, cost, 300)
    down = [change for change in changes if change[0] < 62]
    assert [level for _, level in down] == [_BALANCED]
    # Twelve frames of 38 ms.
    assert down[0][0] < 60.5
    assert controller.level == _BEST
    back = [time for time, level in changes if level == _BEST]
    assert 120 < back[-1] < 130


def test_one_long_stall_changes_nothing() -> None:
    for stall in (0.1, 0.5, 2.0, 30.0):
        stalls = iter([stall])
        assert _drive(Controller(_INTERVAL, 3), lambda time, _, s=stalls: next(s, 0.014) if time > 50 else 0.014, 100) == []


@pytest.mark.parametrize("cost", [0.036, 0.1, 1.5])
def test_however_slow_it_is_the_cheapest_is_reached_in_a_few_frames(cost: float) -> None:
    controller = Controller(_INTERVAL, 3)
    changes = _drive(controller, lambda _, level: cost, 60)
    assert controller.level == _FAST
    assert changes[-1][0] < 1.0 + 25 * cost + 2 * 0.25 + 0.1


def test_a_step_up_that_fails_makes_the_next_wait_longer_each_time() -> None:
    """Best is too much, balanced is easy: the classic trap."""
    controller = Controller(_INTERVAL, 3)
    times = {_FAST: 0.010, _BALANCED: 0.015, _BEST: 0.040}
    changes = _drive(controller, lambda _, level: times[level], 900)
    rises = [time for time, level in changes if level == _BEST]
    waits = [after - before for before, after in pairwise(rises)]
    assert all(later > 1.8 * earlier for earlier, later in pairwise(waits[:5]))
    assert waits[-1] == pytest.approx(128, rel=0.1)
    # What was learned does not delay the return when the load falls.
    changes = _drive(controller, lambda _, level: 0.5 * times[level], 20, begin=900)
    assert changes[-1][1] == _BEST
    assert changes[-1][0] < 910


def test_the_whole_way_counts_as_well_as_the_slowest_thread() -> None:
    """Two threads of 28 ms keep 30 fps, but a frame is late when it comes out."""
    controller = Controller(_INTERVAL, 3)
    for frame in range(90):
        controller.see(frame * _INTERVAL, 0.028, 0.056)
    assert controller.level < _BEST
    assert controller.saw[1] == 0.05


def test_frames_that_gave_way_count_though_each_was_quick() -> None:
    controller = Controller(_INTERVAL, 3)
    for frame in range(0, 180, 2):
        controller.see(frame * _INTERVAL, 0.020, 0.03, 1, 1)
    assert controller.level == _FAST


def test_time_without_frames_is_no_time_of_ease() -> None:
    controller = Controller(_INTERVAL, 2)
    now = 0.0
    while controller.level:
        now += _INTERVAL
        controller.see(now, 0.05, 0.05)
    changed = [controller.see(now + 100 + frame * _INTERVAL, 0.01, 0.01) for frame in range(60)]
    assert not any(changed)


@pytest.mark.parametrize(("interval", "levels"), [(0.0, 3), (0.03, 0)])
def test_nonsense_is_refused(interval: float, levels: int) -> None:
    with pytest.raises(ValueError, match="got interval"):
        Controller(interval, levels)


@settings(max_examples=40, deadline=None)
@example(best=0.091796875, ratios=(0.33203125, 0.5), noise=0.09375, seed=0)
@given(
    best=st.floats(0.003, 0.12),
    ratios=st.tuples(st.floats(0.3, 1.0), st.floats(0.3, 1.0)),
    noise=st.floats(0.0, 0.25),
    seed=st.integers(0, 1000),
)
def test_under_a_constant_load_it_comes_to_rest(best: float, ratios: tuple[float, float], noise: float, seed: int) -> None:
    times = {_BEST: best, _BALANCED: best * ratios[0], _FAST: best * ratios[0] * ratios[1]}
    chance = random.Random(seed)
    controller = Controller(_INTERVAL, 3)
    changes = _drive(controller, lambda _, level: times[level] * (1 + noise * chance.uniform(-1, 1)), 600)
    assert _most_in(changes, 60) <= 10
    assert _most_in([change for change in changes if change[0] > 180], 60) <= 4
    if times[_FAST] * (1 - noise) > 1.05 * _INTERVAL:
        assert controller.level == _FAST
    if best * (1 + noise) < 0.55 * _INTERVAL:
        assert changes == []


@settings(max_examples=25, deadline=None)
@given(
    load=st.floats(1.0, 6.0),
    seconds=st.floats(1.0, 200.0),
    ratios=st.tuples(st.floats(0.4, 1.0), st.floats(0.4, 1.0)),
    seed=st.integers(0, 1000),
)
def test_it_recovers_from_any_load(load: float, seconds: float, ratios: tuple[float, float], seed: int) -> None:
    """However long and heavy the load was: half a minute after it the best is back, where that has room."""
    times = {_BEST: 0.014, _BALANCED: 0.014 * ratios[0], _FAST: 0.014 * ratios[0] * ratios[1]}
    chance = random.Random(seed)
    controller = Controller(_INTERVAL, 3)
    _drive(controller, lambda _, level: times[level] * load * chance.uniform(0.9, 1.1), seconds)
    _drive(controller, lambda _, level: times[level] * chance.uniform(0.9, 1.1), 300, begin=seconds + 1)
    assert controller.level == _BEST


class _Loop:
    """A loop of two threads, the second of which takes longer the more effort it is given; its clock is its own."""

    def __init__(self, setting: str, rate: float | None = 30.0) -> None:
        self.part = SimpleNamespace(effort=Effort())
        self.quality = Quality([self.part], setting, rate)
        self.time, self.load, self.drawing = 100.0, 1.0, True
        self.frames, self.busy, self.dropped, self.drawn = 0, [0.0, 0.0], 0, 0

    def run(self, seconds: float) -> list[float]:
        """Seconds between the frames that came out."""
        end, gaps = self.time + seconds, []
        while self.time < end:
            drawing = 0.006 + 0.014 / self.part.effort.light_every
            spans = 0.008 * self.load, drawing * self.load
            step = max(*spans, _INTERVAL)
            self.time += step
            gaps.append(step)
            self.frames += 1
            self.drawn += self.drawing
            self.dropped += round(step / _INTERVAL) - 1
            self.busy = [busy + span for busy, span in zip(self.busy, spans, strict=True)]
            works = [Work(self.frames, self.busy[0], self.dropped), Work(self.frames, self.busy[1])]
            self.quality.look(self.time, works, self.drawn, self.frames)
        return gaps


def test_auto_steps_down_keeps_the_frame_rate_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    loop = _Loop("auto")
    with caplog.at_level(logging.INFO):
        loop.run(20)
        assert loop.quality.now == "best"
        loop.load = 1.9
        loop.run(2)
        gaps = loop.run(60)
        assert loop.part.effort == LEVELS["balanced"]
        # Apart from tries to get back up, each frame of the source comes out.
        assert sum(gap <= _INTERVAL for gap in gaps) > 0.97 * len(gaps)
        loop.load = 1.0
        loop.run(30)
    assert loop.quality.now == "best"
    assert loop.part.effort == LEVELS["best"]
    levels = loop.quality.levels()
    assert levels.setting == "auto"
    assert levels.count == len(levels.changes) >= 2
    assert (levels.changes[0].before, levels.changes[0].after) == ("best", "balanced")
    assert levels.changes[0].time == pytest.approx(20.3, abs=0.3)
    assert sum(levels.seconds.values()) == pytest.approx(112, abs=0.5)
    assert caplog.messages[0] == "Quality: best -> balanced (frames took 38 ms of 33)"


def test_what_no_level_could_help_changes_none() -> None:
    """While no face is drawn every frame is searched, which takes its time at any level."""
    loop = _Loop("auto")
    loop.drawing, loop.load = False, 5.0
    loop.run(60)
    assert loop.quality.levels().count == 0
    loop.drawing = True
    loop.run(5)
    assert loop.quality.now == "fast"


def test_a_file_is_done_at_its_best_and_a_named_level_stays() -> None:
    for setting, rate, expected in (("auto", None, "best"), ("balanced", 30.0, "balanced"), ("fast", None, "fast")):
        loop = _Loop(setting, rate)
        loop.load = 8.0
        loop.run(20)
        assert loop.quality.now == expected
        assert loop.part.effort == LEVELS[expected]
        assert loop.quality.levels().count == 0


def test_another_setting_counts_at_once() -> None:
    loop = _Loop("auto")
    loop.load = 8.0
    loop.run(20)
    assert loop.quality.now == "fast"
    loop.quality.choose("best")
    loop.run(20)
    assert loop.part.effort == LEVELS["best"]
    loop.quality.choose("auto")
    loop.run(20)
    assert loop.quality.now == "fast"
    with pytest.raises(ValueError, match="got quality 'worst', expected auto or one of fast, balanced, best"):
        loop.quality.choose("worst")
    assert loop.quality.setting == "auto"


def test_levels_grow_in_every_respect() -> None:
    for lower, higher in (("fast", "balanced"), ("balanced", "best")):
        less, more = LEVELS[lower], LEVELS[higher]
        assert less.largest < more.largest
        assert (less.occlusion_every or 99, less.light_every, less.seam_every, less.search) >= (
            more.occlusion_every,
            more.light_every,
            more.seam_every,
            more.search,
        )
    assert LEVELS["best"] == Effort()
