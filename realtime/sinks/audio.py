"""The sound of a clip, carried over to its new recording."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

_AHEAD = 0.5
# Samples a second that AAC knows, as far as players all take them.
_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_KEPT = {
    "mp4": {"aac", "mp3", "ac3", "eac3", "alac", "opus"},
    "mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le"},
}


class Sound:
    """Every audio track of the clip at `path`, written to a recording while its pictures are.

    Tracks that the container can hold are copied packet by packet, others become AAC.  delay: seconds by which the
    clip's first picture follows the beginning of its earliest stream; the recording starts there too, so that sound
    and picture stay where they were.  The clip's own picture packets are read past, which tells how long its frames last.
    """

    def __init__(self, path: str | Path) -> None:
        self._input = av.open(f"file:{path}", "r")
        pictures = self._input.streams.video
        self._audio = [stream for stream in self._input.streams.audio if stream.codec_context is not None and stream.rate]
        used = [*pictures[:1], *self._audio]
        starts = [float(stream.start_time * stream.time_base) for stream in used if stream.start_time is not None and stream.time_base]
        picture = pictures[0] if pictures and pictures[0].time_base else None
        first = (picture.start_time or 0) * picture.time_base if picture and picture.time_base else 0
        self._length = float(picture.duration * picture.time_base) if picture and picture.duration and picture.time_base else None
        self._begin = min(starts, default=0.0) if self._audio else float(first)
        self.delay = float(first) - self._begin
        self._packets: Iterator[Packet[Any]] = self._read(used)
        self._tracks: dict[int, _Track] = {}
        self._shown: deque[tuple[float, float]] = deque(maxlen=1024)
        self._rest: list[tuple[float, Packet[Any]]] = []
        self._newest = -1.0

    def attach(self, output: OutputContainer, kind: str) -> None:
        """Make the recording's audio tracks; before its first packet.  kind: mp4, mov or matroska."""
        for stream in self._audio:
            kept = _KEPT.get(kind) or output.supported_codecs
            self._tracks[stream.index] = _Track(stream, output, stream.codec_context.name in kept, self._begin)

    def pump(self, output: OutputContainer, until: float) -> None:
        """Write what is heard before `until`, in seconds of frame time, and a little more."""
        for packet in self._packets:
            time = self._note(packet)
            if packet.stream.index in self._tracks:
                self._tracks[packet.stream.index].write(packet, output)
            if time is not None and time > until + _AHEAD:
                return

    def read_on(self, last: float) -> None:
        """Read past the frame of that time: to the next one, or to the clip's end when it was the last."""
        for packet in self._packets:
            time = self._note(packet)
            if packet.stream.index in self._tracks:
                self._rest.append((last if time is None else time, packet))
            if self._newest > last + 1e-3:
                return

    def duration(self, last: float) -> float | None:
        """How long the clip shows the frame of that time, None where it does not say; after read_on()."""
        later = [time for time, _ in self._shown if time > last + 1e-3]
        if later:
            return min(later) - last
        said = next((lasts for time, lasts in reversed(self._shown) if abs(time - last) < 1e-3 and lasts > 0), None)
        # MP4 tells how long packets last in the order of decoding; the length of the whole track is better where it fits.
        if self._length is not None and said is not None and 0 < self._length - last < 3 * said:
            return self._length - last
        return said

    def finish(self, output: OutputContainer, last: float, end: float) -> None:
        """Write the rest: all of it, or only up to `end` when the recording stopped before the clip did; after read_on()."""
        stopped = self._newest > last + 1e-3
        for time, packet in self._rest:
            if not stopped or time < end:
                self._tracks[packet.stream.index].write(packet, output)
        for track in self._tracks.values():
            track.flush(output)

    def close(self) -> None:
        """Let the clip go."""
        self._input.close()

    def _note(self, packet: Packet[Any]) -> float | None:
        """The packet's frame time in seconds, after remembering what it says about pictures."""
        if packet.pts is None:
            return None
        time = float(packet.pts * packet.time_base) - self._begin - self.delay
        if packet.stream.type == "video" and not packet.is_discard:
            self._shown.append((time, float((packet.duration or 0) * packet.time_base)))
            self._newest = max(self._newest, time)
        return time

    def _read(self, streams: Sequence[Stream]) -> Iterator[Packet[Any]]:
        try:
            for packet in self._input.demux(streams):
                if packet.size:
                    yield packet
        except av.error.FFmpegError:
            return  # a clip that is cut off: its sound ends there as well


class _Track:
    """One audio track on its way."""

    def __init__(self, source: AudioStream, output: OutputContainer, copied: bool, begin: float) -> None:
        self._shift = round(begin / (source.time_base or Fraction(1, source.rate)))
        self._last: int | None = None
        self._resampler: AudioResampler | None = None
        if copied:
            self._stream = output.add_stream_from_template(source)
        else:
            layout = "mono" if source.layout.nb_channels == 1 else "stereo"
            rate = next((rate for rate in _RATES if rate >= source.rate), _RATES[-1])
            self._stream = output.add_stream("aac", rate=rate)
            self._stream.layout = layout
            self._stream.bit_rate = 80000 * (1 if layout == "mono" else 2)
            self._resampler = AudioResampler("fltp", layout, rate, frame_size=1024)
        for name in ("language", "title"):
            if name in source.metadata:
                self._stream.metadata[name] = source.metadata[name]

    def write(self, packet: Packet[Any], output: OutputContainer) -> None:
        """Copy or encode one packet of the source; a packet that cannot be used is left out."""
        if self._resampler is not None:
            try:
                frames: Any = packet.decode()
            except av.error.FFmpegError:
                return
            for frame in frames:
                frame.pts = None if frame.pts is None else frame.pts - self._shift
                for part in self._resampler.resample(frame):
                    output.mux(self._stream.encode(part))
            return
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is None or (self._last is not None and stamp <= self._last):
            return
        self._last = stamp
        packet.pts = (stamp if packet.pts is None else packet.pts) - self._shift
        packet.dts = stamp - self._shift
        packet.stream = self._stream
        output.mux(packet)

    def flush(self, output: OutputContainer) -> None:
        """Write what the encoder still holds."""
        if self._resampler is not None:
            for part in self._resampler.resample(None):
                output.mux(self._stream.encode(part))
            output.mux(self._stream.encode(None))
