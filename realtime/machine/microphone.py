"""A microphone, or a sound file that plays as one: its sound goes into a ring, each sample at its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from realtime.frame import RealtimeError
from realtime.machine import sounddevices
from realtime.machine.home import expanded
from realtime.machine.lasting import Lasting
from realtime.machine.placing import Placing
from realtime.machine.ring import CHANNELS, RATE, Ring, Samples

_BLOCK = RATE // 50
# Seconds that the driver may keep: sound waits for the pictures anyway, and less makes it stumble on a busy machine.
_LATENCY = 0.04
_OLDEST = 0.15


class Microphone:
    """An opened device; name: "default" or (part of) its name.

    say: takes one sentence when it says nothing any more and when it is back; meanwhile it is opened again and again.
    Raises RealtimeError where it, or PortAudio, is missing.
    """

    def __init__(self, name: str, ring: Ring, say: Callable[[str], None]) -> None:
        self._name, self._ring = name, ring
        gone = f"The microphone {name} says nothing any more; trying again until it does."
        self._stream = Lasting(self._open, gone, f"The microphone {name} is back.", say)

    def close(self) -> None:
        """Let it go."""
        self._stream.close()

    def _open(self, beat: Callable[[], None]) -> Any:
        placing = Placing(self._ring)

        def make(module: Any, device: dict[str, Any], rate: float) -> Any:
            resampled = _resampler(rate)

            def take(data: Any, count: int, moments: Any, _: Any) -> None:
                now = time.perf_counter()
                age = moments.currentTime - moments.inputBufferAdcTime
                length = count / rate
                beat()
                # Sound servers say nonsense in their first seconds, and some drivers nothing at all.
                known = device["name"] not in sounddevices.SERVERS and length < age < length + _OLDEST
                placing.put(now - (age if known else length), resampled(np.asarray(data, np.float32)))

            channels = min(CHANNELS, int(device["max_input_channels"]))
            return module.InputStream(
                device=device["index"], samplerate=rate, channels=channels, dtype="float32", latency=_LATENCY, callback=take
            )

        return sounddevices.opened(self._name, "input", make)


class SoundFile:
    """A sound file that plays as a microphone at its own pace, again and again; raises RealtimeError for one that cannot be read.

    begin: when its first sample was heard, in seconds of the clock.  say: takes one sentence when it cannot be read any more.
    """

    def __init__(self, path: Path, ring: Ring, say: Callable[[str], None]) -> None:
        self._path, self._ring, self._say, self._stop = path, ring, say, threading.Event()
        first = next(_blocks(path), None)
        if first is None:
            raise RealtimeError(f"{path} has no sound in it.")
        self.begin = time.perf_counter()
        self._thread = threading.Thread(target=self._play, name="sound file", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._stop.set()
        self._thread.join(1.0)

    def _play(self) -> None:
        try:
            self._work()
        except RealtimeError as error:
            self._say(str(error))

    def _work(self) -> None:
        place = begin = round(self.begin * RATE)
        while not self._stop.is_set():
            for block in _blocks(self._path):
                place += len(block)
                # A microphone gives a block away when it has been heard to its end.
                if self._stop.wait(max(place / RATE - time.perf_counter(), 0.0)):
                    return
                self._ring.write(place - len(block), block)
            if place == begin:
                return


def listen(name: str, ring: Ring, say: Callable[[str], None]) -> Microphone | SoundFile:
    """What the setting names: a device, or a sound file; raises RealtimeError."""
    path = expanded(name)
    if path.is_file():
        return SoundFile(path, ring, say)
    if path.suffix.lower() in (".wav", ".mp3", ".m4a", ".ogg", ".opus", ".flac", ".mp4", ".mkv", ".webm"):
        raise RealtimeError(f"The sound file {path} does not exist.")
    return Microphone(name, ring, say)


def _resampler(rate: float) -> Callable[[Samples], Samples]:
    """What makes stereo at 48000 samples a second of a device's blocks."""
    if rate == RATE:
        return _stereo
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler

    resampler = AudioResampler("flt", "stereo", RATE)

    def resample(samples: Samples) -> Samples:
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(_stereo(samples)).reshape(1, -1), "flt", "stereo")
        frame.rate = round(rate)
        parts = [np.asarray(part.to_ndarray(), np.float32).reshape(-1, CHANNELS) for part in resampler.resample(frame)]
        return np.concatenate(parts) if parts else np.zeros((0, CHANNELS), np.float32)

    return resample


def _stereo(samples: Samples) -> Samples:
    return samples if samples.shape[1] == CHANNELS else np.repeat(samples[:, :1], CHANNELS, axis=1)


def _blocks(path: Path) -> Iterator[Samples]:
    """A file's sound in blocks of a fiftieth of a second; raises RealtimeError."""
    import av
    import av.error
    from av.audio.resampler import AudioResampler

    try:
        with av.open(f"file:{path}", "r") as container:
            if not container.streams.audio:
                return
            resampler = AudioResampler("flt", "stereo", RATE, frame_size=_BLOCK)
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    yield np.asarray(part.to_ndarray(), np.float32).reshape(-1, CHANNELS)
            for part in resampler.resample(None):
                yield np.asarray(part.to_ndarray(), np.float32).reshape(-1, CHANNELS)
    except (av.error.FFmpegError, OSError) as error:
        raise RealtimeError(f"The sound file {path} cannot be read ({error.strerror}).") from None


__all__ = ["Microphone", "SoundFile", "listen"]
