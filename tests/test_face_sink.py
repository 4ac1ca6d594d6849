"""The face alone, kept as PNG files or as WebM with alpha: read back, it is what was cut out, at its times."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.build import build
from realtime.config import AnimatedInput, FaceOutput, RecordingOutput, Settings
from realtime.frame import Frame, RealtimeError
from realtime.places import check_recordings
from realtime.portraits import portrait
from realtime.sinks.face import FacePictures, FaceVideo

Bytes = NDArray[np.uint8]
_TIMES = (5.0, 5.04, 5.1, 5.5)


def cut(frame: Frame) -> Bytes:
    """A disc that moves with the index, half of it half transparent, on nothing; 96 x 64."""
    image = np.zeros((*frame.image.shape[:2], 4), np.uint8)
    image = np.asarray(cv2.circle(image, (24 + 12 * frame.index, 32), 20, (40, 90, 210, 255), -1), np.uint8)
    image[32:, :, 3] //= 2
    return image


def frames(size: tuple[int, int] = (64, 96)) -> list[Frame]:
    return [Frame(np.zeros((*size, 3), np.uint8), index, time) for index, time in enumerate(_TIMES)]


def decoded(path: Path) -> Iterator[tuple[float, Bytes]]:
    """Time and BGRA picture of every frame, by the one decoder that reads WebM's alpha."""
    decoder = av.CodecContext.create("libvpx-vp9", "r")
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            for frame in decoder.decode(packet):
                assert frame.format.name == "yuva420p"
                yield float((frame.pts or 0) * packet.time_base), np.asarray(frame.to_ndarray(format="bgra"), np.uint8)


def close(found: Bytes, made: Bytes) -> bool:
    """Whether two cut-outs look alike: alpha nearly the same, colour where it can be seen."""
    share = np.abs(found[..., 3].astype(int) - made[..., 3])
    inner = cv2.erode(np.ascontiguousarray(made[..., 3]), np.ones((5, 5), np.uint8)) > 100
    colour = np.abs(found[..., :3].astype(int) - made[..., :3])[inner]
    return bool(np.percentile(share, 98) <= 12 and share.mean() < 3 and colour.mean() < 6)


def test_pictures_are_exactly_what_was_cut_and_their_list_tells_the_times(tmp_path: Path) -> None:
    folder = tmp_path / "face"
    sink = FacePictures(FaceOutput(path=str(folder)), cut, 25.0)
    for frame in frames():
        sink.send(frame)
    sink.close()
    sink.close()
    for frame in frames():
        found = cv2.imread(str(folder / f"face-{frame.index:06d}.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(found, cut(frame))
    lines = (folder / "face.ffconcat").read_text().splitlines()
    assert lines[0] == "ffconcat version 1.0"
    assert [line.split()[1] for line in lines if line.startswith("file")] == [f"face-{index:06d}.png" for index in range(4)]
    assert [float(line.split()[1]) for line in lines if line.startswith("duration")] == pytest.approx([0.04, 0.06, 0.4, 0.04])


def test_a_webm_file_has_alpha_and_the_frames_times(tmp_path: Path) -> None:
    path = tmp_path / "face.webm"
    sink = FaceVideo(FaceOutput(path=str(path)), cut, 25.0, print)
    for frame in frames():
        sink.send(frame)
    assert not path.exists()
    sink.close()
    sink.close()
    found = list(decoded(path))
    assert [time for time, _ in found] == pytest.approx([0, 0.04, 0.1, 0.5], abs=0.001)
    for (_, picture), frame in zip(found, frames(), strict=True):
        assert close(picture, cut(frame))
        assert not close(picture, cut(replace(frame, index=frame.index + 1)))
        assert (picture[:8, :, 3] < 4).all()
    assert [entry.name for entry in tmp_path.iterdir()] == ["face.webm"]


def test_colour_does_not_turn_dark_at_the_rim(tmp_path: Path) -> None:
    """What cannot be seen has no say: over a ground of the disc's own colour, no rim is seen."""
    sink = FaceVideo(FaceOutput(path=str(tmp_path / "face.webm")), cut, 25.0, print)
    sink.send(frames()[0])
    sink.close()
    [(_, picture)] = decoded(tmp_path / "face.webm")
    share = picture[..., 3:] / 255
    ground = np.array([40, 90, 210])
    assert np.abs(share * picture[..., :3] + (1 - share) * ground - ground).max() < 14


def test_an_odd_size_gets_an_empty_line_and_another_size_is_fitted(tmp_path: Path) -> None:
    path = tmp_path / "face.webm"
    sink = FaceVideo(FaceOutput(path=str(path)), cut, 25.0, print)
    odd, other = frames((63, 95))[0], frames((126, 190))[1]
    sink.send(odd)
    sink.send(other)
    sink.close()
    first, second = (picture for _, picture in decoded(path))
    assert first.shape == second.shape == (64, 96, 4)
    assert close(first[:63, :95], cut(odd))
    assert (first[63:, :, 3] < 8).all()
    small = np.dstack([cv2.resize(cut(other)[..., k], (95, 63), interpolation=cv2.INTER_AREA) for k in range(4)])
    assert np.abs(second[:63, :95, 3].astype(int) - small[..., 3]).mean() < 4


def test_ffmpeg_lays_it_over_the_raw_pictures(tmp_path: Path) -> None:
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is not installed")
    sink = FaceVideo(FaceOutput(path=str(tmp_path / "face.webm")), cut, 25.0, print)
    pictures = FacePictures(FaceOutput(path=str(tmp_path / "face")), cut, 25.0)
    for frame in frames():
        sink.send(frame)
        pictures.send(frame)
    sink.close()
    pictures.close()
    for given in (["-c:v", "libvpx-vp9", "-i", "face.webm"], ["-f", "concat", "-i", "face/face.ffconcat"]):
        command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=c=0x00ff00:s=96x64:r=25:d=0.02", *given]
        command += ["-filter_complex", "[0][1]overlay=format=rgb", "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "bgr24", "-"]
        data = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=60).stdout
        shown = np.frombuffer(data, np.uint8).reshape(64, 96, 3).astype(int)
        assert np.abs(shown[4, 90] - (0, 255, 0)).max() < 12
        assert np.abs(shown[24, 24] - (40, 90, 210)).max() < 16
        assert np.abs(shown[42, 24] - (20, 172, 105)).max() < 16


def test_a_run_keeps_the_face_with_its_label_and_over_the_input_it_is_the_recording(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "input": AnimatedInput(path=str(portrait("hopper")), width=480, height=360, seconds=0.4, realtime=False),
            "outputs": (FaceOutput(path=str(tmp_path / "face")), FaceOutput(path=str(tmp_path / "face.webm"))),
            "swap": {"sources": (str(portrait("collins")),)},
        }
    )
    raw: list[Frame] = []
    done: list[Frame] = []

    def before(frame: Frame) -> Frame:
        raw.append(frame)
        return frame

    def after(frame: Frame) -> Frame:
        done.append(frame)
        return frame

    with build(settings, around=(before, after)) as loop:
        loop.run()
        overlay = loop._overlay
    assert len(done) == 12
    for frame, given, (_, film) in zip(done, raw, decoded(tmp_path / "face.webm"), strict=True):
        picture = np.asarray(cv2.imread(str(tmp_path / "face" / f"face-{frame.index:06d}.png"), cv2.IMREAD_UNCHANGED))
        share = picture[..., 3:] / 255
        shown = overlay(frame).image
        assert np.abs(share * picture[..., :3] + (1 - share) * given.image - shown).max() <= 2.01
        # The face, and the label in its corner; nothing else.
        left, top, right, bottom = frame.faces[0].box
        assert picture[int(top + bottom) // 2, int(left + right) // 2, 3] == 255
        assert picture[320:, :120, 3].max() > 140
        assert not picture[:, 400:].any()
        share = film[..., 3:] / 255
        assert np.abs(share * film[..., :3] + (1 - share) * given.image - shown).mean() < 2


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("face.mp4", "ends in .webm; got .mp4"),
        ("nowhere/face.webm", "does not exist"),
        ("kept.webm", "exists already"),
        ("full", "has pictures of a face in it already"),
        ("note", "is a file"),
        ("folder.webm", "is a folder"),
    ],
)
def test_a_place_where_nothing_can_be_kept_is_said_before_the_run(tmp_path: Path, path: str, said: str) -> None:
    (tmp_path / "kept.webm").write_bytes(b"precious")
    (tmp_path / "note").write_text("precious")
    (tmp_path / "folder.webm").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "face-000000.png").write_bytes(b"precious")
    settings = Settings.model_validate({"outputs": [{"kind": "face", "path": str(tmp_path / path)}]})
    with pytest.raises(RealtimeError, match=re.escape(said)):
        check_recordings(settings)


def test_without_the_encoder_it_is_said_what_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", {"libx264"})
    with pytest.raises(RealtimeError, match="a folder instead"):
        FaceVideo(FaceOutput(path=str(tmp_path / "face.webm")), cut, 25.0, print)
    FacePictures(FaceOutput(path=str(tmp_path / "face")), cut, 25.0).close()


def test_two_outputs_are_never_one_file() -> None:
    for pair in ([FaceOutput(path="a.webm"), FaceOutput(path="./a.webm")], [RecordingOutput(path="a.mp4"), RecordingOutput(path="a.mp4")]):
        with pytest.raises(RealtimeError, match="there twice"):
            check_recordings(Settings(outputs=tuple(pair)))


def test_overwriting_takes_away_the_old_pictures_and_nothing_else(tmp_path: Path) -> None:
    for name in ("face-000000.png", "face-000099.png", "face.ffconcat", "holiday.png", "face-1.png"):
        (tmp_path / name).write_bytes(b"old")
    sink = FacePictures(FaceOutput(path=str(tmp_path), overwrite=True), cut, 25.0)
    sink.send(frames()[0])
    sink.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["face-000000.png", "face-1.png", "face.ffconcat", "holiday.png"]
    assert (tmp_path / "face-000000.png").read_bytes() != b"old"


def test_without_frames_nothing_is_left(tmp_path: Path) -> None:
    FacePictures(FaceOutput(path=str(tmp_path / "face")), cut, 25.0).close()
    FaceVideo(FaceOutput(path=str(tmp_path / "face.webm")), cut, 25.0, print).close()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_once_and_what_was_kept_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    sink = FacePictures(FaceOutput(path=str(tmp_path / "face")), cut, 25.0)
    first, second, third, _ = frames()
    sink.send(first)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(RealtimeError, match=r"No space left on device; 1 pictures"):
            sink.send(second)
    sink.send(third)
    sink.close()
    assert sorted(path.name for path in (tmp_path / "face").iterdir()) == ["face-000000.png", "face.ffconcat"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file on a disk that is always full needs Linux")
def test_a_list_that_does_not_fit_is_said_once_too(tmp_path: Path) -> None:
    sink = FacePictures(FaceOutput(path=str(tmp_path / "face")), cut, 25.0)
    sink._list.close()
    sink._list = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 (the sink closes it)
    with pytest.raises(RealtimeError, match=r"No space left on device; 0 pictures"):
        sink.send(frames()[0])
    sink.close()
    sink.close()
    sink = FacePictures(FaceOutput(path=str(tmp_path / "other")), cut, 25.0)
    sink.send(frames()[0])
    sink._list.close()
    sink._list = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 (the sink closes it)
    with pytest.raises(RealtimeError, match=r"No space left on device; 1 pictures"):
        sink.close()
    sink.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file that can be limited needs Linux")
def test_a_film_that_cannot_grow_keeps_what_plays(tmp_path: Path) -> None:
    """The limit is real: a process may make its files no larger than 600 kB."""
    path = str(tmp_path / "face.webm")
    code = f"""
import resource, signal, numpy as np
from realtime.config import FaceOutput
from realtime.frame import Frame, RealtimeError
from realtime.sinks.face import FaceVideo
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (600000, 600000))
draw = np.random.default_rng(0)
sink = FaceVideo(FaceOutput(path={path!r}), lambda frame: draw.integers(0, 256, (120, 160, 4), np.uint8), 25.0, print)
try:
    for index in range(90):
        sink.send(Frame(np.zeros((120, 160, 3), np.uint8), index, index / 25))
    sink.close()
except RealtimeError as error:
    print("said", error)
sink.send(Frame(np.zeros((120, 160, 3), np.uint8), 99, 4.0))
sink.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[1])
    assert re.search(r"said .*the disk is full; [0-9.]+ seconds were recorded", done.stdout), done.stdout + done.stderr
    assert len(list(decoded(Path(path)))) >= 10
