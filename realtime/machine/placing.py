"""Where blocks of sound belong on the clock: a sound card's own clock runs a little off, and its blocks come late now and then."""

from __future__ import annotations

from collections import deque

import numpy as np

from realtime.machine.ring import RATE, Ring, Samples

# Seconds over which the most punctual block counts, blocks being late for many reasons and early for none.
_WINDOW = 2.0
# A step larger than this is no drift: blocks were lost, or the first one was late.
_LOST, _EARLY = 0.06, 0.02
# What is stretched at most, of a block's length: too little to hear.
_STRETCH = 0.004


class Placing:
    """Writes blocks one behind the other into a ring, and stretches them a little where they drift from the clock."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._next: int | None = None
        self._errors: deque[tuple[float, float]] = deque()

    def put(self, begin: float, samples: Samples) -> None:
        """Take a block.  begin: the time of its first sample as far as known, in seconds of the clock.  samples: (n, 2)."""
        if not len(samples):
            return
        if self._next is None:
            self._next = round(begin * RATE)
        error = begin - self._next / RATE
        self._errors.append((begin, error))
        while self._errors[0][0] < begin - _WINDOW:
            self._errors.popleft()
        steady = min(other for _, other in self._errors)
        full = begin - self._errors[0][0] > 0.75 * _WINDOW
        if steady < -_EARLY or (steady > _LOST and full):
            self._next = round((begin - error + steady) * RATE)
            self._errors.clear()
            steady = 0.0
        count = len(samples)
        most = count * _STRETCH
        wanted = count + round(min(max(steady * RATE, -most), most)) if full else count
        if wanted != count:
            samples = stretched(samples, wanted)
            self._errors = deque((when, other - (wanted - count) / RATE) for when, other in self._errors)
        self._ring.write(self._next, samples)
        self._next += wanted


def stretched(samples: Samples, count: int) -> Samples:
    """The same sound in `count` samples."""
    old = np.linspace(0, 1, len(samples))
    new = np.linspace(0, 1, count)
    return np.stack([np.interp(new, old, channel) for channel in samples.T], axis=1).astype(np.float32)


__all__ = ["Placing", "stretched"]
