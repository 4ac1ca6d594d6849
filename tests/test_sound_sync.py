"""The clap: a flash in the picture and a beep in the sound, taken at moments that are known, read back from what was sent."""

from __future__ import annotations

import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from clips import flat
from servers import Server, claps

from realtime.config import AudioSettings, HlsOutput, RecordingOutput, StreamOutput
from realtime.frame import Frame, Sink
from realtime.machine.desk import Desk
from realtime.machine.microphone import SoundFile
from realtime.sinks.recording import Recording
from realtime.sinks.stream import Stream

_RATE = 30.0
# When the claps are, in the sound file's time, and what the loop takes for a picture.
_CLAPS, _LENGTH = (0.9, 1.6), 0.15
_LATENCY = 0.12
_WITHIN = 0.020


@pytest.fixture(scope="module")
def clap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound file with a beep at each clap, 44100 samples a second and one channel, as cheap microphones have it."""
    path = tmp_path_factory.mktemp("sound") / "clap.wav"
    moments = np.arange(6 * 44100) / 44100
    loud = sum(((moments >= at) & (moments < at + _LENGTH)).astype(float) for at in _CLAPS)
    samples = np.round(20000 * loud * np.sin(2 * np.pi * 1000 * moments)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes(samples.tobytes())
    return path


@pytest.fixture
def desk(clap: Path) -> Iterator[Desk]:
    made = Desk(AudioSettings(microphone=str(clap)), pytest.fail)
    yield made
    made.close()


def act(sink: Sink, desk: Desk) -> list[float]:
    """Send two seconds of pictures, as a loop would; by how much each flash follows its beep in truth.

    What a busy machine sends late it has taken late: how long a picture takes is known here, and the same for all.
    """
    assert isinstance(desk._microphone, SoundFile)
    begin, index, first = desk._microphone.begin, 0, [0.0] * len(_CLAPS)
    while (taken := max(begin + index / _RATE, time.perf_counter() - _LATENCY)) < begin + 2.0:
        time.sleep(max(taken + _LATENCY - time.perf_counter(), 0))
        level = 30
        for clap, at in enumerate(_CLAPS):
            since = taken - begin - at + 1e-6
            if 0 <= since < _LENGTH or first[clap] == 0.0 <= since:
                first[clap] = first[clap] or taken
                level = 240 - 12 * round((taken - first[clap]) * _RATE)
        sink.send(Frame(flat(160, 96, (level, level, level)), index, taken))
        index = max(index, int((taken - begin) * _RATE + 1e-6)) + 1
    sink.close()
    return [moment - begin - at for moment, at in zip(first, _CLAPS, strict=True)]


def offsets(path: Path | str, truth: list[float], shift: float = 0.0) -> list[float]:
    """How late each beep is in seconds, against its flash and against the truth."""
    flashes, beeps = claps(path, _RATE)
    assert len(flashes) == len(beeps) == len(truth) == len(_CLAPS)
    return [beep - (flash - true) - shift for flash, beep, true in zip(flashes, beeps, truth, strict=True)]


@pytest.mark.parametrize("kind", ["rtmp", "srt", "rtsp", "udp"])
def test_a_server_gets_sound_and_picture_together(kind: str, desk: Desk, tmp_path: Path) -> None:
    server = Server(kind, tmp_path)
    server.start()
    try:
        truth = act(Stream(StreamOutput(url=server.url, bitrate=1), _RATE, True, desk, lambda _: None), desk)
        measured = offsets(server.finish(), truth)
    finally:
        server.end()
    assert np.abs(measured).max() < _WITHIN, measured


def test_a_folder_gets_sound_and_picture_together(desk: Desk, tmp_path: Path) -> None:
    truth = act(Stream(HlsOutput(folder=str(tmp_path / "live"), seconds=0.5), _RATE, True, desk, lambda _: None), desk)
    measured = offsets(tmp_path / "live" / "live.m3u8", truth)
    assert np.abs(measured).max() < _WITHIN, measured


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_recording_gets_the_microphones_sound(desk: Desk, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"take.{suffix}"
    truth = act(Recording(RecordingOutput(path=str(path)), _RATE, hearing=desk), desk)
    measured = offsets(path, truth)
    assert np.abs(measured).max() < _WITHIN, measured


def test_a_delay_that_is_set_counts_from_the_moment_of_hearing(clap: Path, tmp_path: Path) -> None:
    """Pictures take 0.12 s here: sound held back by 0.3 s is 0.18 s late against them."""
    desk = Desk(AudioSettings(microphone=str(clap), delay=0.3), pytest.fail)
    try:
        path = tmp_path / "take.mkv"
        truth = act(Recording(RecordingOutput(path=str(path)), _RATE, hearing=desk), desk)
    finally:
        desk.close()
    measured = offsets(path, truth, 0.3 - _LATENCY)
    assert np.abs(measured).max() < _WITHIN, measured


def test_sound_ends_where_the_pictures_end(desk: Desk, tmp_path: Path) -> None:
    import av

    path = tmp_path / "take.mp4"
    act(Recording(RecordingOutput(path=str(path)), _RATE, hearing=desk), desk)
    with av.open(str(path)) as container:
        lengths = [float(stream.duration * stream.time_base) for stream in container.streams]
    assert lengths[0] == pytest.approx(lengths[1], abs=0.05)
