"""The microphone's sound on its way into a file or a stream, beside the pictures that were taken at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from realtime.machine.ring import RATE, Samples

_BLOCK = 1024
# A container gives a picture away once it has later sound too; so much later is it offered where it was heard already.
_AHEAD = 3 * _BLOCK / RATE
# Where a microphone says nothing at all for so long, silence takes its place.
_PATIENCE = 0.5
_STEP = 0.015


class Hearing(Protocol):
    """Where sound comes from."""

    @property
    def on(self) -> bool:
        """Whether there is a microphone."""

    @property
    def heard(self) -> float:
        """Time on the clock up to which it was heard; infinite where nothing will ever be."""

    def read(self, place: int, count: int) -> Samples:
        """Samples (n, 2) float32 from a place on: 48000 a second of the clock."""

    def shift(self, latency: float) -> float:
        """Seconds by which sound belongs later than the pictures of its moment, which take so long."""


class Voice:
    """An AAC track of `output`, stereo, 48000 samples a second, that begins at the moment `begin` on the frames' clock."""

    def __init__(self, output: OutputContainer, hearing: Hearing, begin: float, bitrate: int = 160000) -> None:
        stream: AudioStream = output.add_stream("aac", rate=RATE)
        stream.layout, stream.bit_rate = "stereo", bitrate
        stream.time_base = stream.codec_context.time_base = Fraction(1, RATE)
        self.stream, self._hearing, self._begin = stream, hearing, round(begin * RATE)
        self._done = 0
        self._shift = 0.0

    def upto(self, moment: float, latency: float = 0.0) -> list[Packet[Any]]:
        """Packets of what was heard until a picture's moment, and of a little more where there is more.

        latency: what that picture took on its way, for a delay that is set by hand.
        """
        wanted = self._hearing.shift(latency)
        if abs(wanted - self._shift) > _STEP:
            self._shift = wanted
        limit = max(min(moment + _AHEAD, self._hearing.heard + self._shift), moment - _PATIENCE)
        packets: list[Packet[Any]] = []
        while self._begin + self._done + _BLOCK <= limit * RATE:
            packets += self._encode(_BLOCK)
        return packets

    def finish(self, moment: float) -> list[Packet[Any]]:
        """Packets of the rest, up to the moment at which the last picture ends."""
        packets = self.upto(moment - _AHEAD)
        while (left := round(moment * RATE) - self._begin - self._done) > 0:
            packets += self._encode(min(left, _BLOCK))
        return packets + list(self.stream.encode(None))

    def _encode(self, count: int) -> Sequence[Packet[Any]]:
        samples = self._hearing.read(self._begin + self._done - round(self._shift * RATE), count)
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), "fltp", "stereo")
        frame.rate, frame.pts, frame.time_base = RATE, self._done, Fraction(1, RATE)
        self._done += count
        return list(self.stream.encode(frame))


__all__ = ["Hearing", "Voice"]
