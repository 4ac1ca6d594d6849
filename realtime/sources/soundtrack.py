"""The sound of a clip that plays: decoded as its frames come, and put at their times."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import av
import av.error
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from realtime.machine.ring import CHANNELS, RATE, Ring, Samples

# Frames of a broken clip may say that they last for hours; what is behind so many seconds is put there with the next frame.
_LONGEST = 1.0
# A first frame further on than so many seconds is sought, not decoded up to.
_FAR = 5.0
# Stamps of milliseconds, and encoders that round them, must not tear holes into sound that goes on.
_LOOSE = 0.02
# A clock that jumps back by so many seconds is that of another piece, joined to the one before.
_JOINED = 1.0
# Pictures may jump by hours, and nobody reads sound from so many seconds ago.
_KEPT = 12.0


class Soundtrack:
    """The first audio track of an opened clip, which it closes.

    begin: time of the clip's first picture on the file's own clock, in seconds.  ring: where the sound goes, by the times
    of the frames.  Where the clip has no sound, or what cannot be decoded, is silence; where its clock jumps back, as that of
    joined broadcasts does, sound goes on as pictures do.  For one thread at a time.
    """

    def __init__(self, container: InputContainer, begin: float, since: float = 0.0) -> None:
        self.ring = Ring()
        self._open(container, begin, since)

    def again(self, container: InputContainer | None, begin: float, since: float) -> None:
        """Begin another round of the clip, whose first picture comes `since` seconds after that of the first round.

        container: None where it has no sound any more.
        """
        self.close()
        self._open(container, begin, since)

    def _open(self, container: InputContainer | None, begin: float, since: float) -> None:
        self._container, self._begin, self._since = container, begin, since
        self._blocks = iter(()) if container is None else self._decode(container, container.streams.audio[0])
        self._held: deque[tuple[int, Samples]] = deque()
        self._done: int | None = None
        self._next = 0

    def play(self, moment: float, duration: float, shift: float = 0.0) -> None:
        """Put what is heard until the end of a frame; that from before it goes on, even where `shift` has changed.

        moment, duration: of the frame, in seconds since the first picture of the first round.  shift: to the clock of the ring.
        """
        first = round((moment - self._since) * RATE) if self._done is None else self._done
        last = round((moment - self._since + min(duration, _LONGEST)) * RATE)
        if self._done is None and first > _FAR * RATE:
            self._seek(first / RATE - 1.0)
        if last <= first:
            return
        first = max(first, last - round(_KEPT * RATE))
        self.ring.write(first + round((self._since + shift) * RATE), self._read(first, last))
        self._done = last

    def close(self) -> None:
        """Let the clip go."""
        if self._container is not None:
            self._container.close()

    def _seek(self, moment: float) -> None:
        if self._container is None:
            return
        try:
            self._container.seek(round((moment + self._begin) * av.time_base))
        except (av.error.FFmpegError, OSError):
            return  # what cannot be sought is read up to there

    def _read(self, first: int, last: int) -> Samples:
        """The sound from one place to another, 48000 a second since the first picture."""
        result = np.zeros((last - first, CHANNELS), np.float32)
        while self._next < last and (block := next(self._blocks, None)) is not None:
            self._next = block[0] + len(block[1])
            if self._next > first:
                self._held.append(block)
        for place, samples in self._held:
            begin, end = max(place, first), min(place + len(samples), last)
            if end > begin:
                result[begin - first : end - first] = samples[begin - place : end - place]
        while self._held and self._held[0][0] + len(self._held[0][1]) <= last:
            self._held.popleft()
        return result

    def _decode(self, container: InputContainer, stream: AudioStream) -> Iterator[tuple[int, Samples]]:
        """Pieces of sound with their places."""
        resampler, place, begin = AudioResampler("flt", "stereo", RATE), None, round(self._begin * RATE)
        try:
            for packet in container.demux(stream):
                try:
                    parts = [part for frame in packet.decode() for part in resampler.resample(frame)]
                except av.error.EOFError:
                    return
                except (av.error.FFmpegError, ValueError):
                    # Damaged, or of another kind than what came before.
                    resampler = AudioResampler("flt", "stereo", RATE)
                    continue
                for part in parts:
                    samples = np.asarray(part.to_ndarray(), np.float32).reshape(-1, CHANNELS)
                    if part.pts is not None and part.time_base is not None:
                        said = round(float(part.pts * part.time_base) * RATE) - begin
                        if place is not None and said < place - _JOINED * RATE:
                            begin, said = begin + said - place, place
                        place = said if place is None or abs(said - place) > _LOOSE * RATE else place
                    place = place or 0
                    yield place, samples
                    place += len(samples)
        except (av.error.FFmpegError, OSError):
            return  # a clip that is cut off: its sound ends there


__all__ = ["Soundtrack"]
