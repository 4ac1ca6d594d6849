"""Bench: a thread with models of its own, at which visitors take turns."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from realtime.calls.turns import Seat, Turns
from realtime.config import Settings
from realtime.equipment import Outfit, equip

# Of the thread's time so much is given away: the rest is for decoding, sending and everybody else on the machine.
_USED = 0.75
_FEWEST = 5.0
_NEW = 0.3
_SEARCH_SECONDS = 2.0


class Bench:
    """Models for one thread, and the thread.

    The models open where it is made.  stages() is for one thread at a time, which need not be the bench's.  Raises RealtimeError.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        with ExitStack() as parts:
            self._equipment = equip(worn(settings, None), parts, bare=True)
            self._turns = Turns(name)
            parts.callback(self._turns.close)
            self._parts = parts.pop_all()
        self._seats: list[Seat[Any]] = []
        self._seen = time.perf_counter(), 0, 0.0
        self._turn = 0.0

    def __len__(self) -> int:
        return len(self._seats)

    def warm(self, settings: Settings, size: tuple[int, int]) -> None:
        """Compile and load what the first frame needs, before there is a visitor."""
        self._turns.call(lambda: self._equipment.warm(worn(settings, None), size)).result()
        # A full collection walks through everything that libraries have ever made, and holds every thread meanwhile:
        # measured 120 to 200 ms.  What is there now stays anyway; the second one tells the collector how little is left.
        gc.collect()
        gc.freeze()
        gc.collect()

    def outfit(self, settings: Settings) -> Outfit:
        """What the swap stage wears with these settings; raises RealtimeError."""
        return self._equipment.arm(settings)

    def stages(self, settings: Settings) -> tuple[Any, Any, Any, Any]:
        """Detect, track, swap and blend for one more visitor; raises RealtimeError."""
        stages = self._equipment.stages(settings, self.outfit(settings))
        stages[2].cover_gone = True
        return stages

    def seat(self, work: Callable[[Any], None], failed: Callable[[BaseException], None]) -> Seat[Any]:
        """A place for one more visitor."""
        seat: Seat[Any] = self._turns.seat(work, failed)
        self._seats.append(seat)
        return seat

    def leave(self, seat: Seat[Any]) -> None:
        """Give a place back."""
        seat.close()
        self._seats.remove(seat)

    def rate(self, most: float) -> float:
        """Pictures a second that each visitor here may expect, at most `most`; looked at about once a second."""
        now, served = time.perf_counter(), sum(seat.work.frames for seat in self._seats)
        seconds = sum(seat.work.seconds for seat in self._seats)
        before, frames, spent = self._seen
        if now - before >= 0.9:
            self._seen = now, served, seconds
            if served > frames and seconds > spent:
                turn = (seconds - spent) / (served - frames)
                self._turn += _NEW * (turn - self._turn) if self._turn else turn
        if not self._turn or not self._seats:
            return most
        return min(most, max(_FEWEST, _USED / self._turn / len(self._seats)))

    def close(self) -> None:
        """End the thread and close the models; may be called again."""
        self._parts.close()


def worn(settings: Settings, source: str | None) -> Settings:
    """The settings of a visitor with that face, nobody's without; what the owner shows of a lost face is no word of the visitor's."""
    own = source == settings.swap.engine
    given = () if source is None or own else (source,)
    swap: dict[str, object] = {"sources": given, "assign": {}, "enabled": source is not None, "on_gone": "cover"}
    # A search costs as much as a picture.  Whoever is lost is looked for at once; what waits longer is who else comes, and
    # where one face is worn that is a bystander.
    detect = settings.detect
    if settings.swap.faces == "largest":
        detect = detect.model_copy(update={"interval": max(detect.interval, _SEARCH_SECONDS)})
    lost = "blur" if settings.blend.on_lost == "pass" else settings.blend.on_lost
    blend = settings.blend.model_copy(update={"on_lost": lost})
    return settings.model_copy(update={"detect": detect, "swap": settings.swap.model_copy(update=swap), "blend": blend})


__all__ = ["Bench", "worn"]
