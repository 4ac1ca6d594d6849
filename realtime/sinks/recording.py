"""A sink that records to a video file."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from time import perf_counter
from typing import Any

import av
import av.error
from av.container import OutputContainer
from av.packet import Packet

from realtime.config import RecordingOutput
from realtime.frame import Frame, RealtimeError
from realtime.machine.home import expanded
from realtime.machine.latency import Latency
from realtime.sinks.audio import Sound
from realtime.sinks.part import PartFile, conclude
from realtime.sinks.pictures import Codec, Pictures
from realtime.sinks.voice import Hearing, Voice

_KINDS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
# What the encoders make, and how many pixels a side they take.
_MOST = {"libx264": ("H.264", 16384), "mpeg4": ("MPEG-4", 8191)}
logger = logging.getLogger(__name__)


class Recording:
    """H.264 (or MPEG-4) in MP4, MOV or Matroska with every frame at its own time.

    rate: nominal frames per second.  audio_from: the clip that the frames come from, when they come from a file in its
    own time (Frame.time 0 = its first picture): its sound is carried over and its frame durations are kept.  Without
    it the first frame is time 0.  hearing: the microphone, for frames stamped by the same clock; recorded where it is on
    when the first frame comes.  Frames of another size than the first are fitted into it; an odd side gets one more line,
    a copy of the last.

    The file grows as NAME.part.EXTENSION, playable at any moment (fragments of at most two seconds), and takes its
    name at close().  When the disk is full, send() raises RealtimeError once and what was recorded is kept; where no
    picture can be encoded it does so too, and nothing is left.  Frames sent after that are ignored.  Raises RealtimeError
    at construction for a place that cannot be written.
    """

    def __init__(
        self,
        settings: RecordingOutput,
        rate: float,
        audio_from: str | Path | None = None,
        say: Callable[[str], None] = logger.info,
        hearing: Hearing | None = None,
    ) -> None:
        self._settings, self._rate, self._say = settings, rate if 0 < rate <= 1000 else 30.0, say
        self._final = expanded(settings.path)
        audio_from = None if audio_from is None else expanded(audio_from)
        check(self._final, settings.overwrite, audio_from)
        self._sound = _sound(audio_from, say) if settings.audio else None
        self._hearing, self._latency = hearing if settings.audio else None, Latency()
        self._voice: Voice | None = None
        try:
            self._part: PartFile | None = PartFile(self._final)
        except RealtimeError:
            if self._sound is not None:
                self._sound.close()
            raise
        self._output: OutputContainer | None = None
        self._origin = 0.0
        self._last = -1
        self._written = False

    @property
    def problem(self) -> str:
        """Why it stays without the sound that there is by now, in a sentence; "" otherwise."""
        silent = self._output is not None and self._voice is None and self._sound is None
        if not silent or self._hearing is None or not self._hearing.on:
            return ""
        return f"The recording {self._final.name} has no sound, because it began without a microphone; the next one will have it."

    def send(self, frame: Frame) -> None:
        """Record one frame; raises RealtimeError when the disk is full or the first pictures cannot be encoded."""
        if self._part is None:
            return
        if self._output is None:
            self._start(frame)
        time = frame.time - self._origin
        # Two frames on one tick, or a clock that stands still, must not end the recording.
        self._last = max(self._last + 1, round((time + self._delay) / self._base))
        try:
            self._write(self._pictures.encode(frame.image, self._last))
        except av.error.FFmpegError as error:
            if not self._written:
                self._refuse(error)
            raise
        if self._sound is not None and self._output is not None:
            self._sound.pump(self._output, time)
        if self._voice is not None:
            self._latency.add(perf_counter() - frame.time)
            self._write(self._voice.upto(frame.time, self._latency.value))
        if self._part.error is not None:
            self._end()

    def close(self) -> None:
        """Finish the file under its name; any number of times; raises RealtimeError when its end did not fit on the disk."""
        if self._part is None:
            return
        try:
            # After a failure before its first picture the encoder is not open, and would only fail to open now.
            if self._output is not None and self._pictures.stream.codec_context.is_open:
                self._finish()
        finally:
            self._end()

    @property
    def _delay(self) -> float:
        return self._sound.delay if self._sound is not None else 0.0

    def _start(self, frame: Frame) -> None:
        """Open the container for frames of this one's size."""
        height, width = frame.image.shape[:2]
        if not width or not height:
            raise ValueError(f"got a frame of {width} x {height}, expected at least one pixel")
        self._origin = frame.time if self._sound is None else 0.0
        kind = _KINDS[self._final.suffix.lower()]
        # Fragments while it grows, an ordinary file when it is closed; without the delay a late first frame would move.
        options = {} if kind == "matroska" else {"movflags": "hybrid_fragmented+delay_moov", "movie_timescale": "90000"}
        # A track without sound for a while must not hold the pictures back from the disk.
        options["max_interleave_delta"] = "1000000"
        output = av.open(self._part, "w", format=kind, options=options)
        self._pictures = Pictures(output, self._codec(), (width, height), self._rate, self._base)
        if self._sound is not None:
            self._sound.attach(output, kind)
        elif self._hearing is not None and self._hearing.on:
            self._voice = Voice(output, self._hearing, frame.time)
        # Last: whoever asks from another thread takes a recording that has one for one with all its tracks.
        self._output = output

    def _codec(self) -> Codec:
        settings = self._settings
        h264 = settings.codec == "h264" and "libx264" in av.codecs_available
        if settings.codec == "h264" and not h264:
            self._say("This build of PyAV has no H.264 encoder; recording MPEG-4 Part 2 instead.")
        # MPEG-4 stores times in 16 bits a second.
        self._base = Fraction(1, 90000 if h264 else 60000)
        group = {"g": str(max(1, round(2 * self._rate)))}
        # One encoder thread for every four cores: it is a guest beside the loop.
        threads = {"threads": str(max(1, min(4, (os.cpu_count() or 1) // 4)))}
        if h264:
            # No B-frames: with them and uneven times the MP4 track would be written shorter than its pictures last.
            return Codec("libx264", {"preset": settings.preset, "crf": str(settings.quality), "bf": "0", **group, **threads})
        scale = str(max(2, round(settings.quality * 31 / 51)))
        return Codec("mpeg4", {"qmin": scale, "qmax": scale, "b": "100000000", **group})

    def _write(self, packets: list[Packet[Any]]) -> None:
        if self._output is not None and packets:
            self._output.mux(packets)
            self._written = True

    def _refuse(self, error: av.error.FFmpegError) -> None:
        """Leave nothing behind, and say why the encoder takes no picture; always raises RealtimeError."""
        (width, height), (codec, most) = self._pictures.size, _MOST[self._pictures.stream.codec_context.name]
        self._end()
        if max(width, height) > most:
            reason = f"{width} x {height} px are too large for {codec}, which takes {most} a side; give smaller pictures"
        else:
            reason = f"the {codec} encoder takes no pictures of {width} x {height} px ({error.strerror}); try another codec or preset"
        raise RealtimeError(f"{self._final} cannot be recorded: {reason}.") from error

    def _finish(self) -> None:
        """Write what encoder and sound still hold; the last frame lasts as long as it did in the clip."""
        if self._output is None:
            return
        last = float(self._last * self._base) - self._delay
        shown = 1 / self._rate
        if self._sound is not None:
            self._sound.read_on(last)
            shown = self._sound.duration(last) or shown
        packets = self._pictures.flush()
        for packet in packets:
            if packet.pts == self._last:
                packet.duration = max(1, round(shown / self._base))
        self._write(packets)
        if self._sound is not None:
            self._sound.finish(self._output, last, last + shown)
        if self._voice is not None:
            self._write(self._voice.finish(self._origin + last + shown))

    def _end(self) -> None:
        """Close everything and name the file, or remove one without pictures; raises RealtimeError if the disk was full."""
        part, output, self._part, self._output = self._part, self._output, None, None
        if part is None:
            return
        try:
            if output is not None:
                output.close()
        finally:
            if self._sound is not None:
                self._sound.close()
            conclude(part, self._written, self._settings.overwrite, self._say, "the recording is")


def check(path: Path, overwrite: bool, clip: str | Path | None) -> None:
    """RealtimeError for a place where no recording can be made."""
    if path.suffix.lower() not in _KINDS:
        raise RealtimeError(f"{path}: recordings end in {', '.join(_KINDS)}; got {path.suffix or 'no extension'}.")
    if path.is_dir():
        raise RealtimeError(f"{path} is a folder; give the name of a file in it.")
    if not path.parent.is_dir():
        raise RealtimeError(f"The folder {path.parent} does not exist; make it first.")
    if path.exists() and clip is not None and Path(clip).exists() and path.samefile(clip):
        raise RealtimeError(f"{path} is the clip being read; record to another name.")
    if path.exists() and not overwrite:
        raise RealtimeError(f"{path} exists already; choose another name or allow it with --overwrite.")


def _sound(path: str | Path | None, say: Callable[[str], None]) -> Sound | None:
    try:
        return None if path is None else Sound(path)
    except (av.error.FFmpegError, OSError) as error:
        say(f"The sound of {path} cannot be read ({error.strerror}); recording without it.")
        return None
