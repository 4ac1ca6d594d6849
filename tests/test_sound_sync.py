"""The clap: a flash in the picture and a beep in the sound, taken at moments that are known, read back from what was sent."""

from __future__ import annotations

import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import flat
from servers import Server, aired, claps

from realtime.config import AudioSettings, HlsOutput, RecordingOutput, StreamOutput
from realtime.frame import Frame, Sink
from realtime.machine.desk import Desk
from realtime.machine.microphone import SoundFile
from realtime.sinks.recording import Recording
from realtime.sinks.stream import Stream
from realtime.sinks.voice import Voice

_RATE = 30.0
# When the claps are, in the sound file's time, no two of them as far apart as the next two; and what the loop takes for a picture.
_CLAPS, _LENGTH = (0.9, 1.6, 2.4, 3.05, 3.9, 4.65, 5.5, 6.15, 6.95, 7.65, 8.5, 9.25, 10.05, 10.7), 0.15
_ENOUGH, _ALL = 2.3, 12.0
_LATENCY = 0.12
_WITHIN = 0.020


@pytest.fixture(scope="module")
def clap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound file with a beep at each clap, 44100 samples a second and one channel, as cheap microphones have it."""
    path = tmp_path_factory.mktemp("sound") / "clap.wav"
    moments = np.arange(int(_ALL) * 44100) / 44100
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


def act(sink: Sink, desk: Desk) -> dict[float, float]:
    """Send pictures, as a loop would, until there are two claps and more; when each clap was heard and seen, on the same clock.

    What a busy machine sends late it has taken late: how long a picture takes is known here, and the same for all.
    """
    assert isinstance(desk._microphone, SoundFile)
    begin, index, on_air = desk._microphone.begin, 0, aired(sink)
    seen: dict[float, float] = {}
    while (taken := max(begin + index / _RATE, time.perf_counter() - _LATENCY)) < begin + _ALL:
        since, level = taken - begin, 30
        if min(since, on_air()) > _ENOUGH and not any(at < since < at + 0.5 for at in _CLAPS):
            break
        time.sleep(max(taken + _LATENCY - time.perf_counter(), 0))
        for at in _CLAPS:
            if at <= since + 1e-6 < at + _LENGTH:
                seen.setdefault(at, since)
                level = 240 - 12 * round((since - seen[at]) * _RATE)
        sink.send(Frame(flat(160, 96, (level, level, level)), index, taken))
        index = max(index, int(since * _RATE + 1e-6)) + 1
    sink.close()
    return seen


def offsets(path: Path | str, acted: dict[float, float], shift: float = 0.0) -> list[float]:
    """How late each beep is in seconds, against its flash, for those that came."""
    flashes, beeps = claps(path, _RATE)

    def fits(start: float, seen: float) -> bool:
        return any(abs(flash - start - seen) < 0.01 for flash in flashes)

    # Who listens may have come late, and where its clock began is not known: it is where most claps are found.
    starts = [flash - seen for flash in flashes for seen in acted.values()]
    start = max(starts, key=lambda start: sum(fits(start, seen) for seen in acted.values()))
    whole = [heard + start + shift for heard, seen in acted.items() if fits(start, seen)]
    assert len(whole) > 1, (flashes, beeps, acted)
    return [min((beep - at for beep in beeps), key=abs) for at in whole]


@pytest.mark.parametrize("kind", ["rtmp", "srt", "rtsp", "udp"])
def test_a_server_gets_sound_and_picture_together(kind: str, desk: Desk, tmp_path: Path) -> None:
    server = Server(kind, tmp_path)
    server.start()
    try:
        acted = act(Stream(StreamOutput(url=server.url, bitrate=1), _RATE, True, desk, lambda _: None), desk)
        measured = offsets(server.finish(), acted)
    finally:
        server.end()
    assert np.abs(measured).max() < _WITHIN, measured


def test_a_folder_gets_sound_and_picture_together(desk: Desk, tmp_path: Path) -> None:
    acted = act(Stream(HlsOutput(folder=str(tmp_path / "live"), seconds=0.5), _RATE, True, desk, lambda _: None), desk)
    measured = offsets(tmp_path / "live" / "live.m3u8", acted)
    assert np.abs(measured).max() < _WITHIN, measured


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_recording_gets_the_microphones_sound(desk: Desk, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"take.{suffix}"
    acted = act(Recording(RecordingOutput(path=str(path)), _RATE, hearing=desk), desk)
    measured = offsets(path, acted)
    assert np.abs(measured).max() < _WITHIN, measured


def test_a_delay_that_is_set_counts_from_the_moment_of_hearing(clap: Path, tmp_path: Path) -> None:
    """Pictures take 0.12 s here: sound held back by 0.3 s is 0.18 s late against them."""
    desk = Desk(AudioSettings(microphone=str(clap), delay=0.3), pytest.fail)
    try:
        path = tmp_path / "take.mkv"
        acted = act(Recording(RecordingOutput(path=str(path)), _RATE, hearing=desk), desk)
    finally:
        desk.close()
    measured = offsets(path, acted, 0.3 - _LATENCY)
    assert np.abs(measured).max() < _WITHIN, measured


def test_sound_ends_where_the_pictures_end(desk: Desk, tmp_path: Path) -> None:
    import av

    path = tmp_path / "take.mp4"
    act(Recording(RecordingOutput(path=str(path)), _RATE, hearing=desk), desk)
    with av.open(str(path)) as container:
        lengths = [float(stream.duration * stream.time_base) for stream in container.streams]
    assert lengths[0] == pytest.approx(lengths[1], abs=0.05)


def test_a_recording_that_is_about_to_begin_misses_no_sound(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page may ask at any moment, also while its tracks are made."""
    take, said = Recording(RecordingOutput(path=str(tmp_path / "take.mp4")), _RATE, hearing=desk), list[str]()

    class Watched(Voice):
        def __init__(self, *arguments: Any) -> None:
            said.append(take.problem)
            super().__init__(*arguments)

    monkeypatch.setattr("realtime.sinks.recording.Voice", Watched)
    take.send(Frame(flat(64, 48, (30, 30, 30)), 0, time.perf_counter()))
    assert [*said, take.problem] == ["", ""]
    take.close()
