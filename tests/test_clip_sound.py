"""A clip that plays is heard: in streams, in recordings and in the virtual microphone, at its pictures, whatever happens to them."""

from __future__ import annotations

import math
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from clips import beep, flat, make, numbered, onset, times_of
from numpy.typing import NDArray
from servers import Server, aired, claps

from realtime.config import AudioSettings, HlsOutput, OverlaySettings, RecordingOutput, Settings, StreamOutput, SwapSettings, VideoInput
from realtime.frame import Frame, Sink
from realtime.machine.desk import Desk
from realtime.machine.ring import RATE, Ring
from realtime.sinks.following import Following
from realtime.sinks.recording import Recording
from realtime.sinks.stream import Stream
from realtime.sources.video import Video

_PICTURES = 30.0
_LENGTH = 0.23
# What the loop takes for a picture.
_LATENCY = 0.08
_WITHIN = 0.020


def clapping(path: Path, seconds: float, moments: tuple[float, ...], sound: bool = True) -> Path:
    """A clip with a flash and a beep at each moment; grey 240, 228, ... tells how old the flash is."""
    pictures = []
    for index in range(round(seconds * _PICTURES)):
        since = min((index / _PICTURES - at + 1e-6 for at in moments if index / _PICTURES - at + 1e-6 >= 0), default=_LENGTH)
        level = 240 - 12 * int(since * _PICTURES) if since < _LENGTH else 30
        pictures.append(flat(160, 96, (level, level, level)))
    heard = sum((beep(seconds, at) for at in moments), np.zeros((1, round(seconds * RATE)), np.float32))
    return make(path, pictures, rate=30, sound=heard if sound else None)


def play(clip: Path, sink: Callable[[Desk], Sink], count: int, *, loop: bool = False, stall: float = 0.0, enough: float = math.inf) -> None:
    """Send the first `count` frames of a clip that plays, as a loop would.

    stall: seconds for which nobody asks for more, once after 1.  enough: seconds on air after which a stream ends.
    """
    source = Video(VideoInput(path=str(clip), realtime=True, loop=loop))
    desk = Desk(AudioSettings(), pytest.fail, clip=source.hear())
    target = sink(desk)
    on_air = aired(target)
    try:
        begin = None
        for number, frame in enumerate(islice(source, count)):
            begin = begin or frame.time
            if enough < on_air() < math.inf:
                break
            time.sleep(max(frame.time + _LATENCY - time.perf_counter(), 0) if number % 3 == 0 else 0)
            target.send(frame)
            if frame.time >= begin + 1:
                time.sleep(stall)
                stall = 0.0
    finally:
        target.close()
        desk.close()
        source.close()


def apart(path: Path | str, count: int, missed: int = 0) -> NDArray[np.float64]:
    """Seconds by which each beep follows its flash; missed: so many flashes may be missing, where a server came late."""
    flashes, beeps = claps(path, _PICTURES)
    assert count - missed <= len(flashes) <= count, (flashes, beeps)
    return np.array([min((beep - flash for beep in beeps), key=abs) for flash in flashes])


def streamed(output: StreamOutput | HlsOutput) -> Callable[[Desk], Sink]:
    return lambda desk: Stream(output, _PICTURES, True, desk, lambda _: None)


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    made = Server(getattr(request, "param", "rtmp"), tmp_path)
    yield made
    made.end()


@pytest.mark.parametrize("server", ["rtmp", "udp"], indirect=True)
def test_a_server_gets_the_clips_sound_at_its_pictures(server: Server, tmp_path: Path) -> None:
    moments = tuple(np.arange(0.9, 11, 0.7).tolist())
    clip = clapping(tmp_path / "clip.mp4", 12, moments)
    server.start()
    play(clip, streamed(StreamOutput(url=server.url, bitrate=1)), 360, enough=2.5)
    found = apart(server.finish(), len(moments), len(moments) - 2)
    # The last one may have been cut.
    assert np.abs(found[:-1]).max() < _WITHIN, found


def test_a_folder_gets_the_clips_sound_at_its_pictures(tmp_path: Path) -> None:
    clip = clapping(tmp_path / "clip.mp4", 2.2, (0.9, 1.6))
    play(clip, streamed(HlsOutput(folder=str(tmp_path / "live"), seconds=0.5)), 66)
    assert np.abs(apart(tmp_path / "live" / "live.m3u8", 2)).max() < _WITHIN


def test_sound_goes_round_with_the_clip(tmp_path: Path) -> None:
    """Three rounds and a bit of a clip of 1.1 s; its sound does not run on while its pictures begin again."""
    clip = clapping(tmp_path / "clip.mp4", 1.1, (0.4,))
    play(clip, streamed(HlsOutput(folder=str(tmp_path / "live"), seconds=0.5)), 110, loop=True)
    found = apart(tmp_path / "live" / "live.m3u8", 3)
    assert np.abs(found).max() < _WITHIN, found


@pytest.mark.parametrize(("stall", "loop"), [(0.0, True), (1.6, False)])
def test_a_clip_whose_frames_come_too_fast_is_heard_at_the_pace_it_is_sent_at(tmp_path: Path, stall: float, loop: bool) -> None:
    """As where a recording is made beside the stream; a loop that stands still for too long makes a pause in both."""
    clip = clapping(tmp_path / "clip.mp4", 1.5, (0.4, 1.2))
    source = Video(VideoInput(path=str(clip), loop=loop))
    ring, desk = source.hear(), Desk(AudioSettings(), pytest.fail)
    assert ring is not None
    sink = Stream(HlsOutput(folder=str(tmp_path / "live"), seconds=0.5), _PICTURES, False, Following(ring, desk), lambda _: None)
    # A few frames on their way, as between the stages of a loop.
    ahead: list[Frame] = []
    for frame in islice(source, 70):
        ahead.append(frame)
        if len(ahead) > 4:
            sink.send(ahead.pop(0))
        if frame.index == 24:
            time.sleep(stall)
    for frame in ahead:
        sink.send(frame)
    sink.close()
    source.close()
    found = apart(tmp_path / "live" / "live.m3u8", 3 if loop else 2)
    assert np.abs(found).max() < _WITHIN, found


def test_frames_on_their_way_before_a_jump_do_not_follow_it(tmp_path: Path) -> None:
    """The clip's sound is a day ahead already when the last frame from before is sent."""
    clip = Ring()
    heard = Following(clip, Desk(AudioSettings(), pytest.fail))
    clip.write(0, np.full((RATE, 2), 0.5, np.float32))
    heard.follow(0.9, 100.9, 0.1)
    clip.write(86400 * RATE, np.full((RATE, 2), 0.25, np.float32))
    tracemalloc.start()
    try:
        heard.follow(1.0, 101.0, 0.1)
        heard.follow(86400.0, 101.1, 0.1)
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()
    assert heard.read(round(100.95 * RATE), 1)[0, 0] == 0.5
    assert not heard.read(round(101.05 * RATE), 1).any()
    assert (heard.read(round(101.1 * RATE), RATE) == 0.25).all()
    assert heard.heard == pytest.approx(102.1)


@pytest.mark.parametrize("stall", [0.25, 0.8])
def test_sound_follows_pictures_that_are_left_out_or_late(tmp_path: Path, stall: float) -> None:
    """A quarter of a second costs pictures; after more, the clip goes on where it stood, and its sound with it."""
    clip = clapping(tmp_path / "clip.mp4", 2.6, (0.5, 1.4, 2.2))
    path = tmp_path / "take.mkv"
    play(clip, lambda desk: Recording(RecordingOutput(path=str(path)), _PICTURES, hearing=desk), 78, stall=stall)
    times = times_of(path)
    assert max(np.diff(times)) > stall - 0.1
    assert times[-1] == pytest.approx(2.6 + (stall if stall > 0.5 else 0), abs=0.15)
    found = apart(path, 3)
    assert np.abs(found).max() < _WITHIN, found


def test_a_clip_without_sound_is_silent(tmp_path: Path) -> None:
    source = Video(VideoInput(path=str(clapping(tmp_path / "clip.mp4", 0.5, (), sound=False)), realtime=True))
    desk = Desk(AudioSettings(), pytest.fail, clip=source.hear())
    frames = list(source)
    assert not desk.on
    assert not desk.read(round(frames[0].time * RATE), RATE).any()
    source.close()


def test_a_clip_that_can_be_opened_only_once_plays_without_its_sound(tmp_path: Path) -> None:
    clip, said = clapping(tmp_path / "clip.mp4", 0.5, (0.2,)), list[str]()
    source = Video(VideoInput(path=str(clip)), said.append)
    clip.unlink()
    assert source.hear() is None
    assert len(list(source)) == 15
    assert said == [f"The clip plays without its sound. There is no file {clip}; check the name."]
    source.close()


def test_a_clip_that_is_replaced_by_one_without_sound_goes_round_silently(tmp_path: Path) -> None:
    clip = make(tmp_path / "clip.mkv", [numbered(0)] * 10, sound=beep(1.0, 0.5))
    silent = make(tmp_path / "silent.mkv", [numbered(0)] * 10)
    source = Video(VideoInput(path=str(clip), loop=True), pytest.fail)
    ring = source.hear()
    assert ring is not None
    for frame in islice(source, 25):
        if frame.index == 2:
            silent.replace(clip)
    loud = np.flatnonzero(np.abs(ring.read(0, 3 * RATE)[:, 0]) > 0.2) / RATE
    assert loud[0] == pytest.approx(0.5, abs=2e-3)
    assert loud[-1] < 0.7
    assert ring.end == pytest.approx(2.5 * RATE, abs=RATE / 10)
    source.close()


def test_pieces_that_were_joined_are_heard_one_after_the_other(tmp_path: Path) -> None:
    """Their clocks begin anew, pictures go on; three, so that what is behind would add up."""
    piece = make(tmp_path / "piece.ts", [numbered(0)] * 20, sound=beep(2.0, 0.6)).read_bytes()
    (tmp_path / "clip.ts").write_bytes(3 * piece)
    source = Video(VideoInput(path=str(tmp_path / "clip.ts")))
    ring = source.hear()
    assert ring is not None
    assert len(list(source)) == 60
    loud = np.abs(ring.read(0, 7 * RATE)[:, 0]) > 0.2
    begun = [np.flatnonzero(loud[round(begin * RATE) :])[0] / RATE for begin in (0.0, 2.0, 4.0)]
    assert begun == pytest.approx([0.6, 0.6, 0.6], abs=0.1)
    source.close()


def test_a_clip_whose_pictures_jump_by_a_day_costs_no_memory(tmp_path: Path) -> None:
    times = [*(index / 10 for index in range(10)), *(86400 + index / 10 for index in range(10))]
    clip = make(tmp_path / "clip.mkv", [numbered(0)] * 20, times, sound=beep(60.0, 0.6))
    source = Video(VideoInput(path=str(clip)))
    ring = source.hear()
    assert ring is not None
    tracemalloc.start()
    try:
        assert len(list(source)) == 20
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()
    assert ring.end > 86400 * RATE
    source.close()


def test_the_microphone_is_heard_instead_where_one_is_named(tmp_path: Path) -> None:
    """Turned on and off while the clip plays; a delay that is set for it is not the clip's."""
    microphone = clapping(tmp_path / "voice.mp4", 1.0, ())
    source = Video(VideoInput(path=str(clapping(tmp_path / "clip.mp4", 1.5, (0.0,))), realtime=True))
    clip = source.hear()
    assert clip is not None
    desk = Desk(AudioSettings(delay=0.3), pytest.fail, clip=clip)
    first = next(iter(source))
    place = round(first.time * RATE)
    assert np.abs(desk.read(place, 1200)).max() > 0.3
    assert desk.shift(0.1) == 0
    desk.settings = AudioSettings(microphone=str(microphone), delay=0.3)
    assert not desk.read(place, 1200).any()
    assert desk.shift(0.1) == pytest.approx(0.2)
    desk.settings = AudioSettings(delay=0.3)
    assert np.abs(desk.read(place, 1200)).max() > 0.3
    desk.close()
    source.close()


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "aac"), ("mp4", "mp3"), ("mov", "pcm_s16le"), ("mkv", "libopus"), ("mkv", "flac")])
@pytest.mark.parametrize(("late", "at"), [(0.0, 0.0), (0.0, 0.3), (0.25, 0.0)])
def test_sound_lies_where_the_file_has_it(tmp_path: Path, suffix: str, codec: str, late: float, at: float) -> None:
    """late: of the pictures, at: of the sound, in the file."""
    clip = make(
        tmp_path / f"clip.{suffix}",
        [numbered(index) for index in range(20)],
        [late + index / 10 for index in range(20)],
        sound=beep(1.5, 0.6),
        sound_codec=codec,
        sound_at=at,
    )
    source = Video(VideoInput(path=str(clip)))
    ring = source.hear()
    assert ring is not None
    assert len(list(source)) == 20
    loud = np.flatnonzero(np.abs(ring.read(0, 2 * RATE)[:, 0]) > 0.2)
    assert loud[0] / RATE == pytest.approx(onset(clip) - times_of(clip)[0], abs=1e-3)
    source.close()


def test_who_listens_later_hears_what_comes_then(tmp_path: Path) -> None:
    clip = make(tmp_path / "clip.mp4", [numbered(0)] * 90, sound=beep(9.0, 7.5))
    source = Video(VideoInput(path=str(clip)))
    frames = iter(source)
    for _ in islice(frames, 70):
        pass
    ring = source.hear()
    assert ring is not None
    assert len(list(frames)) == 20
    loud = np.flatnonzero(np.abs(ring.read(0, 9 * RATE)[:, 0]) > 0.2)
    assert loud[0] / RATE == pytest.approx(7.5, abs=2e-3)
    source.close()


def test_a_clip_whose_sound_is_damaged_plays_on(tmp_path: Path) -> None:
    clip = make(tmp_path / "clip.mkv", [numbered(0)] * 20, sound=np.random.default_rng(0).normal(0, 0.1, (1, 2 * RATE)).astype(np.float32))
    data = bytearray(clip.read_bytes())
    for place in range(len(data) // 4, len(data) - len(data) // 4, 97):
        data[place] ^= 0xFF
    clip.write_bytes(data)
    source = Video(VideoInput(path=str(clip)), lambda _: None)
    source.hear()
    assert list(source)
    source.close()


@pytest.mark.parametrize("realtime", [True, False])
def test_a_run_sends_the_clips_sound(server: Server, tmp_path: Path, realtime: bool) -> None:
    """From the settings of a run to what the server has, and the file beside it."""
    server.start()
    from realtime.build import build

    clip = clapping(tmp_path / "clip.mp4", 4.1, (1.0, 1.8, 2.6, 3.4))
    entry = Settings(
        input=VideoInput(path=str(clip), realtime=realtime),
        outputs=(StreamOutput(url=server.url, bitrate=1), RecordingOutput(path=str(tmp_path / "take.mp4"))),
        swap=SwapSettings(enabled=False),
        # Its letters would make flashes darker, and so older.
        overlay=OverlaySettings(label="none"),
    )
    with build(entry) as loop:
        loop.run(signalled=False)
    for path, missed in ((server.finish(), 2), (tmp_path / "take.mp4", 0)):
        found = apart(path, 4, missed)
        assert np.abs(found).max() < _WITHIN, found
