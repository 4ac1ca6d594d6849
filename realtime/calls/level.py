"""Level: with how much effort one visitor's pictures are worked on, without a word in the log, which is the owner's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.knobs import LEVELS
from realtime.effort import Controller
from realtime.meter import Work

_NAMES = tuple(LEVELS)


class Level:
    """Gives the stages their `effort`: the named level, or with `auto` what keeps the rate.

    rate: pictures a second that there should be.  now: the level's name.
    """

    def __init__(self, stages: Sequence[Any], setting: str, rate: float) -> None:
        self._stages, self._rate = tuple(stages), rate
        self._before, self._drawn = Work(), 0
        self.choose(setting)

    def choose(self, setting: str) -> None:
        """Take another setting: auto or a level's name."""
        self.setting = setting
        self._controller = Controller(1 / self._rate, len(_NAMES)) if setting == "auto" else None
        self._apply(_NAMES[-1] if setting == "auto" else setting)

    def look(self, time: float, work: Work, drawn: int, guests: int) -> None:
        """See what was done: work, drawn: of this visitor since the beginning.  guests: how many share the thread."""
        frames, before, drew = work.frames - self._before.frames, self._before, drawn > self._drawn
        self._before, self._drawn = work, drawn
        if frames <= 0 or not drew or self._controller is None:
            return
        turn = (work.seconds - before.seconds) / frames
        # While others have their turns this visitor's pictures wait: in a thread of three a turn counts three times.
        if self._controller.see(time, turn * guests, turn, frames, work.dropped - before.dropped):
            self._apply(_NAMES[self._controller.level])

    def _apply(self, name: str) -> None:
        self.now = name
        for stage in self._stages:
            stage.effort = LEVELS[name]


__all__ = ["Level"]
