"""Congestion: which size and bit rate the way back to a visitor can bear, so that pictures shrink and never queue."""

from __future__ import annotations

from dataclasses import dataclass

RUNGS = (1.0, 5 / 6, 2 / 3, 1 / 2, 3 / 8, 1 / 4)
"""Sides of the outgoing picture as parts of the incoming one's."""
# Bits for each pixel of a second: what looks good, and what can still be looked at.
_GOOD, _BEARABLE = 0.14, 0.045
_LEAST, _MOST = 80_000.0, 8_000_000.0
# Of a hundred packets so many lost, or so many seconds of queue, are congestion; single losses are the air's.
_LOSS, _QUEUE = 0.06, 0.1
# After trouble so much of what came through is sent, for so long: what has queued up has to run off first.
_FALL, _DRAIN_SECONDS = 0.7, 3.0
# Growth in a second: far below the rate at which trouble last came, and near it.
_RISE, _FEEL, _NEAR = 1.08, 1.01, 0.85
_WAIT_SECONDS, _LONGEST_SECONDS, _TRIAL_SECONDS = 5.0, 60.0, 8.0
# The shortest way of so many seconds is the way without a queue: routes change, clocks drift.
_MEMORY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the way at one moment.

    time: seconds.  loss: 0..1 of the latest packets.  estimate: bits a second that the receiver believes in, or None.
    trip: seconds there and back, or None.  sent: bits a second that were sent.  pixels: of the incoming picture a second.
    """

    time: float
    loss: float = 0.0
    estimate: float | None = None
    trip: float | None = None
    sent: float = 0.0
    pixels: float = 640 * 360 * 30.0


class Congestion:
    """Chooses from what is seen about once a second; `scale` and `bitrate` (bits a second) are what to send with.

    Loss, a growing way or a receiver that believes in less than was sent takes bits away at once and pixels as soon as
    too few bits are left for them.  More pixels come back one rung at a time, after seconds without trouble; a rung
    that brought trouble back makes the next try wait twice as long.
    """

    def __init__(self) -> None:
        self.rung = 0
        self.bitrate = 1_000_000.0
        self._trips: list[tuple[float, float]] = []
        self._clear: float | None = None
        self._wait = _WAIT_SECONDS
        self._raised = -1e9
        self._last: float | None = None
        self._knee = self._fallen = -1e9

    @property
    def scale(self) -> float:
        """Side of the outgoing picture as a part of the incoming one's."""
        return RUNGS[self.rung]

    def see(self, seen: Seen) -> bool:
        """Take in what was measured; whether the size has changed."""
        before, elapsed = self.rung, min(max(seen.time - self._last, 0.0), 2.0) if self._last is not None else 0.0
        self._last = seen.time
        if self._trouble(seen):
            self._fall(seen)
        else:
            self._rise(seen, elapsed)
        self.bitrate = min(max(self.bitrate, _LEAST), _MOST, _GOOD * seen.pixels * self.scale**2 + _LEAST)
        return self.rung != before

    def _trouble(self, seen: Seen) -> bool:
        queue = 0.0
        if seen.trip is not None:
            self._trips = [(time, trip) for time, trip in self._trips if seen.time - time < _MEMORY_SECONDS] + [(seen.time, seen.trip)]
            # A single late answer is a busy computer's; a queue is still there a second later.
            queue = min(trip for _, trip in self._trips[-2:]) - min(trip for _, trip in self._trips)
        doubted = seen.estimate is not None and seen.estimate < 0.9 * min(seen.sent, self.bitrate)
        return seen.loss > _LOSS or queue > _QUEUE or doubted

    def _fall(self, seen: Seen) -> None:
        through = (seen.sent or self.bitrate) * (1 - seen.loss)
        if seen.estimate is not None:
            through = min(through, seen.estimate)
        if seen.time - self._fallen >= _DRAIN_SECONDS / 2:
            # Less than before, and not less and less while the queue of before is still running off.
            self.bitrate = max(min(self.bitrate, through) * _FALL, _LEAST)
            self._knee, self._fallen = through, seen.time
        while self.rung + 1 < len(RUNGS) and self.bitrate < _BEARABLE * seen.pixels * self.scale**2:
            self.rung += 1
        if seen.time - self._raised < _TRIAL_SECONDS:
            self._wait = min(2 * self._wait, _LONGEST_SECONDS)
            self._raised = -1e9
        self._clear = None

    def _rise(self, seen: Seen, elapsed: float) -> None:
        self._clear = seen.time if self._clear is None else self._clear
        if seen.time - self._fallen < _DRAIN_SECONDS:
            return
        self.bitrate *= (_FEEL if _NEAR * self._knee < self.bitrate < 1.3 * self._knee else _RISE) ** elapsed
        if seen.time - self._clear > _LONGEST_SECONDS:
            self._wait = _WAIT_SECONDS
        if self.rung == 0 or seen.time - self._clear < self._wait:
            return
        self.rung -= 1
        # A smaller picture says nothing of what a larger one could have: the step up is itself the question.
        self.bitrate = max(self.bitrate, 1.2 * _BEARABLE * seen.pixels * self.scale**2)
        self._raised = self._clear = seen.time


__all__ = ["RUNGS", "Congestion", "Seen"]
