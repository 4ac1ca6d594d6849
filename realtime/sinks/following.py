"""The sound of a clip whose frames come as fast as they are made, and are sent at the pace of their times."""

from __future__ import annotations

import numpy as np

from realtime.machine.ring import CHANNELS, RATE, Ring, Samples
from realtime.sinks.voice import Hearing

_SAME = 1e-3
# No frame is so many seconds behind what was read: what comes later belongs behind a jump of the clip's clock.
_AHEAD = 10.0


class Following:
    """Sound by the clock, of a clip's sound by the times of its frames; a microphone that is on is heard instead.

    Where pictures wait, sound does: what lies between is silent.  One thread follows, another may hear.
    """

    def __init__(self, clip: Ring, microphone: Hearing) -> None:
        self._clip, self._microphone, self._ring = clip, microphone, Ring()
        self._shift: float | None = None
        self._done = 0
        self._until = 0.0

    def follow(self, time: float, moment: float, lasts: float) -> None:
        """A frame of that time is sent at that moment of the clock; lasts: seconds until the next one, as a rule."""
        shift = moment - time
        if self._shift is None or abs(shift - self._shift) > _SAME:
            if self._shift is not None:
                # What was put behind the last frame is heard when the next one is.
                self._ring.write(round((self._until + self._shift) * RATE), np.zeros((0, CHANNELS), np.float32))
            self._shift, self._done = shift, round(time * RATE)
        self._until = time + lasts
        count = min(self._clip.end, round((time + _AHEAD) * RATE)) - self._done
        if count > 0:
            self._ring.write(self._done + round(self._shift * RATE), self._clip.read(self._done, count))
            self._done += count

    @property
    def on(self) -> bool:
        """There is always sound."""
        return True

    @property
    def heard(self) -> float:
        """Time on the clock up to which there is sound."""
        return self._microphone.heard if self._microphone.on else self._ring.end / RATE

    def read(self, place: int, count: int) -> Samples:
        """Samples (n, 2) float32 from a place on, 48000 a second of the clock."""
        return (self._microphone if self._microphone.on else self._ring).read(place, count)

    def shift(self, latency: float) -> float:
        """Seconds by which sound belongs later than the pictures of its moment: only a microphone's does."""
        return self._microphone.shift(latency) if self._microphone.on else 0.0


__all__ = ["Following"]
