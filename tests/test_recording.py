"""Recording: times, sound, colours, and what is left when things go wrong."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import get_args

import av
import numpy as np
import psutil
import pytest
from clips import beep, corners, flat, length_of, make, number, numbered, onset, times_of
from pydantic import ValidationError

from realtime.config import RecordingOutput, VideoInput
from realtime.frame import Frame, RealtimeError
from realtime.sinks.recording import Recording
from realtime.sources.video import Video


def record(path: Path, pictures: Sequence[np.ndarray], times: Sequence[float], rate: float = 10.0, **more: object) -> Path:
    recording = Recording(RecordingOutput(path=str(path), **more), rate)  # type: ignore[arg-type]
    for index, (picture, moment) in enumerate(zip(pictures, times, strict=True)):
        recording.send(Frame(picture, index, moment))
    recording.close()
    return path


def through(clip: Path, path: Path, stop: int | None = None) -> Path:
    """The clip played into a recording of it."""
    video = Video(VideoInput(path=str(clip)))
    recording = Recording(RecordingOutput(path=str(path)), video.rate, clip)
    for frame in video:
        recording.send(frame)
        if frame.index + 1 == stop:
            break
    video.close()
    recording.close()
    return path


def pictures_of(path: Path) -> list[np.ndarray]:
    video = Video(VideoInput(path=str(path)))
    return [frame.image for frame in video]


def tracks(path: Path) -> list[tuple[str, int]]:
    """Codec and number of packets of each track."""
    found = []
    with av.open(str(path)) as container:
        counts: dict[int, int] = {}
        for packet in container.demux():
            if packet.size:
                counts[packet.stream.index] = counts.get(packet.stream.index, 0) + 1
        found = [(stream.codec_context.name, counts[stream.index]) for stream in container.streams]
    return found


UNEVEN = [0.0, 0.0334, 0.5, 0.5167, 1.7, 2.0]


@pytest.mark.parametrize("codec", ["h264", "mpeg4"])
@pytest.mark.parametrize("suffix", ["mp4", "mov", "m4v", "mkv"])
@pytest.mark.parametrize("start", [0.0, 81234.5678])
def test_times_are_kept(tmp_path: Path, suffix: str, codec: str, start: float) -> None:
    path = record(tmp_path / f"a.{suffix}", [numbered(index) for index in range(6)], [start + at for at in UNEVEN], codec=codec, quality=4)
    np.testing.assert_allclose(times_of(path), UNEVEN, atol=6e-4 if suffix == "mkv" else 2e-5)
    assert [number(picture) for picture in pictures_of(path)] == list(range(6))
    assert [name for name, _ in tracks(path)] == [codec]
    with av.open(str(path)) as container:
        assert container.duration / 1e6 == pytest.approx(2.1, abs=2e-3)
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_uneven_clip_comes_out_with_its_times_length_and_last_frame(tmp_path: Path, suffix: str) -> None:
    clip = make(tmp_path / "in.mp4", [numbered(index) for index in range(6)], UNEVEN, rate=2)
    out = through(clip, tmp_path / f"out.{suffix}")
    np.testing.assert_allclose(times_of(out), times_of(clip), atol=6e-4 if suffix == "mkv" else 2e-5)
    with av.open(str(out)) as new, av.open(str(clip)) as old:
        assert new.duration == pytest.approx(old.duration, abs=2000)
        assert new.duration == pytest.approx(2.5e6, abs=2000)


KEPT = """
mp4 aac mp4 aac
mp4 aac mkv aac
mkv pcm_s16le mkv pcm_s16le
mkv pcm_s16le mov pcm_s16le
mkv pcm_s16le mp4 aac
mkv flac mp4 aac
mkv libopus mp4 opus
mkv mp2 mp4 aac
"""


@pytest.mark.parametrize(("source", "codec", "suffix", "kept"), [line.split() for line in KEPT.split("\n") if line])
def test_sound_stays_with_the_picture(tmp_path: Path, source: str, codec: str, suffix: str, kept: str) -> None:
    """A white picture and a beep at the same moment; sound begins a third of a second before the picture."""
    begin, flash = 0.3, 12
    pictures = [flat(64, 48, (255, 255, 255) if index == flash else (0, 0, 0)) for index in range(30)]
    times = [begin + index / 10 for index in range(30)]
    clip = make(tmp_path / f"in.{source}", pictures, times, sound=beep(3.6, begin + flash / 10), sound_codec=codec)
    out = through(clip, tmp_path / f"out.{suffix}")
    assert [name for name, _ in tracks(out)] == ["h264", kept]

    def apart(path: Path) -> float:
        with av.open(str(path)) as container:
            seen = [(float(frame.pts * frame.time_base), frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)]
        return onset(path) - max(seen, key=lambda entry: entry[1])[0]

    assert apart(clip) == pytest.approx(0.0, abs=0.005)
    assert apart(out) == pytest.approx(apart(clip), abs=0.003)
    assert length_of(out, "audio") == pytest.approx(length_of(clip, "audio"), abs=0.05)
    assert len(times_of(out)) == 30


@pytest.mark.parametrize("seconds", [0.5, 3.0, 6.0])
def test_sound_shorter_or_longer_than_the_picture(tmp_path: Path, seconds: float) -> None:
    clip = make(tmp_path / "in.mp4", [numbered(index) for index in range(30)], sound=beep(seconds, 0.2))
    out = through(clip, tmp_path / "out.mp4")
    assert tracks(out) == tracks(clip)
    assert length_of(out, "audio") == pytest.approx(length_of(clip, "audio"), abs=0.005)
    assert length_of(out) == pytest.approx(3.0, abs=0.001)


def test_sound_that_begins_later(tmp_path: Path) -> None:
    clip = make(tmp_path / "in.mkv", [numbered(index) for index in range(30)], sound=beep(2.0, 0.5), sound_at=0.7, sound_codec="pcm_s16le")
    assert onset(clip) == pytest.approx(1.2, abs=0.003)
    for suffix in ("mkv", "mp4"):
        out = through(clip, tmp_path / f"out.{suffix}")
        assert onset(out) == pytest.approx(1.2, abs=0.003)
        assert times_of(out)[0] == 0


@pytest.mark.parametrize("rate", [4000, 37000, 192000])
def test_sound_of_a_rate_that_aac_does_not_know(tmp_path: Path, rate: int) -> None:
    """The first picture failed with an error of the sound's encoder."""
    clip = tmp_path / "in.mkv"
    with av.open(str(clip), "w") as output:
        stream = output.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        voice = output.add_stream("pcm_s16le", rate=rate)
        voice.layout = "mono"
        for index in range(20):
            frame = av.VideoFrame.from_ndarray(corners(64, 48), "bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            output.mux(stream.encode(frame))
        sound = av.AudioFrame.from_ndarray((beep(2.0, 0.5, rate) * 32767).astype(np.int16), "s16", "mono")
        sound.rate, sound.time_base, sound.pts = rate, Fraction(1, rate), 0
        output.mux(voice.encode(sound))
        for one in (stream, voice):
            output.mux(one.encode(None))
    out = through(clip, tmp_path / "out.mp4")
    assert [name for name, _ in tracks(out)] == ["h264", "aac"]
    assert onset(out) == pytest.approx(onset(clip), abs=0.005)
    assert length_of(out, "audio") == pytest.approx(2.0, abs=0.15)


def test_sound_ends_with_the_picture_when_stopped_early(tmp_path: Path) -> None:
    clip = make(tmp_path / "in.mp4", [numbered(index) for index in range(40)], sound=beep(4.0, 0.2))
    out = through(clip, tmp_path / "out.mp4", stop=15)
    assert length_of(out) == pytest.approx(1.5, abs=0.001)
    assert 1.4 < length_of(out, "audio") < 2.2


def test_sound_and_picture_are_written_side_by_side(tmp_path: Path) -> None:
    clip = make(tmp_path / "in.mp4", [numbered(index % 50) for index in range(100)], sound=beep(10.0, 0.2))
    out = through(clip, tmp_path / "out.mp4")
    with av.open(str(out)) as container:
        places = [(packet.pos, float(packet.pts * packet.time_base)) for packet in container.demux() if packet.size]
    ordered = [moment for _, moment in sorted(places)]
    assert max(earlier - later for earlier, later in itertools.pairwise(ordered)) < 2.6


def test_every_shared_clip_keeps_sound_rate_and_length(shared: Path, tmp_path: Path) -> None:
    for name in ("address.mp4", "d18.mp4", "stage-microphone.mp4", "walking-in.gif"):
        clip = shared / "clips" / name
        out = through(clip, tmp_path / f"{name}.mp4")
        with av.open(str(out)) as new, av.open(str(clip)) as old:
            assert new.duration == pytest.approx(old.duration, abs=1000)
            ours, theirs = new.streams.video[0], old.streams.video[0]
            assert ours.frames == theirs.frames
            assert float(ours.duration * ours.time_base) == pytest.approx(float(theirs.duration * theirs.time_base), abs=1e-3)
        assert [entry for entry in tracks(out) if entry[0] != "h264"] == [
            entry for entry in tracks(clip) if entry[0] not in ("h264", "gif")
        ]


@pytest.mark.parametrize("size", [(65, 49), (64, 49), (1, 1), (17, 2)])
def test_odd_sides_get_one_more_line(tmp_path: Path, size: tuple[int, int]) -> None:
    picture = flat(*size, (40, 120, 200))
    path = record(tmp_path / "a.mp4", [picture] * 3, [0, 0.1, 0.2])
    image = pictures_of(path)[0]
    assert image.shape == (size[1] + size[1] % 2, size[0] + size[0] % 2, 3)
    assert np.abs(image.astype(int) - (40, 120, 200)).max() <= 8


@pytest.mark.parametrize(("size", "matrix"), [((640, 480), 6), ((1280, 720), 1)])
def test_colours_come_back(tmp_path: Path, size: tuple[int, int], matrix: int) -> None:
    import cv2

    rng = np.random.default_rng(3)
    picture = cv2.resize(rng.integers(20, 236, (9, 16, 3)).astype(np.uint8), size, interpolation=cv2.INTER_CUBIC)
    path = record(tmp_path / "a.mp4", [picture] * 3, [0, 0.1, 0.2], quality=5)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (int(frame.colorspace), int(frame.color_range), int(frame.color_primaries), int(frame.color_trc)) == (
            matrix,
            1,
            matrix,
            matrix,
        )
    error = pictures_of(path)[0].astype(int) - picture
    assert np.abs(error).mean() < 2.5
    assert np.abs(error.mean(axis=(0, 1))).max() < 1.8


def test_grey_stays_grey(tmp_path: Path) -> None:
    for level in (16, 40, 128, 200):
        (tmp_path / "a.mp4").unlink(missing_ok=True)
        image = pictures_of(record(tmp_path / "a.mp4", [flat(64, 48, (level,) * 3)] * 2, [0, 0.1], quality=1))[0]
        assert np.ptp(image[20, 20].astype(int)) <= 2
        assert abs(int(image[20, 20, 1]) - level) <= 2


def test_equal_and_backward_times_do_not_end_it(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", [numbered(index) for index in range(5)], [5.0, 5.0, 5.1, 5.05, 5.2])
    times = times_of(path)
    assert len(times) == 5
    assert times == sorted(set(times))
    assert times[-1] == pytest.approx(0.2, abs=1e-4)


def test_other_sizes_are_fitted_into_the_first(tmp_path: Path) -> None:
    path = record(
        tmp_path / "a.mp4", [flat(64, 48, (200, 200, 200)), flat(48, 64, (200, 200, 200)), flat(1, 1, (200, 200, 200))], [0, 0.1, 0.2]
    )
    images = pictures_of(path)
    assert {image.shape for image in images} == {(48, 64, 3)}
    assert images[1][24, 4].max() < 40
    assert images[1][24, 32].min() > 180


def test_a_frame_without_pixels_is_refused_and_nothing_stays(tmp_path: Path) -> None:
    recording = Recording(RecordingOutput(path=str(tmp_path / "a.mp4")), 30)
    with pytest.raises(ValueError, match="0 x 0"):
        recording.send(Frame(np.zeros((0, 0, 3), np.uint8), 0, 0.0))
    recording.close()
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "there.mp4").write_text("mine")
    (tmp_path / "folder.mp4").mkdir()
    for name, words in {
        "there.mp4": "--overwrite",
        "folder.mp4": "folder",
        "no/where.mp4": "does not exist",
        "there.mp4/a.mp4": "does not exist",
        "a.gif": r"end in \.mp4",
        "noextension": "no extension",
    }.items():
        with pytest.raises(RealtimeError, match=words) as caught:
            Recording(RecordingOutput(path=str(tmp_path / name)), 30)
        assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.mp4", "there.mp4"]
    assert (tmp_path / "there.mp4").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that nobody, not even root, can write")
def test_folder_that_cannot_be_written() -> None:
    with pytest.raises(RealtimeError, match="cannot be written"):
        Recording(RecordingOutput(path="/proc/a.mp4"), 30)


def test_home_folders_in_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No shell has looked at a path in the settings."""
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    make(tmp_path / "in.mp4", [numbered(index) for index in range(10)], sound=beep(1.0, 0.2))
    through(Path("~/in.mp4"), Path("~/out.mp4"))
    assert [name for name, _ in tracks(tmp_path / "out.mp4")] == ["h264", "aac"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]
    with pytest.raises(RealtimeError, match="being read"):
        Recording(RecordingOutput(path="~/in.mp4", overwrite=True), 30, "~/in.mp4")
    with pytest.raises(RealtimeError, match="The folder ~nobody-here does not exist"):
        Recording(RecordingOutput(path="~nobody-here/a.mp4"), 30)


def test_own_input_is_not_overwritten(tmp_path: Path) -> None:
    clip = make(tmp_path / "a.mp4", [numbered(0)])
    with pytest.raises(RealtimeError, match="being read"):
        Recording(RecordingOutput(path=str(clip), overwrite=True), 30, clip)


def test_old_file_is_replaced_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("old")
    recording = Recording(RecordingOutput(path=str(path), overwrite=True), 10)
    recording.send(Frame(numbered(1), 0, 0.0))
    assert path.read_text() == "old"
    recording.close()
    recording.close()
    assert len(times_of(path)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_without_frames_no_file_is_left_and_an_old_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("old")
    Recording(RecordingOutput(path=str(path), overwrite=True), 10).close()
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "old"


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    said: list[str] = []
    recording = Recording(RecordingOutput(path=str(path)), 10, say=said.append)
    recording.send(Frame(numbered(1), 0, 0.0))
    path.write_text("theirs")
    recording.close()
    assert path.read_text() == "theirs"
    assert len(times_of(tmp_path / "a.part.mp4")) == 1
    assert "a.part.mp4" in said[0]


def test_the_remains_of_a_killed_run_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "a.part.mp4").write_text("remains")
    record(tmp_path / "a.mp4", [numbered(0)], [0.0])
    assert (tmp_path / "a.part.mp4").read_text() == "remains"
    assert len(list(tmp_path.iterdir())) == 2


def _refused(path: Path, width: int, **more: object) -> str:
    """What a recording over (or beside) what is there says when its encoder cannot start."""
    recording = Recording(RecordingOutput.model_construct(path=str(path), overwrite=True, **more), 10)  # type: ignore[arg-type]
    picture = flat(width, 16, (0, 0, 0))
    with pytest.raises(RealtimeError) as caught:
        recording.send(Frame(picture, 0, 0.0))
    recording.send(Frame(picture, 1, 0.1))
    recording.close()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("width", "more", "words"),
    [
        (17000, {}, "17000 x 16 px are too large for H.264, which takes 16384"),
        (8194, {"codec": "mpeg4"}, "too large for MPEG-4, which takes 8191"),
        (64, {"preset": "slowest"}, "the H.264 encoder takes no pictures of 64 x 16 px"),
    ],
)
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_an_encoder_that_cannot_start_costs_no_file(tmp_path: Path, suffix: str, width: int, more: dict[str, str], words: str) -> None:
    """The old file was replaced by one of 0 bytes."""
    path = tmp_path / f"a.{suffix}"
    assert words in _refused(path, width, **more)
    assert list(tmp_path.iterdir()) == []
    path.write_text("old")
    _refused(path, width, **more)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "old"


def test_an_encoder_that_cannot_start_costs_no_file_with_sound(tmp_path: Path) -> None:
    clip = make(tmp_path / "in.mp4", [numbered(0)] * 3, sound=beep(1.0, 0.2))
    recording = Recording(RecordingOutput(path=str(tmp_path / "out.mp4")), 10, clip)
    with pytest.raises(RealtimeError, match="too large"):
        recording.send(Frame(flat(17000, 16, (0, 0, 0)), 0, 0.0))
    recording.close()
    assert list(tmp_path.iterdir()) == [clip]


def test_a_picture_that_cannot_be_brought_to_the_encoder_costs_no_file(tmp_path: Path) -> None:
    """Whatever goes wrong before the first picture is written."""
    path = tmp_path / "a.mp4"
    path.write_text("old")
    recording = Recording(RecordingOutput(path=str(path), overwrite=True), 10)
    with pytest.raises(ValueError, match="shape"):
        recording.send(Frame(np.zeros((48, 64, 5), np.uint8), 0, 0.0))
    recording.close()
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "old"


def test_the_largest_pictures_that_are_promised_are_taken(tmp_path: Path) -> None:
    for codec, width in (("h264", 16384), ("mpeg4", 8190)):
        path = record(tmp_path / f"{codec}.mp4", [flat(width, 16, (90, 90, 90))], [0.0], codec=codec)
        assert pictures_of(path)[0].shape == (16, width, 3)


PRESETS = get_args(RecordingOutput.model_fields["preset"].annotation)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_one_that_the_encoder_knows(tmp_path: Path, preset: str) -> None:
    assert len(times_of(record(tmp_path / "a.mp4", [numbered(0), numbered(1)], [0.0, 0.1], preset=preset))) == 2


@pytest.mark.parametrize("preset", ["slowest", "placebo", "", "Fast", 3])
def test_other_presets_are_refused_with_the_settings(preset: object) -> None:
    assert len(PRESETS) == 9
    with pytest.raises(ValidationError, match="'ultrafast', 'superfast'"):
        RecordingOutput(path="a.mp4", preset=preset)  # type: ignore[arg-type]


PROGRAM = """
import os, resource, sys
import numpy as np
from realtime.config import RecordingOutput
from realtime.frame import Frame, RealtimeError
from realtime.sinks.recording import Recording
rng = np.random.default_rng(0)
path, limit, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
recording = Recording(RecordingOutput(path=path, overwrite=True), 10)
failed = 0
for index in range(count):
    try:
        recording.send(Frame(rng.integers(0, 255, (120, 160, 3)).astype(np.uint8), index, index / 10))
    except RealtimeError as error:
        failed += 1
        print(error)
if not limit:
    os._exit(9)
try:
    recording.close()
except RealtimeError as error:
    failed += 1
    print(error)
print("errors", failed)
"""


def run(path: Path, limit: int, count: int) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[1]
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(path), str(limit), str(count)]
    return subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=120, check=False)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_killed_recording_plays(tmp_path: Path, suffix: str) -> None:
    assert run(tmp_path / f"a.{suffix}", 0, 120).returncode == 9
    times = times_of(tmp_path / f"a.part.{suffix}")
    assert len(times) > 60
    np.testing.assert_allclose(times, np.arange(len(times)) / 10, atol=1e-3)


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX")
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_full_disk_keeps_what_was_recorded(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    done = run(path, 1_000_003, 120)
    assert done.returncode == 0, done.stderr
    assert "the disk is full" in done.stdout
    assert done.stdout.endswith("errors 1\n")
    assert list(tmp_path.iterdir()) == [path]
    assert 10 < len(times_of(path)) < 120
    assert f"{len(times_of(path)) / 10:.0f}" == f"{float(done.stdout.split('full; ')[1].split()[0]):.0f}"


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX")
def test_full_disk_at_the_very_end(tmp_path: Path) -> None:
    """The index of the finished file is what does not fit."""
    whole = run(tmp_path / "whole.mp4", 1 << 40, 40)
    assert whole.stdout == "errors 0\n"
    path = tmp_path / "a.mp4"
    done = run(path, (tmp_path / "whole.mp4").stat().st_size - 100, 40)
    assert "the disk is full" in done.stdout
    assert len(times_of(path)) == 40


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX")
def test_full_disk_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("old")
    done = run(path, 700_000, 120)
    assert "a.part.mp4" in done.stdout
    assert path.read_text() == "old"
    assert len(times_of(tmp_path / "a.part.mp4")) > 5


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX")
def test_full_disk_before_anything_fits(tmp_path: Path) -> None:
    done = run(tmp_path / "a.mp4", 2000, 60)
    assert "nothing could be recorded" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_really_full_disk(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        recording = Recording(RecordingOutput(path=str(tmp_path / "a.mp4")), 10)
        rng = np.random.default_rng(0)
        noise = [Frame(rng.integers(0, 255, (120, 160, 3)).astype(np.uint8), index, index / 10) for index in range(200)]
        with pytest.raises(RealtimeError, match="the disk is full"):
            any(map(recording.send, noise))
        recording.close()
        assert len(times_of(tmp_path / "a.mp4")) > 10
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_nothing_is_left_open(tmp_path: Path) -> None:
    clip = make(tmp_path / "in.mp4", [numbered(index) for index in range(10)], sound=beep(1.0, 0.2))
    process = psutil.Process()
    through(clip, tmp_path / "first.mp4")
    files, threads = len(process.open_files()), threading.active_count()
    kernel = process.num_threads()
    for index in range(8):
        through(clip, tmp_path / f"{index}.mp4")
    Recording(RecordingOutput(path=str(tmp_path / "none.mp4")), 30, clip).close()
    assert len(process.open_files()) == files
    assert threading.active_count() == threads
    assert process.num_threads() <= kernel + 1


def test_several_tracks_of_sound_are_kept(tmp_path: Path) -> None:
    clip = tmp_path / "in.mkv"
    with av.open(str(clip), "w") as output:
        stream = output.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        voices = []
        for language in ("eng", "fra"):
            voice = output.add_stream("aac", rate=48000, layout="mono")
            voice.metadata["language"] = language
            voices.append(voice)
        for index in range(20):
            frame = av.VideoFrame.from_ndarray(corners(64, 48), "bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            output.mux(stream.encode(frame))
            for voice in voices:
                for part in range(4):
                    sound = av.AudioFrame.from_ndarray(np.zeros((1, 1200), np.float32), "fltp", "mono")
                    sound.rate, sound.time_base, sound.pts = 48000, Fraction(1, 48000), (index * 4 + part) * 1200
                    output.mux(voice.encode(sound))
        for one in (stream, *voices):
            output.mux(one.encode(None))
    out = through(clip, tmp_path / "out.mp4")
    assert tracks(out)[1:] == tracks(clip)[1:]
    with av.open(str(out)) as container:
        assert [stream.metadata["language"] for stream in container.streams.audio] == ["eng", "fra"]
