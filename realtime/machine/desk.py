"""The sound of a run: the microphone or the clip that plays, how long its sound is held back, and the virtual microphone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from realtime.config import AudioSettings
from realtime.frame import Frame, RealtimeError
from realtime.machine.home import expanded
from realtime.machine.latency import Latency
from realtime.machine.loudspeaker import Loudspeaker
from realtime.machine.microphone import Microphone, SoundFile, listen
from realtime.machine.ring import RATE, Ring, Samples
from realtime.machine.sounddevices import refresh

_STEP = 0.015


class Desk:
    """Opens what the settings name, and again what they name anew.

    clip: the sound of the clip that plays, by the clock; it counts where no microphone is named.
    say: takes one sentence when one of them goes or comes back.  spare: what cannot be opened at first is told by `say`,
    and the run goes on without; else, and for every later change, RealtimeError is raised and what was open stays open.
    The stage see() tells it how long pictures take.
    """

    def __init__(self, settings: AudioSettings, say: Callable[[str], None], spare: bool = False, clip: Ring | None = None) -> None:
        self._say, self._clip = say, clip
        self._ring = clip or Ring()
        self._latency, self._delay, self._newest = Latency(), 0.0, -math.inf
        self._settings = AudioSettings()
        self._microphone: Microphone | SoundFile | None = None
        self._loudspeaker: Loudspeaker | None = None
        for name in ("microphone", "virtual_microphone"):
            try:
                self.settings = (
                    settings if not spare else self._settings.model_copy(update={"delay": settings.delay, name: getattr(settings, name)})
                )
            except RealtimeError as error:
                if not spare:
                    self.close()
                    raise
                say(f"Going on without one of the sounds. {error}")

    @property
    def settings(self) -> AudioSettings:
        """The settings now; to be replaced at any time."""
        return self._settings

    @settings.setter
    def settings(self, settings: AudioSettings) -> None:
        before = self._settings
        ring, microphone, loudspeaker = self._ring, self._microphone, self._loudspeaker
        wanted = {settings.microphone, settings.virtual_microphone} - {before.microphone, before.virtual_microphone, "none"}
        if loudspeaker is None and not isinstance(microphone, Microphone) and any(not expanded(name).is_file() for name in wanted):
            refresh()
        if settings.microphone != before.microphone:
            ring = self._clip or Ring() if settings.microphone == "none" else Ring()
            microphone = None if settings.microphone == "none" else listen(settings.microphone, ring, self._say)
        if settings.virtual_microphone != before.virtual_microphone:
            name = settings.virtual_microphone
            try:
                loudspeaker = None if name == "none" else Loudspeaker(name, self, self._say)
            except RealtimeError:
                if microphone is not None and microphone is not self._microphone:
                    microphone.close()
                raise
        old = [part for part in (self._microphone, self._loudspeaker) if part not in (microphone, loudspeaker)]
        self._settings, self._ring, self._microphone, self._loudspeaker = settings, ring, microphone, loudspeaker
        for part in old:
            if part is not None:
                part.close()

    @property
    def on(self) -> bool:
        """Whether there is a microphone, or a clip with sound."""
        return self._microphone is not None or self._clip is not None

    @property
    def heard(self) -> float:
        """Time on the clock up to which it was heard; infinite without one."""
        return self._ring.end / RATE if self.on else math.inf

    def read(self, place: int, count: int) -> Samples:
        """`count` samples (n, 2) float32 from a place on, 48000 a second of the clock; silence where nothing was heard."""
        return self._ring.read(place, count)

    def shift(self, latency: float) -> float:
        """Seconds by which sound belongs later than the pictures of its moment; 0 but for a delay that is set by hand.

        latency: what those pictures take on their way.  A clip's sound is never late, whatever is set for the microphone's.
        """
        return 0.0 if self._settings.delay == "auto" or self._ring is self._clip else self._settings.delay - latency

    def delay(self) -> float:
        """Seconds that sound is held back where pictures and sound part: as set, or as long as pictures take, in steps."""
        wanted = self._latency.value if self._settings.delay == "auto" else self._settings.delay
        if abs(wanted - self._delay) > _STEP:
            self._delay = wanted
        return self._delay

    def see(self, frame: Frame) -> Frame:
        """The same frame, after seeing how old it is; a stage for right before sinks.

        The first sink to have it counts: a frame that is shown again in a pause, or written by a slow one, is older than pictures are.
        """
        if frame.time > self._newest:
            self._newest = frame.time
            self._latency.add(time.perf_counter() - frame.time)
        return frame

    def close(self) -> None:
        """Let both devices go."""
        for part in (self._loudspeaker, self._microphone):
            if part is not None:
                part.close()
        self._loudspeaker = self._microphone = None


__all__ = ["Desk"]
