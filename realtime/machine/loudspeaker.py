"""The virtual microphone: a loopback device into which the delayed sound is played, for programs that make calls."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Any, Protocol

from realtime.machine import sounddevices
from realtime.machine.lasting import Lasting
from realtime.machine.placing import stretched
from realtime.machine.ring import CHANNELS, RATE, Samples

# Seconds that the driver may keep, which count towards the delay; with less it stumbles on a busy machine.
_LATENCY = 0.04
_JUMP = 0.04
_STRETCH = 0.004
# Where pictures are faster than the microphone, sound is later than they are: by what it lacks and this, and never by more.
_SPARE, _MOST = 0.005, 0.5


class Delayed(Protocol):
    """Sound and how long it is to be held back."""

    @property
    def heard(self) -> float:
        """Time on the clock up to which there is sound; infinite where there is none."""

    def read(self, place: int, count: int) -> Samples:
        """Samples (n, 2) from a place on, 48000 a second of time.perf_counter()."""

    def delay(self) -> float:
        """Seconds."""


class Loudspeaker:
    """Plays what was heard `delay()` seconds ago; name: (part of) the name of a device that can be played into.

    say: takes one sentence when it takes no sound any more and when it is back; meanwhile it is opened again and again.
    Raises RealtimeError where it, or PortAudio, is missing.
    """

    def __init__(self, name: str, sound: Delayed, say: Callable[[str], None]) -> None:
        self._name, self._sound, self._late = name, sound, 0.0
        self._next: float | None = None
        self._errors: deque[float] = deque(maxlen=50)
        gone = f"The virtual microphone {name} takes no sound any more; trying again until it does."
        self._stream = Lasting(self._open, gone, f"The virtual microphone {name} is back.", say)

    def close(self) -> None:
        """Let the device go."""
        self._stream.close()

    def _open(self, beat: Callable[[], None]) -> Any:
        def make(module: Any, device: dict[str, Any], rate: float) -> Any:
            channels = min(CHANNELS, int(device["max_output_channels"]))

            def give(data: Any, count: int, moments: Any, _: Any) -> None:
                beat()
                ahead = moments.outputBufferDacTime - moments.currentTime
                when = time.perf_counter() + (ahead if 0 < ahead < 1 else count / rate)
                # Other rates are rare, and what is stretched for drift can be stretched for them too.
                data[:] = self.block(when, count, RATE / rate)[:, :channels]

            return module.OutputStream(
                device=device["index"], samplerate=rate, channels=channels, dtype="float32", latency=_LATENCY, callback=give
            )

        return sounddevices.opened(self._name, "output", make)

    def block(self, when: float, count: int, pace: float = 1.0) -> Samples:
        """`count` samples to be heard from the moment `when` on; pace: samples of ours for one of the device's."""
        lacking = when + count * pace / RATE - self._sound.delay() - self._late - self._sound.heard
        if 0 < lacking < _MOST:
            self._late = min(self._late + lacking + _SPARE, _MOST)
        wanted = (when - self._sound.delay() - self._late) * RATE
        if self._next is None or abs(wanted - self._next) > _JUMP * RATE:
            self._next = wanted
            self._errors.clear()
        self._errors.append(wanted - self._next)
        # Single blocks are asked for early or late; in the middle they tell how the device's clock and ours part.
        drift = median(self._errors)
        length = count * pace
        taken = round(length + min(max(drift * 0.1, -length * _STRETCH), length * _STRETCH))
        samples = self._sound.read(round(self._next), taken)
        self._next += taken
        return samples if taken == count else stretched(samples, count)


__all__ = ["Loudspeaker"]
