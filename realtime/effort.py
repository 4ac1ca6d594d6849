"""Quality: which level of effort the loop runs with, and the controller that keeps the frame rate by it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from statistics import median
from typing import Any

from models.knobs import LEVELS
from realtime.levels import Change, Levels
from realtime.meter import Work
from realtime.trace import Trace

logger = logging.getLogger(__name__)

_NAMES = tuple(LEVELS)
# Load is what the slowest thread takes for a frame, as a part of the time that there is; 1 is exactly the frame rate.
_LATE, _EASY = 0.95, 0.6
_BETWEEN = 0.8
# A frame before which another gave way counts as such a load at least, and one long stall as no more than the other.
_DROPPED, _MOST = 1.5, 3.0
# The part of a new frame in the mean: at one and a half times the frame rate's load four frames are enough.
_NEW = 0.15
_WAY_SECONDS = 0.05
"""What a frame may spend in all threads together."""
_SETTLE_SECONDS, _FIRST_SECONDS = 0.25, 1.0
_WAIT_SECONDS, _LONGEST_SECONDS, _TRIAL_SECONDS = 4.0, 128.0, 30.0
_RELIEF = 0.75
_GAP_SECONDS = 1.0
_KEPT = 100


class Controller:
    """Chooses the level by what frames take: down within a few late frames, up after seconds with room to spare.

    interval: seconds between two frames of the source.  levels: how many there are; the last is the dearest, and first.
    Between the load that is late and the load that is easy nothing happens.  A step up that ends in lateness within half
    a minute makes the next one to that level wait twice as long, unless the load has fallen clearly below what it was;
    only one that lasts for minutes makes good for that.
    saw: at the latest change, the seconds that frames took and those they may take, of the frame rate or of the latency.
    """

    def __init__(self, interval: float, levels: int) -> None:
        if interval <= 0 or levels < 1:
            raise ValueError(f"got interval {interval} and {levels} levels, expected more than 0 and at least 1")
        self._interval = interval
        self.level = levels - 1
        self.saw = (0.0, interval)
        self._latest: deque[tuple[float, float]] = deque(maxlen=5)
        self._waits = [_WAIT_SECONDS] * levels
        # The load under which a step up to each level failed.
        self._failed = [0.0] * levels
        self._before_rise = 0.0
        self._raised: float | None = None
        self._last: float | None = None
        self._easy: float | None = None
        self._relieved: float | None = None
        self._settled = 0.0
        self._restart()

    def _restart(self) -> None:
        self._slowest, self._way = _BETWEEN * self._interval, _BETWEEN * _WAY_SECONDS
        self._easy = self._relieved = None

    @property
    def load(self) -> float:
        """The mean of the latest frames; 1 is exactly what there is time for."""
        return max(self._slowest / self._interval, self._way / _WAY_SECONDS)

    def see(self, time: float, slowest: float, way: float, frames: int = 1, dropped: int = 0) -> bool:
        """Take in the latest frames; whether `level` has changed.

        time: seconds, growing.  slowest: mean seconds that the slowest thread worked on each of `frames` frames.
        way: the same, of all threads together.  dropped: frames that gave way to newer ones meanwhile.
        """
        if self._last is None:
            self._settled = time + _FIRST_SECONDS
        elif time - self._last > _GAP_SECONDS:
            self._easy = self._relieved = None
        self._last = time
        if time < self._settled or not frames:
            return False
        for number in range(min(frames, 30)):
            # However many gave way to one frame, it is one late frame: a single stall says nothing of the next second.
            slow = max(slowest, _DROPPED * self._interval) if number < dropped else slowest
            self._latest.append((slow, way))
            self._slowest += _NEW * (min(slow, _MOST * self._interval) - self._slowest)
            self._way += _NEW * (min(way, _MOST * _WAY_SECONDS) - self._way)
        return self._step(time)

    def _step(self, time: float) -> bool:
        load = self.load
        if load > _LATE and self.level > 0:
            self._fall(time)
            return True
        if self.level + 1 == len(self._waits):
            return False
        above = self.level + 1
        self._easy = None if load > _EASY else time if self._easy is None else self._easy
        relief = _RELIEF * self._failed[above]
        self._relieved = None if load > min(relief, _EASY) else time if self._relieved is None else self._relieved
        waited = self._easy is not None and time - self._easy >= self._waits[above]
        relieved = self._relieved is not None and time - self._relieved >= _WAIT_SECONDS
        if not waited and not relieved:
            return False
        if relieved:
            self._waits[above] = _WAIT_SECONDS
        self._before_rise, self._raised = load, time
        self._change(time, above)
        return True

    def _fall(self, time: float) -> None:
        """One level down; if the step up to here was a mistake, remember it."""
        here = self.level
        if self._raised is not None and time - self._raised < _TRIAL_SECONDS:
            self._waits[here] = min(2 * self._waits[here], _LONGEST_SECONDS)
            self._failed[here] = self._before_rise
        elif self._raised is not None and time - self._raised > _LONGEST_SECONDS:
            # Sooner it may be noise alone that took a step at the very limit past its trial: what was learned stays.
            self._waits[here], self._failed[here] = _WAIT_SECONDS, 0.0
        self._raised = None
        self._change(time, here - 1)

    def _change(self, time: float, level: int) -> None:
        slow, way = (median(times) for times in zip(*self._latest, strict=True))
        self.saw = (slow, self._interval) if slow / self._interval >= way / _WAY_SECONDS else (way, _WAY_SECONDS)
        self.level = level
        self._settled = time + _SETTLE_SECONDS
        self._restart()


class Quality:
    """Gives the parts their `effort`: the level that the settings name, or with `auto` what a Controller says.

    rate: frames per second of a live source; None for a file, whose `auto` is the best, as nobody waits for it.
    trace: where changes are marked; may be set later.
    """

    def __init__(self, parts: Sequence[Any], setting: str, rate: float | None, trace: Trace | None = None) -> None:
        self.trace = trace
        self._parts, self._rate = tuple(parts), rate
        self._changes: deque[Change] = deque(maxlen=_KEPT)
        self._count = 0
        self._seconds = dict.fromkeys(_NAMES, 0.0)
        self._begin: float | None = None
        self._last = 0.0
        self._works: tuple[Work, ...] = ()
        self._drawn = 0
        self.choose(setting)

    def choose(self, setting: str) -> None:
        """Take another setting: a level's name, or auto; raises ValueError."""
        if setting != "auto" and setting not in LEVELS:
            raise ValueError(f"got quality {setting!r}, expected auto or one of {', '.join(_NAMES)}")
        self.setting = setting
        live = setting == "auto" and self._rate is not None
        self._controller = Controller(1 / self._rate, len(_NAMES)) if live and self._rate else None
        self._apply(_NAMES[-1] if setting == "auto" else setting)

    def look(self, time: float, works: Sequence[Work], drawn: int, frame: int = 0) -> None:
        """Let the controller see what was done since the last look.

        time: seconds.  works: of each thread since the start.  drawn: patches since the start; while no face is drawn the
        search takes the time, of which no level could save anything.  frame: index of the newest frame, for the trace.
        """
        if self._begin is None:
            self._begin = self._last = time
        self._seconds[self.now] += time - self._last
        self._last = time
        before = self._works or (Work(),) * len(works)
        if not works or works[-1].frames == before[-1].frames:
            return
        spans = [(new.seconds - old.seconds) / max(new.frames - old.frames, 1) for new, old in zip(works, before, strict=True)]
        dropped = sum(new.dropped - old.dropped for new, old in zip(works, before, strict=True))
        frames = works[-1].frames - before[-1].frames
        drew = drawn > self._drawn
        self._works, self._drawn = tuple(works), drawn
        if self._controller and drew and self._controller.see(time, max(spans), sum(spans), frames, dropped):
            self._turn(time, self._controller, frame)

    def levels(self) -> Levels:
        """What was done so far."""
        return Levels(self.setting, self.now, dict(self._seconds), self._count, tuple(self._changes))

    def _turn(self, time: float, controller: Controller, frame: int) -> None:
        took, limit = controller.saw
        before, after = self.now, _NAMES[controller.level]
        self._apply(after)
        self._count += 1
        self._changes.append(Change(time - (self._begin or 0.0), before, after, took, limit))
        logger.info("Quality: %s -> %s (frames took %.0f ms of %.0f)", before, after, took * 1e3, limit * 1e3)
        if self.trace:
            self.trace.instant(f"quality {after}", "quality", time, frame)

    def _apply(self, name: str) -> None:
        self.now = name
        for part in self._parts:
            part.effort = LEVELS[name]


__all__ = ["Controller", "Quality"]
